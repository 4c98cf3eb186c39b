"""``whisper-jax transcribe``: recordings to text on stdout, or to files."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from whisper_jax.cli.collector import nothing_collected
from whisper_jax.cli.options import option, takes_transcription_options
from whisper_jax.cli.subtitles import Subtitles, take_subtitles, transcribed
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.formats import FORMATS, output_paths
from whisper_jax.options import AUTO, ComputeType, TranscribeOptions, transcribe_options

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
        subtitles: How subtitles are laid out, and whether they are in two languages.
        quiet: Show nothing but results and errors.
    """

    files: Sequence[str]
    paths: dict[str, list[Path]]
    prints: bool
    model: dict[str, Any]
    options: dict[str, Any]
    subtitles: Subtitles
    quiet: bool


_MODEL, _OUTPUT = "Model", "Output"

_Files = Annotated[list[str], typer.Argument(metavar="FILES", help="Audio or video: paths, URLs.")]
_Model = Annotated[str, option(_MODEL, "Size name, hub id, folder or file.", metavar="NAME")]
_Device = Annotated[
    str | None,
    option(_MODEL, "Where to compute; the fastest there is if unset.", metavar="cpu|cuda|rocm|tpu"),
]
_ComputeType = Annotated[
    str,
    option(
        _MODEL,
        f"Type of the numbers computed with: {', '.join(get_args(ComputeType.__value__))}.",
        metavar="TYPE",
    ),
]
_BatchSize = Annotated[
    int | None,
    option(
        _MODEL,
        "Most windows at once; as many as are of use and fit into memory if unset.",
        min=1,
        metavar="N",
    ),
]
_NDevices = Annotated[
    int | None,
    option(
        _MODEL,
        "Devices that share the windows out; as many as --model-parallel if unset.",
        min=1,
        metavar="N",
    ),
]
_ModelParallel = Annotated[
    int,
    option(_MODEL, "Devices that share one copy of a model too large for one.", min=1, metavar="N"),
]
_Offline = Annotated[
    bool | None, option(_MODEL, "Fetch nothing: use the weights in the cache.", "--offline")
]
_OUTPUT_DIR_HELP = """Write files into this folder: in all formats if --format is not given.
With neither, the text goes to stdout."""
_OutputDir = Annotated[
    Path | None, option(_OUTPUT, _OUTPUT_DIR_HELP, "--output-dir", "-o", metavar="FOLDER")
]
_FORMAT_HELP = f"""Write files in this format: {", ".join(FORMATS)} or all; several with commas or
by repetition. They go to the current folder if --output-dir is not given."""
_Formats = Annotated[
    list[str] | None, option(_OUTPUT, _FORMAT_HELP, "--format", "-f", metavar="FORMAT")
]
_Translation = Annotated[
    bool,
    option(
        "Subtitles",
        "Put the English translation under what is said: srt, vtt, ass, lrc.",
        "--subtitle-translation",
    ),
]
_Verbose = Annotated[bool, option(_OUTPUT, "Print the text if files are written.", "--verbose")]
_Quiet = Annotated[
    bool, option(_OUTPUT, "No progress line: results and errors only.", "--quiet", "-q")
]


@takes_transcription_options
def transcribe_command(
    files: _Files,
    model: _Model = "base",
    device: _Device = None,
    compute_type: _ComputeType = "auto",
    batch_size: _BatchSize = None,
    n_devices: _NDevices = None,
    model_parallel: _ModelParallel = 1,
    offline: _Offline = None,
    output_dir: _OutputDir = None,
    formats: _Formats = None,
    verbose: _Verbose = False,
    quiet: _Quiet = False,
    subtitle_translation: _Translation = False,
    **given: Any,
) -> None:
    """Turn recordings into text with timestamps.

    Exit code 0: all done. 1: some failed, each named with its reason on stderr. 2: usage.
    """
    try:
        subtitles = take_subtitles(given, has_translation=subtitle_translation)
        options = _checked(files, given)
        names = _format_names(output_dir, formats)
        subtitles.require(options, names)
        job = _Job(
            files=files,
            paths=_paths(files, output_dir, names),
            prints=verbose or (output_dir is None and not formats),
            model={
                "name": model,
                "device": device,
                "compute_type": compute_type,
                "batch_size": batch_size,
                "n_devices": n_devices,
                "model_parallel": model_parallel,
                "offline": offline,
            },
            options={field.name: getattr(options, field.name) for field in fields(options)},
            subtitles=subtitles,
            quiet=quiet,
        )
        code = _run(job)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(code)


def _checked(files: Sequence[str], given: dict[str, Any]) -> TranscribeOptions:
    """The options; the caller's mistakes are found before a model is loaded."""
    from whisper_jax.text.languages import language_code

    options = transcribe_options(given)
    if options.language not in (None, AUTO):
        language_code(options.language)
    for name in files:
        if Path(name).is_dir():
            raise OptionError(f"{name} is a folder; name the files in it: {Path(name) / '*'}")
    return options


def _format_names(output_dir: Path | None, formats: Sequence[str] | None) -> list[str]:
    """The formats that are to be written; none without a format or a folder."""
    if output_dir is None and not formats:
        return []
    names = [name.strip() for part in formats or ["all"] for name in part.split(",")]
    return list(FORMATS) if "all" in names else names


def _paths(
    files: Sequence[str], output_dir: Path | None, names: Sequence[str]
) -> dict[str, list[Path]]:
    """Where each file's text goes in each format."""
    if not names:
        return {}
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
        results = Results(
            job.files, job.paths, display, prints=job.prints, layout=job.subtitles.options
        )
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
    with nothing_collected():
        # Here and not above: this loads JAX.
        from whisper_jax.loading import load_model

        model = load_model(**job.model, on_download=display.downloaded)

    def on_progress(progress: "FileProgress") -> None:
        results.progressed(there[progress.index], progress)

    with model:
        display.start_clock()
        cancel = threading.Event()
        audios = [job.files[index] for index in there]
        try:
            for position, transcript, translation in transcribed(
                model,
                audios,
                job.options,
                has_translation=job.subtitles.has_translation,
                on_progress=on_progress,
                cancel=cancel,
            ):
                results.completed(there[position], transcript, translation)
        except KeyboardInterrupt:
            cancel.set()
            raise


def _is_missing(name: str) -> bool:
    return "://" not in name and not Path(name).exists()
