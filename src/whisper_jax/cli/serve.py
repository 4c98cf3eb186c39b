"""``whisper-jax serve``: OpenAI's audio API and a web page, for many clients."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from whisper_jax.cli.collector import nothing_collected
from whisper_jax.cli.options import option
from whisper_jax.errors import OptionError, WhisperJaxError

if TYPE_CHECKING:
    from whisper_jax.options import ComputeType
    from whisper_jax.server.keys import ApiKeys
    from whisper_jax.server.settings import ServerSettings

_KEYS_VARIABLE = "WHISPER_JAX_API_KEYS"
_MODEL, _ACCESS, _LIMITS = "Model", "Access", "Limits"
_MIB = 1 << 20

_Models = Annotated[
    list[str] | None,
    option(
        _MODEL,
        "Model to serve: size name, hub id, folder or file; give it again for more. The first is "
        "loaded at the start, the others when they are asked for.",
        "--model",
        metavar="NAME",
    ),
]
_Aliases = Annotated[
    list[str] | None,
    option(
        _MODEL,
        "A further name for a model. whisper-1 is one for the first model.",
        "--alias",
        metavar="NAME=MODEL",
    ),
]
_Device = Annotated[
    str | None,
    option(_MODEL, "Where to compute; the fastest there is if unset.", metavar="cpu|cuda|rocm|tpu"),
]
_ComputeType = Annotated[
    str, option(_MODEL, "Type of the numbers computed with, as in transcribe.", metavar="TYPE")
]
_BatchSize = Annotated[
    int | None,
    option(_MODEL, "Most windows at once; as many as fit into memory if unset.", metavar="N"),
]
_Warmup = Annotated[
    bool,
    option(
        _MODEL,
        "Compile what usual work needs before requests are taken; it is kept for the next start.",
        "--warmup",
    ),
]
_Host = Annotated[str, option(_ACCESS, "Address to listen on.", metavar="HOST")]
_Port = Annotated[int, option(_ACCESS, "Port to listen on; 0 takes a free one.", metavar="N")]
_Keys = Annotated[
    list[str] | None,
    option(
        _ACCESS,
        f"A key that clients have to send; give it again for more. Others see it in the list of "
        f"processes: --api-keys-file and ${_KEYS_VARIABLE} (with commas) do not show it.",
        "--api-key",
        metavar="KEY",
    ),
]
_KeysFile = Annotated[Path | None, option(_ACCESS, "A file with keys, one a line.", metavar="FILE")]
_WithoutKeys = Annotated[
    bool,
    option(
        _ACCESS,
        "Let everybody in who can reach the server, also from other machines.",
        "--allow-anyone",
    ),
]
_Origins = Annotated[
    list[str] | None,
    option(
        _ACCESS,
        "Web pages of this origin may use the server; give it again for more, * for all.",
        "--cors-origin",
        metavar="ORIGIN",
    ),
]
_MaxUpload = Annotated[float, option(_LIMITS, "Most MiB of an upload.", metavar="MIB")]
_MaxDuration = Annotated[float, option(_LIMITS, "Most seconds of a recording.", metavar="SECONDS")]
_MaxRunning = Annotated[
    int, option(_LIMITS, "Most requests transcribed at once; others wait.", metavar="N")
]
_MaxWaiting = Annotated[int, option(_LIMITS, "Most requests waiting, of all keys.", metavar="N")]
_MaxWaitingPerKey = Annotated[
    int, option(_LIMITS, "Most requests waiting, of one key or address.", metavar="N")
]
_Rate = Annotated[
    int | None,
    option(_LIMITS, "Most requests a minute, of one key or address.", metavar="N"),
]
_MaxStreams = Annotated[int, option(_LIMITS, "Most live streams at once.", metavar="N")]
_MaxStreamsPerKey = Annotated[
    int, option(_LIMITS, "Most live streams at once, of one key or address.", metavar="N")
]
_MaxViewers = Annotated[int, option(_LIMITS, "Most clients that listen in rooms.", metavar="N")]
_IdleTimeout = Annotated[
    float,
    option(
        _LIMITS,
        "Seconds after which a live stream's client that sends nothing is cut off.",
        metavar="SECONDS",
    ),
]
_ResumeTimeout = Annotated[
    float,
    option(_LIMITS, "Seconds that a live stream's client has to come back.", metavar="SECONDS"),
]
_StopTimeout = Annotated[
    float,
    option(
        _LIMITS, "Seconds that requests have to finish when the server stops.", metavar="SECONDS"
    ),
]
_LogLevel = Annotated[
    str, option("Output", "What is logged at least.", metavar="debug|info|warning|error")
]


def serve_command(
    model: _Models = None,
    alias: _Aliases = None,
    device: _Device = None,
    compute_type: _ComputeType = "auto",
    batch_size: _BatchSize = None,
    warmup: _Warmup = False,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    api_key: _Keys = None,
    api_keys_file: _KeysFile = None,
    allow_anyone: _WithoutKeys = False,
    cors_origin: _Origins = None,
    max_upload_mib: _MaxUpload = 1024.0,
    max_duration: _MaxDuration = 14400.0,
    max_running: _MaxRunning = 96,
    max_waiting: _MaxWaiting = 512,
    max_waiting_per_key: _MaxWaitingPerKey = 128,
    requests_per_minute: _Rate = None,
    max_streams: _MaxStreams = 64,
    max_streams_per_key: _MaxStreamsPerKey = 16,
    max_viewers: _MaxViewers = 512,
    stream_idle_timeout: _IdleTimeout = 300.0,
    resume_timeout: _ResumeTimeout = 60.0,
    stop_timeout: _StopTimeout = 30.0,
    log_level: _LogLevel = "info",
) -> None:
    """Serve OpenAI's audio API and a web page.

    Logs go to stderr, a line of JSON each. SIGTERM and Ctrl-C let requests finish. Exit code 0:
    stopped. 1: a model could not be loaded. 2: usage.
    """
    from whisper_jax.server.settings import ServerSettings

    with _errors_told():
        settings = ServerSettings(
            models=tuple(model or ("base",)),
            aliases=dict(_alias(text) for text in alias or ()),
            keys=_keys(api_key, api_keys_file),
            warms_up=warmup,
            host=host,
            port=port,
            max_upload_bytes=_bytes(max_upload_mib),
            max_duration_s=max_duration,
            max_running=max_running,
            max_waiting=max_waiting,
            max_waiting_per_key=max_waiting_per_key,
            requests_per_minute=requests_per_minute,
            max_streams=max_streams,
            max_streams_per_key=max_streams_per_key,
            max_viewers=max_viewers,
            stream_idle_timeout_s=stream_idle_timeout,
            resume_timeout_s=resume_timeout,
            stop_timeout_s=stop_timeout,
            cors_origins=tuple(cors_origin or ()),
        )
        _require_keys(settings, allow_anyone)
        _serve(settings, device, cast("ComputeType", compute_type), batch_size, log_level)


@contextmanager
def _errors_told() -> Iterator[None]:
    """Errors become messages and exit codes."""
    try:
        yield
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        typer.echo(f"whisper-jax: {error}", err=True)
        raise typer.Exit(1) from error


def _serve(
    settings: "ServerSettings",
    device: str | None,
    compute_type: "ComputeType",
    batch_size: int | None,
    log_level: str,
) -> None:
    with nothing_collected():
        from whisper_jax.server.logs import LEVELS, set_up_logs
        from whisper_jax.server.run import run_server
        from whisper_jax.shelf import Models

    if log_level not in LEVELS:
        raise OptionError(f"--log-level is {log_level!r}; there are: {', '.join(LEVELS)}")
    set_up_logs(log_level)
    models = Models(
        settings.models, device=device, compute_type=compute_type, batch_size=batch_size
    )
    run_server(models, settings)


def _bytes(mib: float) -> int:
    if not 0 < mib <= _MIB:
        raise OptionError(f"--max-upload-mib is {mib}; give a number above 0, up to {_MIB}")
    return math.ceil(mib * _MIB)


def _alias(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise OptionError(f"--alias is {text!r}; give NAME=MODEL")
    return name, model


def _keys(given: list[str] | None, path: Path | None) -> "ApiKeys":
    """The keys of the options, the file and the environment."""
    from whisper_jax.server.keys import ApiKeys, read_keys

    keys = list(given or ())
    if path is not None:
        keys += read_keys(path)
    keys += [key.strip() for key in os.environ.get(_KEYS_VARIABLE, "").split(",") if key.strip()]
    return ApiKeys(keys)


def _require_keys(settings: "ServerSettings", allow_anyone: bool) -> None:
    if len(settings.keys) or settings.is_local or allow_anyone:
        return
    raise OptionError(
        f"others can reach {settings.host}: give --api-keys-file, or --allow-anyone if everybody "
        "may use this server"
    )
