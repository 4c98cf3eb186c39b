"""What commands that make text of recordings have in common: model, output, and errors."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from whisper_jax.cli.collector import nothing_collected
from whisper_jax.cli.options import option, taken
from whisper_jax.cli.subtitles import Subtitles
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.formats import FORMATS, output_paths
from whisper_jax.options import AUTO, ComputeType, TranscribeOptions

if TYPE_CHECKING:
    from whisper_jax.cli.progress import Display
    from whisper_jax.cli.results import Results
    from whisper_jax.transcribe import Whisper

STOPPED: Final = 130
"""The exit code of a program that Ctrl-C ended."""

_MODEL, _OUTPUT = "Model", "Output"

_DEVICE_HELP = "Where to compute; the fastest there is if unset."
_COMPUTE_TYPE_HELP = (
    f"Type of the numbers computed with: {', '.join(get_args(ComputeType.__value__))}."
)
_BATCH_SIZE_HELP = "Most windows at once; as many as are of use and fit into memory if unset."
_N_DEVICES_HELP = "Devices that share the windows out; as many as --model-parallel if unset."
_MODEL_PARALLEL_HELP = "Devices that share one copy of a model too large for one."
_OUTPUT_DIR_HELP = """Write files into this folder: in all formats if --format is not given.
With neither, the text goes to stdout."""
_FORMAT_HELP = f"""Write files in this format: {", ".join(FORMATS)} or all; several with commas or
by repetition. They go to the current folder if --output-dir is not given."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The options that say which model is loaded, and how: arguments of `load_model`."""

    model: Annotated[str, option(_MODEL, "Size name, hub id, folder or file.", metavar="NAME")] = (
        "base"
    )
    device: Annotated[str | None, option(_MODEL, _DEVICE_HELP, metavar="cpu|cuda|rocm|tpu")] = None
    compute_type: Annotated[str, option(_MODEL, _COMPUTE_TYPE_HELP, metavar="TYPE")] = "auto"
    batch_size: Annotated[int | None, option(_MODEL, _BATCH_SIZE_HELP, min=1, metavar="N")] = None
    n_devices: Annotated[int | None, option(_MODEL, _N_DEVICES_HELP, min=1, metavar="N")] = None
    model_parallel: Annotated[int, option(_MODEL, _MODEL_PARALLEL_HELP, min=1, metavar="N")] = 1
    offline: Annotated[
        bool | None, option(_MODEL, "Fetch nothing: use the weights in the cache.", "--offline")
    ] = None

    def load(self, display: "Display") -> "Whisper":
        """Load it, and show how far that is."""
        display.stage(f"Loading {self.model}")
        with nothing_collected():
            # Here and not above: this loads JAX.
            from whisper_jax.loading import load_model

            settings: dict[str, Any] = {
                field.name: getattr(self, field.name) for field in fields(self)
            }
            name = settings.pop("model")
            return load_model(name=name, **settings, on_download=display.downloaded)


@dataclass(frozen=True, kw_only=True)
class OutputChoice:
    """The options that say where the text goes."""

    output_dir: Annotated[
        Path | None, option(_OUTPUT, _OUTPUT_DIR_HELP, "--output-dir", "-o", metavar="FOLDER")
    ] = None
    formats: Annotated[
        list[str] | None, option(_OUTPUT, _FORMAT_HELP, "--format", "-f", metavar="FORMAT")
    ] = None
    verbose: Annotated[
        bool, option(_OUTPUT, "Print the text if files are written.", "--verbose")
    ] = False
    quiet: Annotated[
        bool, option(_OUTPUT, "No progress line: results and errors only.", "--quiet", "-q")
    ] = False

    @property
    def names(self) -> list[str]:
        """The formats that are to be written; none without a format or a folder."""
        if self.output_dir is None and not self.formats:
            return []
        names = [name.strip() for part in self.formats or ["all"] for name in part.split(",")]
        return list(FORMATS) if "all" in names else names

    def paths(self, files: Sequence[str]) -> dict[str, list[Path]]:
        """Where each file's text goes in each format; the folder is made.

        Raises:
            OptionError: There is no such format, or the folder cannot be made.
        """
        if not self.names:
            return {}
        folder = Path() if self.output_dir is None else self.output_dir
        paths = {name: output_paths(files, folder, name) for name in self.names}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"cannot use {folder} for the results: {error.strerror}") from error
        return paths


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done with which files.

    Attributes:
        files: Paths and URLs as they were given.
        paths: For each format that is to be written, a path for each file.
        model: The model that does it.
        output: Where the text goes.
        subtitles: How subtitles are laid out, and whether they are in two languages.
    """

    files: Sequence[str]
    paths: Mapping[str, Sequence[Path]]
    model: ModelChoice
    output: OutputChoice
    subtitles: Subtitles


type Work = Callable[[Whisper, Sequence[int], Results, threading.Event], None]
"""What a command does with a model: it is given the places of the files that are there, what
takes results, and what says that it is to stop."""


def checked_job(
    files: Sequence[str],
    options: TranscribeOptions,
    subtitles: Subtitles,
    given: dict[str, Any],
) -> Job:
    """A job; the caller's mistakes are found before a model is loaded.

    Args:
        files: Paths and URLs.
        options: What recordings are transcribed with.
        subtitles: What is asked for of subtitles.
        given: The options of model and output, which are taken out of it.

    Raises:
        OptionError: Something cannot be honoured.
    """
    from whisper_jax.text.languages import language_code

    if options.language not in (None, AUTO):
        language_code(options.language)
    for name in files:
        if Path(name).is_dir():
            raise OptionError(f"{name} is a folder; name the files in it: {Path(name) / '*'}")
    model, output = taken(ModelChoice, given), taken(OutputChoice, given)
    subtitles.require(options, output.names)
    return Job(
        files=files, paths=output.paths(files), model=model, output=output, subtitles=subtitles
    )


def run_job(job: Job, stage: str, work: Work) -> int:
    """Do the job; the exit code.

    Args:
        job: The job.
        stage: What is shown while it is done.
        work: Does it, once the model is loaded.

    Raises:
        OptionError: Something cannot be honoured.
    """
    from whisper_jax.cli.progress import Display
    from whisper_jax.cli.results import Results

    with Display(len(job.files), quiet=job.output.quiet) as display:
        results = Results(
            job.files,
            job.paths,
            display,
            prints=job.output.verbose or not job.paths,
            layout=job.subtitles.options,
        )
        try:
            _run(job, stage, work, display, results)
        except OptionError:
            raise
        except WhisperJaxError as error:
            results.print_rest()
            display.problem(f"whisper-jax: {error}")
            return 1
        except KeyboardInterrupt:
            results.print_rest()
            display.problem(f"Stopped: {results.n_done} of {len(job.files)} files are done.")
            return STOPPED
        if results.n_done:
            display.summary()
    return 1 if results.n_failed else 0


def _run(job: Job, stage: str, work: Work, display: "Display", results: "Results") -> None:
    there = [index for index, name in enumerate(job.files) if not _is_missing(name)]
    for index in sorted(set(range(len(job.files))) - set(there)):
        results.failed(index, "there is no such file")
    if not there:
        return
    with job.model.load(display) as model:
        display.start_clock(stage)
        cancel = threading.Event()
        try:
            work(model, there, results, cancel)
        except KeyboardInterrupt:
            cancel.set()
            raise


def _is_missing(name: str) -> bool:
    return "://" not in name and not Path(name).exists()
