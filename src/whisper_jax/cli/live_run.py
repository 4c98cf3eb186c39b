"""``whisper-jax live`` at work: events to captions and files until the source ends."""

import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import FrameType
from typing import TYPE_CHECKING, Any, final

from whisper_jax.cli.captions import Captions, Status
from whisper_jax.cli.live_feed import Feed
from whisper_jax.cli.live_files import LiveFiles
from whisper_jax.stream.collected import Collected
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    StreamEnded,
    Tentative,
)

if TYPE_CHECKING:
    from whisper_jax.audio.container import AudioStream
    from whisper_jax.stream.live import Live

_SHOW_S = 0.1
"""Between two looks at level and delay."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a live stream ended.

    Attributes:
        failure: Why it ended before its time, or None.
        was_stopped: Whether somebody stopped it, and would not wait for the rest.
    """

    failure: Exception | None
    was_stopped: bool


class _Asked(Enum):
    """What somebody at the keyboard, or a signal, asks for."""

    TO_STOP = 1


@final
class LiveRun:
    """One stream from a source to its end."""

    def __init__(
        self,
        live: "Live",
        options: dict[str, Any],
        captions: Captions,
        files: LiveFiles,
        collected: Collected,
    ) -> None:
        """A stream that has heard nothing yet.

        Args:
            live: What it runs on.
            options: Those of live speech.
            captions: Where events are shown.
            files: Where they are written.
            collected: Takes them all.
        """
        self._inbox: queue.SimpleQueue[LiveEvent | _Asked | str] = queue.SimpleQueue()
        self._captions = captions
        self._files = files
        self._collected = collected
        self._n_open = 0
        self._heard_s = 0.0
        self._language = ""
        self._n_failures = 0
        self._state = "Ctrl-C ends"
        self._stream = live.open(self._inbox.put, **options)

    def until_end(
        self, open_source: "Callable[[Callable[[str], None]], AudioStream]", *, waits: bool
    ) -> Outcome:
        """Listen until the source ends, or somebody stops it; then wait for the last words.

        Args:
            open_source: Opens it, given what notices go to.
            waits: Whether the source may be read later.
        """
        feed = Feed(
            lambda: open_source(self._inbox.put),
            self._stream,
            self._files,
            self._behind_s,
            waits=waits,
        )
        n_asked = 0
        with _signals(lambda: self._inbox.put(_Asked.TO_STOP)):
            feed.start()
            while True:
                for found in self._news():
                    match found:
                        case _Asked():
                            n_asked += 1
                            self._state = "finishing, Ctrl-C leaves at once"
                            if n_asked > 1:
                                self._stream.cancel()
                                return Outcome(failure=feed.failure, was_stopped=True)
                            feed.stop()
                        case str():
                            self._captions.notice(found)
                        case StreamEnded(error=error):
                            self._take(found)
                            # The device may have failed: then nobody listens any more.
                            feed.stop()
                            return Outcome(failure=error or feed.failure, was_stopped=False)
                        case _:
                            self._take(found)
                self._update(feed)

    def _news(self) -> Iterator[LiveEvent | _Asked | str]:
        """What has come; a moment is waited for it."""
        try:
            yield self._inbox.get(timeout=_SHOW_S)
            while True:
                yield self._inbox.get_nowait()
        except queue.Empty:
            return

    def _take(self, event: LiveEvent) -> None:
        match event:
            case SpeechStarted():
                self._n_open += 1
                if self._n_open == 1:
                    self._heard_s = max(self._heard_s, event.start_s)
            case SegmentDone():
                self._n_open -= 1
            case Committed():
                self._heard_s, self._language = event.heard_s, event.language
            case Tentative():
                self._heard_s = event.heard_s
            case _:
                pass
        self._collected.add(event)
        self._captions.tell(event)

    def _update(self, feed: Feed) -> None:
        self._files.renew(self._collected)
        for failure in self._files.failures[self._n_failures :]:
            self._captions.notice(failure)
        self._n_failures = len(self._files.failures)
        self._captions.show(
            Status(
                heard_s=self._stream.received_s,
                behind_s=self._behind_s(),
                level_db=feed.level_db,
                language=self._language,
                state=self._state,
            )
        )

    def _behind_s(self) -> float:
        """Seconds of sound that are not text yet; what nobody said is none."""
        if self._n_open == 0:
            return self._stream.backlog_s
        return max(self._stream.backlog_s, self._stream.received_s - self._heard_s)


@contextmanager
def _signals(on_signal: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C, or SIGTERM, calls a function for the time of the block."""

    def handle(number: int, frame: FrameType | None) -> None:
        on_signal()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
