"""``whisper-jax transcribe``: recordings to text on stdout, or to files."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.formats import FORMATS, output_paths
from whisper_jax.options import ComputeType, TranscribeOptions, transcribe_options

if TYPE_CHECKING:
    from whisper_jax.cli.progress import Display
    from whisper_jax.cli.results import Results
    from whisper_jax.transcribe import FileProgress

_STOPPED = 130
"""The exit code of a program that Ctrl-C ended."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What is to be done with which files.

    Attributes:
        files: Paths and URLs as they were given.
        paths: For each format that is to be written, a path for each file.
        prints: Print segments on stdout.
        model: Arguments of `load_model`.
        options: Arguments of `Whisper.as_completed`.
        quiet: Show nothing but results and errors.
    """

    files: Sequence[str]
    paths: dict[str, list[Path]]
    prints: bool
    model: dict[str, Any]
    options: dict[str, Any]
    quiet: bool


def _number_or_none(text: str) -> float | None:
    return None if text == "None" else float(text)


def _true_or_false(text: str) -> bool:
    if text not in ("True", "False"):
        raise ValueError(text)
    return text == "True"


def _token_ids(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.strip())


def _seconds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(",") if part.strip())


def _option(panel: str, text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, **settings)


_MODEL, _OUTPUT, _AUDIO, _TEXT, _WINDOWS = "Model", "Output", "Audio", "Text", "Windows"
_PARSE_SWITCH = {"parser": _true_or_false, "metavar": "True|False"}
_PARSE_IDS = {"parser": _token_ids, "metavar": "IDS"}
_PARSE_TIMES = {"parser": _seconds, "metavar": "START,END,…"}
_PARSE_LIMIT = {"parser": _number_or_none, "metavar": "NUMBER|None"}

_Files = Annotated[list[str], typer.Argument(metavar="FILES", help="Audio or video: paths, URLs.")]
_Model = Annotated[str, _option(_MODEL, "Size name, hub id, folder or file.")]
_Device = Annotated[
    str | None,
    _option(
        _MODEL, "Where to compute; the fastest there is if unset.", metavar="cpu|cuda|rocm|tpu"
    ),
]
_ComputeType = Annotated[
    str,
    _option(
        _MODEL,
        "Type of the numbers computed with.",
        metavar="|".join(get_args(ComputeType.__value__)),
    ),
]
_BatchSize = Annotated[
    int, _option(_MODEL, "Most windows at once; more is faster and takes more memory.", min=1)
]
_Offline = Annotated[
    bool | None, _option(_MODEL, "Fetch nothing: use the weights in the cache.", "--offline")
]
_OUTPUT_DIR_HELP = """Write files into this folder: in all formats if --format is not given.
With neither, the text goes to stdout."""
_OutputDir = Annotated[
    Path | None, _option(_OUTPUT, _OUTPUT_DIR_HELP, "--output-dir", "-o", metavar="FOLDER")
]
_FORMAT_HELP = f"""Write files in this format: {", ".join(FORMATS)} or all; several with commas or
by repetition. They go to the current folder if --output-dir is not given."""
_Formats = Annotated[
    list[str] | None, _option(_OUTPUT, _FORMAT_HELP, "--format", "-f", metavar="FORMAT")
]
_Verbose = Annotated[bool, _option(_OUTPUT, "Print the text if files are written.", "--verbose")]
_Quiet = Annotated[
    bool, _option(_OUTPUT, "No progress line: results and errors only.", "--quiet", "-q")
]
_Channel = Annotated[
    int | None, _option(_AUDIO, "Use this channel, from 0; all are mixed if unset.", min=0)
]
_Clips = Annotated[
    Any, _option(_AUDIO, "Parts to transcribe, in seconds; all if unset.", **_PARSE_TIMES)
]
_Language = Annotated[
    str | None, _option(_TEXT, "Language spoken, code or English name; detected if unset.")
]
_TASK_HELP = "transcribe: write what is said; translate: write it in English."
_Task = Annotated[str, _option(_TEXT, _TASK_HELP, metavar="TASK")]
_Prompt = Annotated[
    str | None, _option(_TEXT, "Text put before the first window, for names and spelling.")
]
_Condition = Annotated[
    Any, _option(_WINDOWS, "Give each window the text of those before it.", **_PARSE_SWITCH)
]
_SUPPRESS_HELP = "Token ids never to say, with commas; -1: symbols that are not spoken."
_Suppress = Annotated[Any, _option(_TEXT, _SUPPRESS_HELP, **_PARSE_IDS)]
_SuppressBlank = Annotated[Any, _option(_TEXT, "Begin no window with a blank.", **_PARSE_SWITCH)]
_Temperature = Annotated[float, _option(_TEXT, "0, no sampling, is the only one so far.")]
_BeamSize = Annotated[int, _option(_TEXT, "1, greedy decoding, is the only one so far.")]
_WithoutTimestamps = Annotated[
    bool, _option(_WINDOWS, "One segment for each window.", "--without-timestamps")
]
_MaxInitial = Annotated[
    Any, _option(_WINDOWS, "Latest start in seconds of a window's first segment.", **_PARSE_LIMIT)
]
_NoSpeech = Annotated[
    Any, _option(_WINDOWS, "Skip windows more likely without speech than this.", **_PARSE_LIMIT)
]
_Logprob = Annotated[
    Any, _option(_WINDOWS, "But keep those with a higher mean log probability.", **_PARSE_LIMIT)
]
_ChunkLength = Annotated[float, _option(_WINDOWS, "Most seconds of audio in a window, 1 to 30.")]


def transcribe_command(
    context: typer.Context,
    files: _Files,
    model: _Model = "base",
    device: _Device = None,
    compute_type: _ComputeType = "float32",
    batch_size: _BatchSize = 16,
    offline: _Offline = None,
    output_dir: _OutputDir = None,
    formats: _Formats = None,
    verbose: _Verbose = False,
    quiet: _Quiet = False,
    channel: _Channel = None,
    clip_timestamps: _Clips = "",
    language: _Language = None,
    task: _Task = "transcribe",
    initial_prompt: _Prompt = None,
    condition_on_previous_text: _Condition = "True",
    suppress_tokens: _Suppress = "-1",
    suppress_blank: _SuppressBlank = "True",
    temperature: _Temperature = 0.0,
    beam_size: _BeamSize = 1,
    without_timestamps: _WithoutTimestamps = False,
    max_initial_timestamp: _MaxInitial = "1.0",
    no_speech_threshold: _NoSpeech = "0.6",
    logprob_threshold: _Logprob = "-1.0",
    chunk_length: _ChunkLength = 30.0,
) -> None:
    """Turn recordings into text with timestamps.

    Exit code 0: all done. 1: some failed, each named with its reason on stderr. 2: usage.
    """
    # The names of `TranscribeOptions` are those of this function, in its context too.
    options = {option.name: context.params[option.name] for option in fields(TranscribeOptions)}
    try:
        _check(files, options)
        job = _Job(
            files=files,
            paths=_paths(files, output_dir, formats),
            prints=verbose or (output_dir is None and not formats),
            model={
                "name": model,
                "device": device,
                "compute_type": compute_type,
                "batch_size": batch_size,
                "offline": offline,
            },
            options=options,
            quiet=quiet,
        )
        code = _run(job)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(code)


def _check(files: Sequence[str], options: dict[str, Any]) -> None:
    """Find the caller's mistakes before a model is loaded."""
    from whisper_jax.text.languages import language_code

    transcribe_options(options)
    if options["language"] is not None:
        language_code(options["language"])
    for name in files:
        if Path(name).is_dir():
            raise OptionError(f"{name} is a folder; name the files in it: {Path(name) / '*'}")


