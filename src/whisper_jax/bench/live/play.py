"""Recordings played into live streams side by side, a thread for each stream."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.live.clock import PlayClock
from whisper_jax.bench.live.pace import Pacer, StreamLike
from whisper_jax.bench.live.tracks import Track
from whisper_jax.errors import WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.stream.events import LiveEvent, StreamEnded

_SOON_S = 0.02
_APART_S = 1.0


class LiveLike(Protocol):
    """What opens streams: a `whisper_jax.stream.live.Live`."""

    def open(
        self, on_event: Callable[[LiveEvent], None], *, owner: str = "", **options: Any
    ) -> StreamLike:
        """A stream, whose events are told to ``on_event`` on other threads."""
        ...


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a stream.

    Attributes:
        track: What was played.
        events: What the stream told, with seconds since it began to be played.
        clock: When what was played.
        most_late_s: The longest that a block was sent after it was due: of this program, not of
            the stream.
        skipped_s: Seconds in which nothing happened, and which did not pass.
    """

    track: Track
    events: tuple[tuple[float, LiveEvent], ...]
    clock: PlayClock
    most_late_s: float
    skipped_s: float = 0.0


def play(
    live: LiveLike,
    tracks: Sequence[Track],
    options: dict[str, Any],
    *,
    block_ms: int = 40,
    speed: float = 1.0,
    skips_rest: bool = False,
) -> list[Played]:
    """Play tracks at once, each into a stream of its own; they begin within a second.

    Args:
        live: What opens streams.
        tracks: One for each stream.
        options: Of all streams: fields of `whisper_jax.stream.settings.LiveOptions`, but for the
            language, which is the track's.
        block_ms: Milliseconds of audio that are sent at once.
        speed: Seconds of audio in a second. Above 1, a stream that is more than 30 s behind is
            waited for.
        skips_rest: Of one stream: time in which nothing happens is skipped.

    Raises:
        OptionError: An option cannot be honoured.
        WhisperJaxError: A stream does not come to its end.
    """
    players = [_Player(track, block_ms, speed, skips_rest) for track in tracks]
    streams: list[StreamLike] = []
    try:
        for number, player in enumerate(players):
            language = player.track.language or AUTO
            streams.append(
                live.open(player.listen, owner=f"stream {number}", language=language, **options)
            )
        start_s = time.perf_counter() + _SOON_S
        threads = [
            threading.Thread(
                target=player.run,
                args=(stream, start_s + _APART_S * number / len(players)),
                daemon=True,
            )
            for number, (player, stream) in enumerate(zip(players, streams, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [player.result() for player in players]
    except BaseException:
        for stream in streams:
            stream.cancel()
        raise


class _Player:
    """One stream being played, and what it tells."""

    def __init__(self, track: Track, block_ms: int, speed: float, skips_rest: bool) -> None:
        self.track = track
        self._n_block = block_ms * SAMPLE_RATE // 1000
        self._speed = speed
        self._skips_rest = skips_rest
        self._pacer: Pacer | None = None
        self._start_s = time.perf_counter()
        self._waits: list[tuple[float, float]] = []
        self._heard: list[tuple[float, LiveEvent]] = []
        self._has_ended = threading.Event()
        self._error: Exception | None = None

    def listen(self, event: LiveEvent) -> None:
        """Take what the stream tells."""
        pacer = self._pacer
        at_s = time.perf_counter() if pacer is None else pacer.now_s()
        self._heard.append((at_s, event))
        if isinstance(event, StreamEnded):
            self._has_ended.set()

    def run(self, stream: StreamLike, start_s: float) -> None:
        """Play all of it, and wait for the stream's end."""
        self._start_s = start_s
        pacer = Pacer(stream, self._speed, start_s, self._has_ended, skips_rest=self._skips_rest)
        self._pacer = pacer
        samples = self.track.samples
        try:
            for start in range(0, len(samples), self._n_block):
                if self._has_ended.is_set():  # early: it has told why
                    break
                behind_s = pacer.send(samples[start : start + self._n_block])
                if behind_s:
                    self._waits.append((pacer.sent_s, behind_s))
            pacer.finish()
        except (ValueError, WhisperJaxError) as error:  # it has ended
            self._error = error

    def result(self) -> Played:
        """What came of it.

        Raises:
            WhisperJaxError: It did not come to its end.
        """
        if self._error is not None:
            raise WhisperJaxError(f"{self.track.name} could not be played: {self._error}")
        if self._pacer is None or not self._has_ended.is_set():
            raise WhisperJaxError(
                f"the stream of {self.track.name} does not end, a while after all was sent"
            )
        return Played(
            track=self.track,
            events=tuple((at_s - self._start_s, event) for at_s, event in self._heard),
            clock=PlayClock(speed=self._speed, waits=tuple(self._waits)),
            most_late_s=self._pacer.most_late_s,
            skipped_s=self._pacer.skipped_s,
        )
