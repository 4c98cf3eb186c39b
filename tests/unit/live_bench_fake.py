"""Live streams that know what is said, and a model that knows when."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from live_segments import live_segment
from numpy.typing import NDArray

from whisper_jax.bench.live.tracks import Track
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.errors import OptionError
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)
from whisper_jax.stream.settings import LiveOptions
from whisper_jax.types import Segment, Transcript, Word

TEXT = "Red fine day in the middle of the night"
RATE = 16_000


def words_every(text: str, every_s: float = 0.5, length_s: float = 0.2) -> tuple[Word, ...]:
    """The words of a text, one every half second, the first after half a second."""
    return tuple(
        Word(
            start=(place + 1) * every_s,
            end=(place + 1) * every_s + length_s,
            word=f" {word}",
            probability=0.9,
        )
        for place, word in enumerate(text.split())
    )


def track(seconds: float = 6.0) -> Track:
    return Track(
        name="a",
        set_name="said",
        language="en",
        tag="en",
        samples=np.zeros(round(seconds * 16_000), np.float32),
        words=words_every(TEXT),
        reference=TEXT,
    )


def segment_of(text: str, words: Sequence[Word] = (), number: int = 0) -> Segment:
    return live_segment(number, text, words=tuple(words))


def transcript_of(text: str, words: Sequence[Word] = ()) -> Transcript:
    return Transcript(
        text=text,
        segments=(segment_of(text, words),),
        language="en",
        language_probability=None,
        duration=1.0,
    )


@final
class KnowingModel:
    """Knows what is said in every recording."""

    def __init__(self, text: str, heard: str | None = None) -> None:
        self.name = "fake"
        self.counts = DeviceCounts()
        self.n_aligned = 0
        self.transcribed: list[dict[str, Any]] = []
        self._words = words_every(text)
        self._heard = text if heard is None else heard

    def align(self, audio: Path, text: str, *, language: str | None = None) -> Transcript:
        self.n_aligned += 1
        return transcript_of(text, self._words)

    def transcribe(self, audio: Any, **options: Any) -> Transcript:
        self.transcribed.append(options)
        return transcript_of(self._heard)


@final
class KnowingStream:
    """Shows each word when its end has been sent, and commits it a while later."""

    def __init__(
        self, tell: Callable[[LiveEvent], None], words: Sequence[Word], commit_after_s: float
    ) -> None:
        self._tell = tell
        self._words = words
        self._commit_after_s = commit_after_s
        self._n_shown = self._n_committed = 0
        self.received_s = 0.0
        self.backlog_s = 0.0
        self.blocks: list[int] = []
        self.thread = 0
        tell(SpeechStarted(segment=0, start_s=0.0))

    def send(self, samples: NDArray[np.float32]) -> None:
        self.thread = threading.get_ident()
        self.blocks.append(len(samples))
        self.received_s += len(samples) / RATE
        ends = [word.end for word in self._words]
        n_shown = sum(end <= self.received_s for end in ends)
        n_committed = sum(end + self._commit_after_s <= self.received_s for end in ends)
        self._update(n_shown, n_committed)

    def _update(self, n_shown: int, n_committed: int) -> None:
        if n_committed > self._n_committed:
            words = tuple(self._words[self._n_committed : n_committed])
            text = "".join(word.word for word in words)
            self._tell(
                Committed(segment=0, text=text, words=words, language="en", heard_s=self.received_s)
            )
        if (n_shown, n_committed) != (self._n_shown, self._n_committed):
            rest = "".join(word.word for word in self._words[n_committed:n_shown])
            self._tell(Tentative(segment=0, text=rest, heard_s=self.received_s))
        self._n_shown, self._n_committed = n_shown, n_committed

    def finish(self) -> None:
        self._tell(SpeechStopped(segment=0, end_s=self.received_s))
        self._update(len(self._words), len(self._words))
        text = "".join(word.word for word in self._words)
        self._tell(SegmentDone(segment=segment_of(text, self._words)))
        self._tell(StreamEnded())

    def cancel(self) -> None:
        self._tell(StreamEnded())


@final
class KnowingLive:
    """Opens streams in which a text is said."""

    def __init__(self, text: str, commit_after_s: float = 0.3) -> None:
        self._words = words_every(text)
        self._commit_after_s = commit_after_s
        self.opened: list[dict[str, Any]] = []
        self.streams: list[KnowingStream] = []

    def open(
        self, on_event: Callable[[LiveEvent], None], *, owner: str = "", **options: Any
    ) -> KnowingStream:
        if options["language"] == "xx":
            raise OptionError("no such language")
        LiveOptions(**options)
        self.opened.append({"owner": owner, **options})
        self.streams.append(KnowingStream(on_event, self._words, self._commit_after_s))
        return self.streams[-1]
