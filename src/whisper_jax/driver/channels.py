"""Recordings whose channels are speakers: transcribed one by one, and put together by time.

A telephone call often has a side in each channel. Each channel goes through a `Run` as if it were
a recording of its own, so that they share the device; what comes out is put together here.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO, final

import numpy as np

from whisper_jax.audio.decode import AudioInput, OneChannel, open_audio
from whisper_jax.audio.upload import Upload
from whisper_jax.driver.events import Event, FileProgress
from whisper_jax.errors import AudioError
from whisper_jax.programs import most_spoken
from whisper_jax.types import Segment, Transcript


@dataclass(eq=False)
class _Recording:
    """A recording on its way.

    Attributes:
        index: Its place among those given.
        source: Where its channels are read from.
        copy: The temporary file that this is, to be deleted; else None.
        failure: Why it could not be copied; its source is empty then, and ends with an error.
        n_channels: How many channels there are.
        waiting: For each channel its segments that are final, but not told of yet.
        told: Segments that have been told of, in order of time.
        positions_s: Seconds of each channel that are done.
        duration_s: Its length in seconds, as far as it is known.
        transcripts: Of the channels that are done.
    """

    index: int
    source: AudioInput
    copy: Path | None = None
    failure: AudioError | None = None
    n_channels: int = 1
    waiting: list[list[Segment]] = field(init=False)
    told: list[Segment] = field(default_factory=list[Segment])
    positions_s: dict[int, float] = field(default_factory=dict[int, float])
    duration_s: float | None = None
    transcripts: dict[int, Transcript] = field(default_factory=dict[int, Transcript])

    def __post_init__(self) -> None:
        if not isinstance(self.source, _AGAIN):
            try:
                self.source = self.copy = _copied(self.source)
            except AudioError as error:
                self.source, self.failure = b"", error
        # What cannot be opened is left to the run, whose error ends this recording alone.
        with suppress(AudioError), open_audio(self.source) as stream:
            self.n_channels = stream.n_channels
        self.waiting = [[] for _ in range(self.n_channels)]


_AGAIN = (str, os.PathLike, bytes, np.ndarray, Upload, OneChannel)
"""What can be opened as often as one likes."""


@final
class SplitChannels:
    """Recordings as channels for a `Run`, and the run's events as those of the recordings.

    A recording with one channel has one speaker. A file object is copied to a temporary file,
    since each channel is read by itself.
    """

    def __init__(self, audios: Iterable[AudioInput]) -> None:
        self._audios = audios
        self._channels: dict[int, tuple[_Recording, int]] = {}

    def sources(self) -> Iterator[AudioInput]:
        """Each channel of each recording, to be given to the run."""
        number = count()
        for index, audio in enumerate(self._audios):
            recording = _Recording(index=index, source=audio)
            for channel in range(recording.n_channels):
                self._channels[next(number)] = recording, channel
                yield OneChannel(recording.source, channel)

    def merged(self, events: Iterable[Event]) -> Iterator[Event]:
        """The events of the recordings, out of those of their channels."""
        try:
            for event in events:
                if isinstance(event, tuple):
                    yield from _done(*self._channels.pop(event[0]), event[1])
                else:
                    yield _told(*self._channels[event.index], event)
        finally:
            for recording, _ in self._channels.values():
                _forget_copy(recording)


def _told(recording: _Recording, channel: int, progress: FileProgress) -> FileProgress:
    """The progress of a recording, one of whose channels has got further."""
    recording.waiting[channel] += progress.segments
    recording.positions_s[channel] = progress.position_s
    if progress.duration_s is not None:
        recording.duration_s = progress.duration_s
    return _report(recording, progress.language)


def _done(recording: _Recording, channel: int, transcript: Transcript) -> Iterator[Event]:
    """A channel is done: what follows from it, and the transcript after the last one."""
    recording.transcripts[channel] = transcript
    recording.positions_s[channel] = transcript.duration
    yield _report(recording, transcript.language)
    if len(recording.transcripts) == recording.n_channels:
        _forget_copy(recording)
        yield recording.index, _merged(recording)


def _report(recording: _Recording, language: str) -> FileProgress:
    return FileProgress(
        index=recording.index,
        position_s=sum(recording.positions_s.values()) / recording.n_channels,
        duration_s=recording.duration_s,
        segments=_final(recording),
        language=language,
        done=len(recording.transcripts) == recording.n_channels,
    )


def _final(recording: _Recording) -> tuple[Segment, ...]:
    """Segments before which no other can come: every channel has one later, or is done."""
    new: list[Segment] = []
    while True:
        heads = [
            (segments[0].start, channel)
            for channel, segments in enumerate(recording.waiting)
            if segments
        ]
        unknown = any(
            not segments and channel not in recording.transcripts
            for channel, segments in enumerate(recording.waiting)
        )
        if unknown or not heads:
            break
        _, channel = min(heads)
        number = len(recording.told)
        segment = recording.waiting[channel].pop(0)
        recording.told.append(replace(segment, id=number, speaker=f"Speaker {channel + 1}"))
        new.append(recording.told[-1])
    return tuple(new)


def _merged(recording: _Recording) -> Transcript:
    """The transcript of a recording whose channels are all done."""
    parts = [recording.transcripts[channel] for channel in range(recording.n_channels)]
    errors = [error for error in (recording.failure, *(part.error for part in parts)) if error]
    spoken = max(parts, key=lambda part: len(part.text))
    is_mixed = len({segment.language for segment in recording.told}) > 1
    return replace(
        spoken,
        text="".join(segment.text for segment in recording.told),
        segments=tuple(recording.told),
        language=most_spoken(recording.told) if is_mixed else spoken.language,
        language_probability=None if is_mixed else spoken.language_probability,
        language_probabilities=() if is_mixed else spoken.language_probabilities,
        duration=max(part.duration for part in parts),
        error=errors[0] if errors else None,
    )


def _copied(audio: BinaryIO) -> Path:
    """A temporary file with the content of a file object."""
    with tempfile.NamedTemporaryFile(prefix="whisper-jax-", delete=False) as file:
        path = Path(file.name)
        try:
            if audio.seekable():
                audio.seek(0)
            shutil.copyfileobj(audio, file)
        except Exception as error:  # whatever somebody else's code may raise
            path.unlink()
            raise AudioError(f"cannot copy {audio!r} to a temporary file: {error}") from error
    return path


def _forget_copy(recording: _Recording) -> None:
    if recording.copy is not None:
        with suppress(OSError):  # still being read, where that keeps a file from being deleted
            recording.copy.unlink()
        recording.copy = None
