"""``whisper-jax live``: captions while somebody speaks."""

import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whisper_jax.cli.jobs import STOPPED, ModelChoice
from whisper_jax.cli.live_files import FileChoice
from whisper_jax.cli.live_sources import SourceChoice, waits
from whisper_jax.cli.options import live_options, option, options_of, taken, takes
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.stream.settings import LiveOptions

if TYPE_CHECKING:
    from whisper_jax.cli.captions import Captions
    from whisper_jax.cli.live_files import LiveFiles
    from whisper_jax.stream.collected import Collected
    from whisper_jax.transcribe import Whisper

_Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[SOURCE]",
        help="A file, played in real time; a URL (rtsp, rtmp, HLS, http audio); - for a pipe. The "
        "microphone if nothing is given.",
    ),
]
_ListDevices = Annotated[
    bool, option("Source", "List the microphones, and exit.", "--list-devices")
]


@dataclass(frozen=True, kw_only=True)
class ShowChoice:
    """The options that say how captions are shown."""

    times: Annotated[bool, option("Output", "Put the time before each segment.", "--times")] = False
    json: Annotated[
        bool, option("Output", "Write every event to stdout, a line of JSON each.", "--json")
    ] = False
    quiet: Annotated[
        bool, option("Output", "No progress line while a model is loaded.", "--quiet", "-q")
    ] = False


@takes(
    options_of(ModelChoice),
    options_of(SourceChoice),
    live_options(),
    options_of(FileChoice),
    options_of(ShowChoice),
)
def live_command(
    source: _Source = None, *, list_devices: _ListDevices = False, **given: Any
) -> None:
    """Show captions while somebody speaks.

    Ctrl-C ends: what was heard is transcribed to its end and written; a second Ctrl-C leaves at
    once. Exit code 0: done. 1: the source, the model or a file failed. 2: usage. 130: Ctrl-C
    before the end.
    """
    try:
        if list_devices:
            _print_devices()
            return
        job = _checked(source, given)
        code = _run(job)
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error
    except WhisperJaxError as error:
        typer.echo(f"whisper-jax: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        raise typer.Exit(STOPPED) from None
    raise typer.Exit(code)


@dataclass(frozen=True, kw_only=True)
class _LiveJob:
    """What is to be heard, how, and where it goes."""

    source: str | None
    model: ModelChoice
    sources: SourceChoice
    options: LiveOptions
    files: FileChoice
    shown: ShowChoice

    @property
    def given(self) -> dict[str, Any]:
        """The options of live speech by name."""
        return {field.name: getattr(self.options, field.name) for field in fields(self.options)}

    @property
    def offline(self) -> dict[str, Any]:
        """Those that mean the same for recordings."""
        names = ("language", "task", "initial_prompt", "hotwords")
        return {name: getattr(self.options, name) for name in names}


def _checked(source: str | None, given: dict[str, Any]) -> _LiveJob:
    """What is asked for; mistakes are found before a model is loaded."""
    from whisper_jax.text.languages import language_code

    job = _LiveJob(
        source=source,
        model=taken(ModelChoice, given),
        sources=taken(SourceChoice, given),
        options=taken(LiveOptions, given),
        files=taken(FileChoice, given),
        shown=taken(ShowChoice, given),
    )
    if job.options.language not in (None, AUTO):
        language_code(job.options.language)
    job.sources.require(source)
    job.files.require()
    job.sources.check(source)
    return job


def _run(job: _LiveJob) -> int:
    from whisper_jax.cli.live_files import LiveFiles
    from whisper_jax.cli.progress import Display
    from whisper_jax.stream.collected import Collected

    with Display(1, quiet=job.shown.quiet) as display:
        model = job.model.load(display)
    with model:
        files = LiveFiles(job.files)
        try:
            return _listen(job, model, files, Collected(job.options.task))
        finally:
            files.close()


def _listen(job: _LiveJob, model: "Whisper", files: "LiveFiles", collected: "Collected") -> int:
    from whisper_jax.cli.live_run import LiveRun
    from whisper_jax.cli.progress import Display
    from whisper_jax.stream.live import Live

    with Live(model) as live:
        with Display(1, quiet=job.shown.quiet) as display:
            display.stage("Getting ready, which takes longest the first time")
            live.prepare()
        captions = _captions(job.shown)
        try:
            run = LiveRun(live, job.given, captions, files, collected)
            outcome = run.until_end(
                lambda notice: job.sources.open(job.source, notice), waits=waits(job.source)
            )
        finally:
            captions.close()
    files.write(collected.transcript())
    if outcome.was_stopped:
        typer.echo("Stopped before the last words.", err=True)
        return STOPPED
    if outcome.failure is not None:
        typer.echo(f"whisper-jax: {outcome.failure}", err=True)
    if job.files.finish:
        from whisper_jax.cli.live_finish import finish_recording

        finish_recording(model, files, collected, job.offline, job.shown)
    for failure in files.failures:
        typer.echo(f"whisper-jax: {failure}", err=True)
    return 1 if outcome.failure is not None or files.failures else 0


def _captions(shown: ShowChoice) -> "Captions":
    from whisper_jax.cli import captions

    if shown.json:
        return captions.JsonCaptions()
    if sys.stdout.isatty():
        return captions.TerminalCaptions(has_times=shown.times)
    return captions.LineCaptions(has_times=shown.times)


def _print_devices() -> None:
    from whisper_jax.audio.microphone import microphones

    for device in microphones():
        mark = "*" if device.is_default else " "
        typer.echo(
            f"{mark} {device.index:3}  {device.name}, {device.n_channels} channels, "
            f"{device.rate} Hz"
        )
