"""The thread that brings sound from a source to a live stream."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

import numpy as np

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.frames import Block
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.cli.live_files import LiveFiles
from whisper_jax.errors import AudioError

if TYPE_CHECKING:
    from whisper_jax.stream.live import LiveStream

MAX_BEHIND_S: Final = 30.0
"""A source that waits is read no further ahead of the text than this."""

_QUIET_DB = -120.0
_LOOK_S = 0.05
_STOP_S = 0.5


@final
class Feed:
    """Reads a source, keeps its sound and sends it, until it ends or is stopped.

    Attributes:
        failure: Why the source ended before its time, or None.
        level_db: The loudness of the last block, 0 being that of the loudest square wave.
    """

    def __init__(
        self,
        open_source: Callable[[], AudioStream],
        stream: "LiveStream",
        files: LiveFiles,
        behind_s: Callable[[], float],
        *,
        waits: bool,
    ) -> None:
        """A feed; `start` starts it.

        Args:
            open_source: Opens the source, on the feed's thread.
            stream: Where the sound goes.
            files: Where it is kept.
            behind_s: How far the text is behind, in seconds.
            waits: Whether the source may be read later.
        """
        self.failure: AudioError | None = None
        self.level_db = _QUIET_DB
        self._open = open_source
        self._stream = stream
        self._files = files
        self._behind_s = behind_s
        self._waits = waits
        self._lock = threading.Lock()
        self._is_over = False
        # Where nothing comes there is no way to wake it: it must not keep the program.
        self._thread = threading.Thread(target=self._run, name="whisper-jax-feed", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more: the stream is finished with what was sent."""
        self._end()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            with self._open() as source:
                for block in source.blocks():
                    if not self._send(block):
                        return
                    if self._waits:
                        self._wait(len(block) / SAMPLE_RATE)
        except AudioError as error:
            self.failure = error
        finally:
            self._end()

    def _send(self, block: Block) -> bool:
        """Keep and send a block; False if the stream is over."""
        power = float(np.mean(np.square(block))) if len(block) else 0.0
        self.level_db = max(_QUIET_DB, 10 * float(np.log10(power + 1e-12)))
        with self._lock:
            if self._is_over:
                return False
            self._files.keep(block)
            try:
                self._stream.send(block)
            except ValueError:
                return False  # it has ended by itself: its last event says why
            return True

    def _wait(self, block_s: float) -> None:
        """Let the stream catch up."""
        while self._stream.backlog_s > MAX_BEHIND_S and not self._is_over:
            time.sleep(_LOOK_S)
        if self._behind_s() > MAX_BEHIND_S:
            # No slower than it was spoken: what is no speech may never become text.
            time.sleep(block_s)

    def _end(self) -> None:
        with self._lock:
            if self._is_over:
                return
            self._is_over = True
            self._files.end_recording()
            self._stream.finish()
