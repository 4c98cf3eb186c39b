"""One program on its way, with the clips that it may ask for."""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from whisper_jax.audio.reader import SampleReader
from whisper_jax.audio.units import HOP
from whisper_jax.driver.pieces import Piece, read_pieces
from whisper_jax.programs import Language, Program
from whisper_jax.requests import Clip, Origin, Read, Samples
from whisper_jax.types import Segment

if TYPE_CHECKING:
    from whisper_jax.driver.recording import Recording


@dataclass(eq=False)
class Task:
    """A program of a recording. All but `read` is used under the run's lock.

    Attributes:
        recording: Whose it is.
        origin: What the engine knows it by.
        peak: The level that it begins with.
        language: The recording's language, if it was known when the program began.
        reader: Where its samples come from, if not from its pieces.
        program: The program, once it has begun.
        clips: Clips that it has not asked for yet, with what there is to read for each.
        has_all_clips: True if there will be no more.
        awaits_clip: True if it has asked for a clip that is not there yet.
        heard: Pieces that it may read now: its clip's, and those for the language.
        position: Sample of the recording up to which it is done.
        segments: Segments that are final, but not those before them.
        is_done: Whether it has ended.
        has_permit: Whether it may have a window in a slot.
    """

    recording: "Recording"
    origin: Origin
    peak: float
    language: Language | None = None
    reader: SampleReader | None = None
    program: Program | None = None
    clips: deque[tuple[Clip, tuple[Piece, ...]]] = field(
        default_factory=deque[tuple[Clip, tuple[Piece, ...]]]
    )
    has_all_clips: bool = False
    awaits_clip: bool = False
    heard: tuple[Piece, ...] = ()
    position: int = 0
    segments: list[Segment] = field(default_factory=list[Segment])
    is_done: bool = False
    has_permit: bool = False

    @property
    def n_left(self) -> int:
        """Samples of its pieces that are not done yet."""
        waiting = sum(pieces[0].n_samples for _, pieces in self.clips if pieces)
        if not self.heard or self.is_done:
            return waiting
        now = self.heard[0]
        return waiting + now.n_samples - max(0, min(self.position - now.start * HOP, now.n_samples))

    def take_clip(self) -> Clip | None:
        """The next clip: it is there, or there will be none."""
        self.awaits_clip = False
        if not self.clips:
            self.heard = ()
            return None
        clip, self.heard = self.clips.popleft()
        return clip

    def must_wait(self, request: Read) -> bool:
        """Whether a file or a server has to be asked for this read."""
        return self.reader is not None and not self.reader.is_ready(request.stop)

    def read(self, request: Read) -> Samples:
        """Answer a read."""
        if self.reader is not None:
            return self.reader.read(request.start, request.stop, peek=request.peek)
        return read_pieces(self.heard, request)