def _paths(
    files: Sequence[str], output_dir: Path | None, formats: Sequence[str] | None
) -> dict[str, list[Path]]:
    """Where each file's text goes in each format; nowhere without a format or a folder."""
    if output_dir is None and not formats:
        return {}
    names = [name.strip() for part in formats or ["all"] for name in part.split(",")]
    if "all" in names:
        names = list(FORMATS)
    folder = Path() if output_dir is None else output_dir
    paths = {name: output_paths(files, folder, name) for name in names}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"cannot use {folder} for the results: {error.strerror}") from error
    return paths


def _run(job: _Job) -> int:
    """Do the job; the exit code."""
    from whisper_jax.cli.progress import Display
    from whisper_jax.cli.results import Results

    with Display(len(job.files), quiet=job.quiet) as display:
        results = Results(job.files, job.paths, display, prints=job.prints)
        try:
            _transcribe(job, display, results)
        except OptionError:
            raise
        except WhisperJaxError as error:
            results.print_rest()
            display.problem(f"whisper-jax: {error}")
            return 1
        except KeyboardInterrupt:
            results.print_rest()
            display.problem(f"Stopped: {results.n_done} of {len(job.files)} files are done.")
            return _STOPPED
        if results.n_done:
            display.summary()
    return 1 if results.n_failed else 0


def _transcribe(job: _Job, display: "Display", results: "Results") -> None:
    there = [index for index, name in enumerate(job.files) if not _is_missing(name)]
    for index in sorted(set(range(len(job.files))) - set(there)):
        results.failed(index, "there is no such file")
    if not there:
        return
    display.stage(f"Loading {job.model['name']}")
    # Here and not above: this loads JAX.
    from whisper_jax.transcribe import load_model

    def on_progress(progress: "FileProgress") -> None:
        results.progressed(there[progress.index], progress)

    with load_model(**job.model, on_download=display.downloaded) as model:
        display.start_clock()
        cancel = threading.Event()
        audios = [job.files[index] for index in there]
        try:
            for position, transcript in model.as_completed(
                audios, on_progress=on_progress, cancel=cancel, **job.options
            ):
                results.completed(there[position], transcript)
        except KeyboardInterrupt:
            cancel.set()
            raise


def _is_missing(name: str) -> bool:
    return "://" not in name and not Path(name).exists()
