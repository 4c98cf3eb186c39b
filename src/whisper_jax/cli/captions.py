"""Where live captions go: a terminal, lines of text, or lines of JSON."""

import json
import sys
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import final

import typer
from rich.console import Console, Group
from rich.live import Live as LiveRegion
from rich.text import Text

from whisper_jax.cli.progress import clock
from whisper_jax.cli.wrapping import fitting_lines, last_break
from whisper_jax.stream.events import Committed, LiveEvent, SegmentDone, SpeechStarted, Tentative
from whisper_jax.stream.fields import event_fields

_TENTATIVE = "dim italic"
_STATUS = "dim"
_LEVELS = "▁▂▃▄▅▆▇█"
_N_LEVELS = 12
_SILENCE_DB = -60.0
_LEAST_ROWS = 3
_SPARE_ROWS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How a stream is at this moment.

    Attributes:
        heard_s: Seconds of sound so far.
        behind_s: Seconds of it that are not text yet.
        level_db: The loudness of the last moment, 0 being the loudest there is.
        language: Code of the language, or empty.
        state: What is being done, in a word or two.
    """

    heard_s: float
    behind_s: float
    level_db: float
    language: str
    state: str


class Captions(ABC):
    """Shows what a stream tells. Used by one thread."""

    @abstractmethod
    def tell(self, event: LiveEvent) -> None:
        """Something was heard."""

    @abstractmethod
    def show(self, status: Status) -> None:
        """Bring what is shown up to date."""

    @abstractmethod
    def notice(self, text: str) -> None:
        """Tell a person something that is no caption."""

    @abstractmethod
    def close(self) -> None:
        """Nothing follows."""


@final
class LineCaptions(Captions):
    """A line on stdout for each segment that is done: for files and pipes."""

    def __init__(self, *, has_times: bool) -> None:
        """Lines with the time of each segment before it, or without."""
        self._has_times = has_times

    def tell(self, event: LiveEvent) -> None:
        """Write a segment that is done."""
        if isinstance(event, SegmentDone) and event.segment.text.strip():
            text = " ".join(event.segment.text.split())
            # Flushed by echo.
            typer.echo(_label(event.segment.start, self._has_times) + text)

    def show(self, status: Status) -> None:
        """Nothing: lines do not change."""

    def notice(self, text: str) -> None:
        """Say it on stderr."""
        typer.echo(text, err=True)

    def close(self) -> None:
        """Nothing is left."""


@final
class JsonCaptions(Captions):
    """A line of JSON on stdout for each event."""

    def tell(self, event: LiveEvent) -> None:
        """Write the event."""
        typer.echo(json.dumps(event_fields(event), ensure_ascii=False))

    def show(self, status: Status) -> None:
        """Nothing: what is not an event is not told."""

    def notice(self, text: str) -> None:
        """Say it on stderr."""
        typer.echo(text, err=True)

    def close(self) -> None:
        """Nothing is left."""


@dataclass(kw_only=True)
class _Open:
    """A segment under way: its text, and how much of it has scrolled up for good."""

    label: str
    committed: str = ""
    tentative: str = ""
    n_fixed: int = 0

    @property
    def text(self) -> str:
        return self.label + (self.committed + self.tentative).lstrip()

    @property
    def n_solid(self) -> int:
        """Characters of the text that stay."""
        if not self.committed:
            return len(self.label)
        return len(self.label) + len(self.committed.lstrip())


@final
class TerminalCaptions(Captions):
    """Captions that grow, with a status line under them.

    What is done scrolls up and stays in the terminal's history. Only what can still change is drawn
    again: the segment under way, and of a long one only the lines that do not stand yet.
    """

    def __init__(self, console: Console | None = None, *, has_times: bool) -> None:
        """Captions on a terminal.

        Args:
            console: The terminal; stdout by default.
            has_times: Whether each segment has its time before it.
        """
        self._console = console or Console(highlight=False)
        self._has_times = has_times
        self._open: dict[int, _Open] = {}
        self._levels: deque[str] = deque(maxlen=_N_LEVELS)
        self._drawn: tuple[Text, ...] | None = None
        self._region = LiveRegion(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="visible",
        )
        self._region.start()

    def tell(self, event: LiveEvent) -> None:
        """Take it; it is drawn with the next `show`, but for what is done."""
        match event:
            case SpeechStarted():
                label = _label(event.start_s, self._has_times)
                self._open[event.segment] = _Open(label=label)
            case Committed():
                found = self._open[event.segment]
                found.committed += event.text
                found.tentative = ""
            case Tentative():
                self._open[event.segment].tentative = event.text
            case SegmentDone(segment=segment):
                found = self._open.pop(segment.id)
                found.committed, found.tentative = segment.text, ""
                if segment.text.strip():
                    self._print(self._lines(found))
            case _:
                pass

    def show(self, status: Status) -> None:
        """Draw what can change, if it has changed."""
        lines = self._changing()
        most = max(_LEAST_ROWS, self._console.height - _SPARE_ROWS)
        if len(lines) > most:
            self._fix_lines()
            lines = self._changing()[-most:]
        drawn = (*lines, self._status(status))
        if drawn != self._drawn:
            self._drawn = drawn
            self._region.update(Group(*drawn), refresh=True)

    def notice(self, text: str) -> None:
        """Say it above the captions, or on stderr where that is elsewhere."""
        if sys.stderr.isatty():
            self._print([Text(text, style="yellow")])
        else:
            typer.echo(text, err=True)

    def close(self) -> None:
        """Take the status line away; what is committed of an unfinished segment stays."""
        self._region.update(Group(), refresh=True)
        self._region.stop()
        for found in self._open.values():
            found.tentative = ""
            if found.committed.strip():
                self._print(self._lines(found))
        self._open.clear()

    def _changing(self) -> list[Text]:
        """The lines of the segments under way that have a text."""
        spoken = [found for found in self._open.values() if found.committed or found.tentative]
        return [line for found in spoken for line in self._lines(found)]

    def _fix_lines(self) -> None:
        """Let the lines of the oldest segment that stand scroll up."""
        oldest = next(iter(self._open.values()))
        rest = oldest.text[oldest.n_fixed :]
        # The last committed word may still get a sign or a letter, and move to the next line.
        stands = last_break(rest[: oldest.n_solid - oldest.n_fixed])
        spans = [span for span in fitting_lines(rest, self._console.width) if span[1] <= stands]
        self._print([Text(rest[start:stop]) for start, stop in spans])
        if spans:
            oldest.n_fixed += spans[-1][1]

    def _lines(self, found: _Open) -> list[Text]:
        """What is not fixed of a segment, as lines that fit."""
        rest = found.text[found.n_fixed :]
        n_solid = max(0, found.n_solid - found.n_fixed)
        lines: list[Text] = []
        for start, stop in fitting_lines(rest, self._console.width):
            line = Text(rest[start:stop], no_wrap=True, overflow="crop")
            line.stylize(_TENTATIVE, max(0, n_solid - start))
            lines.append(line)
        return lines

    def _print(self, lines: list[Text]) -> None:
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def _status(self, status: Status) -> Text:
        share = min(max(1 - status.level_db / _SILENCE_DB, 0.0), 1.0)
        self._levels.append(_LEVELS[round(share * (len(_LEVELS) - 1))])
        meter = "".join(self._levels).rjust(_N_LEVELS, _LEVELS[0])
        parts = [meter, clock(status.heard_s), f"{status.behind_s:.1f} s behind"]
        parts += [part for part in (status.language, status.state) if part]
        return Text(" · ".join(parts), style=_STATUS, no_wrap=True, overflow="ellipsis")


def _label(start_s: float, has_times: bool) -> str:
    return f"[{clock(start_s)}] " if has_times else ""
