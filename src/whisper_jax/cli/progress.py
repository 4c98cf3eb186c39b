"""What a person at a terminal sees while work is done: one line on stderr that keeps changing."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from whisper_jax.checkpoints.download import DownloadProgress
    from whisper_jax.transcribe import FileProgress


class Display:
    """A progress line while a model is fetched and loaded, and while files are transcribed.

    Off a terminal, and when ``quiet``, it draws nothing and only passes lines on.
    """

    def __init__(self, n_files: int, *, quiet: bool = False) -> None:
        """A display for ``n_files`` files; enter it to draw."""
        console = Console(stderr=True)
        # Not console.is_terminal: FORCE_COLOR makes that true for log files too.
        self.is_drawn = sys.stderr.isatty() and not quiet
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[info]}"),
            console=console,
            transient=True,
            expand=True,
            # stdout may be a file while stderr is a terminal: it must not be led to this console.
            redirect_stdout=False,
            disable=not self.is_drawn,
        )
        self._task = self._progress.add_task("", total=None, info="")
        self._n_files = n_files
        self._n_done = 0
        self._n_failed = 0
        self._stage = ""
        self._started_s: float | None = None
        self._positions_s: dict[int, float] = {}
        self._durations_s: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def stage(self, description: str) -> None:
        """Show what is going on while it is not known how long it takes."""
        self._stage = description
        # A task that had a total cannot lose it again.
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(description, total=None, info="")

    def downloaded(self, progress: "DownloadProgress") -> None:
        """Show how far a download is; the stage it is part of goes on after it."""
        if progress.done_bytes == progress.total_bytes:
            self.stage(self._stage)
            return
        megabytes = f"{progress.done_bytes / 1e6:.1f}"
        if progress.total_bytes is not None:
            megabytes += f" of {progress.total_bytes / 1e6:.1f}"
        self._progress.update(
            self._task,
            description=progress.what,
            total=progress.total_bytes,
            completed=progress.done_bytes,
            info=f"{megabytes} MB",
        )

    def transcribed(self, index: int, progress: "FileProgress") -> None:
        """Show how far a file is."""
        self._positions_s[index] = progress.position_s
        if progress.duration_s is not None:
            self._durations_s[index] = progress.duration_s
        self._show_audio()

    def file_done(self, index: int, duration_s: float) -> None:
        """A file is done, all ``duration_s`` seconds of it."""
        self._n_done += 1
        self._positions_s[index] = self._durations_s[index] = duration_s
        self._show_audio()

    def file_failed(self, index: int) -> None:
        """A file could not be transcribed: its seconds do not count."""
        self._n_failed += 1
        self._positions_s.pop(index, None)
        self._durations_s.pop(index, None)
        if self._started_s is not None:
            self._show_audio()

    def start_clock(self, description: str) -> None:
        """The work on recordings begins: speed is counted from here."""
        self._started_s = time.monotonic()
        self.stage(description)

    def line(self, text: str) -> None:
        """Print a line of the result on stdout, above the progress line."""
        if self.is_drawn and sys.stdout.isatty():
            self._progress.console.print(Text(text), soft_wrap=True)
        else:
            typer.echo(text)

    def note(self, text: str) -> None:
        """Tell a person something that is not a result."""
        if self.is_drawn:
            self._progress.console.print(Text(text, style="dim"), soft_wrap=True)

    def problem(self, text: str) -> None:
        """Say on stderr what went wrong, terminal or not."""
        self._progress.console.print(Text(text, style="red"), soft_wrap=True)

    def summary(self) -> None:
        """Tell how much was done and how fast."""
        elapsed_s, done_s = self._elapsed_s(), sum(self._positions_s.values())
        files = f"{self._n_done} files · " if self._n_files > 1 else ""
        speed = f"{done_s / elapsed_s:.1f} times real time"
        self.note(f"{files}{clock(done_s)} of audio in {clock(elapsed_s)} · {speed}")

    def _elapsed_s(self) -> float:
        started_s = time.monotonic() if self._started_s is None else self._started_s
        return max(time.monotonic() - started_s, 1e-3)

    def _show_audio(self) -> None:
        done_s = sum(self._positions_s.values())
        known_s = self._durations_s.values()
        # Files that have not been opened are taken to be as long as the others on average.
        n_good = self._n_files - self._n_failed
        total_s = sum(known_s) / len(known_s) * n_good if known_s else None
        speed = done_s / self._elapsed_s()
        parts = [clock(done_s) + (f" of {clock(total_s)}" if total_s else "")]
        if speed > 0:
            parts.append(f"{speed:.1f}x")
        if speed > 0 and total_s:
            parts.append(f"{clock(max(total_s - done_s, 0) / speed)} left")
        if self._n_files > 1:
            parts.append(f"{self._n_done + self._n_failed} of {self._n_files} files")
        self._progress.update(self._task, total=total_s, completed=done_s, info=" · ".join(parts))


def clock(seconds: float) -> str:
    """Seconds as a person reads them: ``0:07``, ``12:34``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
