"""Sources that go on: pipes, URLs without an end, and recordings played as if they were live.

Each is an `AudioStream` whose blocks are short and come as soon as they are there. Whoever reads
them slowly loses nothing: a pipe or a server waits. The microphone is in `audio.microphone`.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final, final

from whisper_jax.audio.container import AudioStream, FileReader, checked_url, open_container
from whisper_jax.audio.frames import Block
from whisper_jax.audio.live_kinds import LIVE_SCHEMES, RECONNECTIONS
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

LIVE_BLOCK_SAMPLES: Final = SAMPLE_RATE // 20
"""Most samples in a block of a live source: 50 ms."""

OPEN_TIMEOUT_S: Final = 20.0
"""Seconds a server has to answer and to send enough to recognise the format."""
READ_TIMEOUT_S: Final = 15.0
"""Seconds a stream may send nothing before it counts as broken off."""
_QUICK = {"analyzeduration": "500000"}
"""FFmpeg looks at so many microseconds before it gives anything out; by itself, at five seconds."""
_FIRST_DELAY_S = 1.0
_MAX_DELAY_S = 16.0
_STEADY_SAMPLES = 10 * SAMPLE_RATE
"""After so much of a stream the tries are counted anew."""


def open_pipe(
    file: BinaryIO,
    *,
    name: str = "standard input",
    encoding: str | None = None,
    rate: int = SAMPLE_RATE,
    channels: int = 1,
) -> AudioStream:
    """Open what comes through a pipe, in pieces of any sizes.

    Args:
        file: Read as it is; its ``read`` may give less than it is asked for, and should, since
            what it waits for arrives late: give the raw file, not a buffered one. It is closed
            with the stream.
        name: What to call it in errors.
        encoding: One of `whisper_jax.audio.live_kinds.PCM_ENCODINGS`, for samples without a
            container; None for any container that FFmpeg recognises.
        rate: Samples a second, without a container.
        channels: Channels, without a container; they are mixed.

    Raises:
        AudioError: Nothing comes, or it is not recognised.
    """
    with ExitStack() as resources:
        resources.callback(file.close)
        reader = FileReader(file, name)
        if not reader.peek(1):
            raise AudioError(f"{name!r} is empty")
        close = resources.pop_all().close
    # A playlist could name files of this machine, which whoever sent it has no right to.
    settings: dict[str, Any] = {"options": {"protocol_whitelist": "none", **_QUICK}}
    if encoding is not None:
        settings["format"] = encoding
        settings["options"] |= {"sample_rate": str(rate), "ch_layout": f"{channels}c"}
    return open_container(
        reader, name=name, settings=settings, close=close, block_samples=LIVE_BLOCK_SAMPLES
    )


def paced(stream: AudioStream, speed: float = 1.0) -> AudioStream:
    """The blocks of a recording when they would have been spoken.

    Args:
        stream: The recording; it is closed with what is returned.
        speed: How many times faster than real time.
    """

    def blocks() -> Iterator[Block]:
        started_s = time.monotonic()
        n_samples = 0
        for whole in stream.blocks():
            for first in range(0, len(whole), LIVE_BLOCK_SAMPLES):
                block = whole[first : first + LIVE_BLOCK_SAMPLES]
                n_samples += len(block)
                due_s = started_s + n_samples / SAMPLE_RATE / speed
                time.sleep(max(0.0, due_s - time.monotonic()))
                yield block

    return AudioStream(
        name=stream.name,
        duration_s=stream.duration_s,
        n_channels=stream.n_channels,
        blocks=blocks(),
        close=stream.close,
    )


def open_live_url(
    url: str,
    on_notice: Callable[[str], None] = lambda text: None,
    *,
    reconnections: int = RECONNECTIONS,
) -> AudioStream:
    """Open a stream of audio or video: rtsp, rtmp, HLS, or http audio.

    What has no known duration is taken for a stream that goes on: when it stops, the connection
    is made again, after longer and longer waits. Nobody can tell a stream that has ended from one
    that broke off; only a live HLS playlist says so.

    Args:
        url: Where it is.
        on_notice: Is told when a connection breaks off and when it is there again.
        reconnections: How often in a row to try again.

    Returns:
        The stream. Its ``duration_s`` is None unless it has an end.

    Raises:
        AudioError: The URL is none, or there is no audio.
    """
    clean_url, name = checked_url(url)
    scheme = clean_url.partition(":")[0]
    if scheme not in LIVE_SCHEMES:
        raise AudioError(f"cannot open {name!r}: give a URL of {', '.join(LIVE_SCHEMES)}")
    first = _connect(clean_url, name)
    if first.duration_s is not None:
        return first
    calls = _Calls(clean_url, first, on_notice, reconnections)
    return AudioStream(
        name=name,
        duration_s=None,
        n_channels=first.n_channels,
        blocks=calls.blocks(),
        close=calls.close,
    )


def _connect(clean_url: str, name: str) -> AudioStream:
    scheme = clean_url.partition(":")[0]
    options = dict(_QUICK)
    if scheme.startswith("rtsp"):
        options["rtsp_flags"] = "prefer_tcp"  # what UDP loses is lost
    elif scheme.startswith("http"):
        # Of a file whose length is known, FFmpeg asks for the rest.
        options |= {"reconnect": "1", "reconnect_delay_max": "5"}
    settings = {"timeout": (OPEN_TIMEOUT_S, READ_TIMEOUT_S), "options": options}
    return open_container(clean_url, name=name, settings=settings, block_samples=LIVE_BLOCK_SAMPLES)


@final
class _Calls:
    """One connection to a stream after the other."""

    def __init__(
        self, url: str, first: AudioStream, on_notice: Callable[[str], None], n_tries: int
    ) -> None:
        self._url = url
        self._stream = first
        self._notice = on_notice
        self._n_tries = n_tries
        self._n_failed = 0

    def blocks(self) -> Iterator[Block]:
        while True:
            failure = yield from self._until_it_stops()
            self._stream.close()
            if not self._call_again(failure):
                return

    def close(self) -> None:
        self._stream.close()

    def _until_it_stops(self) -> Generator[Block, None, AudioError]:
        """The blocks of this connection; returns why there are no more."""
        n_samples = 0
        try:
            for block in self._stream.blocks():
                n_samples += len(block)
                if n_samples >= _STEADY_SAMPLES:
                    self._n_failed = 0
                yield block
        except AudioError as error:
            return error
        return AudioError(f"{self._stream.name!r} stopped")

    def _call_again(self, failure: AudioError) -> bool:
        """Connect anew; False if the stream has ended.

        Raises:
            AudioError: All tries failed.
        """
        name = self._stream.name
        while self._n_failed < self._n_tries:
            delay_s = min(_FIRST_DELAY_S * 2**self._n_failed, _MAX_DELAY_S)
            self._n_failed += 1
            self._notice(
                f"{failure}; connecting again in {delay_s:g} s "
                f"({self._n_failed} of {self._n_tries} tries)"
            )
            time.sleep(delay_s)
            try:
                self._stream = _connect(self._url, name)
            except AudioError as error:
                failure = error
                continue
            if self._stream.duration_s is not None:
                return False  # what it has become is a recording of what was heard
            self._notice(f"{name!r} is there again")
            return True
        raise failure
