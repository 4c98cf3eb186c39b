"""One recording of a run: its pieces, its programs, and what they found, put together in order.

Everything here is bookkeeping, done under the run's lock. What is to be done because of it is
given back as steps: a program to advance, and the answer to send it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.decode import AudioInput
from whisper_jax.audio.reader import SampleReader
from whisper_jax.audio.units import HOP, SAMPLE_RATE
from whisper_jax.driver.cutting import Cutting
from whisper_jax.driver.events import Event, FileProgress
from whisper_jax.driver.pieces import Piece
from whisper_jax.driver.plan import Plan
from whisper_jax.driver.steps import PROGRAM_NUMBERS
from whisper_jax.driver.task import Task
from whisper_jax.errors import WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.programs import Language, most_spoken
from whisper_jax.requests import Clip, Origin, Progress
from whisper_jax.types import Segment, Transcript

_PIECES_AHEAD = 2
"""Pieces of a recording that one program hears one after the other: in hand, and next."""


@dataclass(frozen=True, slots=True)
class Step:
    """Send an answer to a program; None begins it, or tells it that there are no more clips."""

    task: Task
    answer: Clip | None


class Recording:
    """A recording on its way.

    Args:
        index: Its place among those given.
        source: Where it is.
        origin: Model, owner and priority of its work.
        plan: What is to be done with it.
        tell: Called with its events, in order.

    Attributes:
        n_open: Pieces that are held in memory.
        tasks: Programs that have begun and whose segments are not all given out, in order.
        is_busy: Whether a worker is opening or cutting it.
        is_opened: Whether a worker has been told to open it.
        is_cut: Whether there will be no more pieces.
        is_ended: Whether its transcript has been given out.
    """

    def __init__(
        self,
        index: int,
        source: AudioInput,
        origin: Origin,
        plan: Plan,
        tell: Callable[[Event], None],
    ) -> None:
        self.index = index
        self.source = source
        self.cutting: Cutting | None = None
        self.reader: SampleReader | None = None
        self.n_open = 0
        self.tasks: deque[Task] = deque()
        self.is_busy = False
        self.is_opened = False
        self.is_cut = False
        self.is_ended = False
        self._origin = origin if index == 0 else replace(origin, leads=False)
        self._plan = plan
        self._tell = tell
        self._duration_s: float | None = None
        self._open_source: Cutting | SampleReader | None = None
        self._held: deque[Piece] = deque()  # no program has them yet
        self._is_detecting = False
        self._language: Language | None = None
        self._last: Progress | None = None
        self._n_cut = 0  # samples up to which it is cut
        self._segments: list[Segment] = []

    # --- pieces ----------------------------------------------------------------------------------

    def opened(self, found: tuple[AudioStream, float]) -> list[Step]:
        """It has been opened, and its level measured: what is to be done first."""
        plan = self._plan
        stream, peak = found
        self._duration_s = stream.duration_s
        if plan.make_cutter is None:
            self.reader = self._open_source = SampleReader(stream)
            self.is_cut = True
            task = self._new_task(peak)
            task.reader = self.reader
            task.clips.extend((clip, ()) for clip in self._range_clips())
            task.has_all_clips = True
            return [Step(task, None)]
        self.cutting = self._open_source = Cutting(
            stream,
            plan.ranges,
            plan.make_cutter,
            look_back_frames=plan.look_back_frames,
            tells_speech=plan.tells_speech,
        )
        return [] if plan.is_parallel else [Step(self._new_task(peak), None)]

    @property
    def is_being_cut(self) -> bool:
        """Whether it has been opened and there will be further pieces."""
        return self.is_opened and not self.is_cut and not self.is_ended

    def may_cut(self, has_room: bool) -> bool:
        """Whether a worker should cut it further.

        Args:
            has_room: Whether there is memory for further pieces.
        """
        if self.cutting is None or self.is_busy or self.is_cut or self.is_ended:
            return False
        # Else it would wait for others; or for its language, for ever.
        if self.n_open == 0 or self._lacks_detection:
            return True
        return has_room if self._plan.is_parallel else self.n_open < _PIECES_AHEAD

    def cut(self, pieces: Sequence[Piece]) -> list[Step]:
        """A worker has cut it further: what can be done now."""
        if self.is_ended:
            return []
        assert self.cutting is not None
        self._held.extend(pieces)
        self.n_open += len(pieces)
        self.is_cut = self.cutting.is_done
        if self.is_cut:
            self._n_cut = self.cutting.n_samples
        elif pieces:
            self._n_cut = pieces[-1].stop * HOP
        steps = self._hand_out()
        self._end_if_done()
        return steps

    @property
    def _awaits_language(self) -> bool:
        return self._plan.language is None and self._language is None

    @property
    def _lacks_detection(self) -> bool:
        """Whether the first piece waits for others, in which the language may be asked for."""
        wants = self._awaits_language and not self._is_detecting
        return wants and len(self._held) < self._plan.n_detection

    def _hand_out(self) -> list[Step]:
        """Give pieces to programs; while the language is sought, none after the first."""
        steps: list[Step] = []
        while self._held:
            if self._is_detecting or (self._lacks_detection and not self.is_cut):
                break
            heard = (self._held[0],)
            if self._awaits_language:
                self._is_detecting = True
                heard = tuple(self._held)[: self._plan.n_detection]
            piece = self._held.popleft()
            detection = tuple(other.span for other in heard) if self._is_detecting else ()
            steps += self._give(piece.clip(detection), heard)
        if self.is_cut and not self._held and not self._plan.is_parallel:
            steps += self._give(None, ())
        return steps

    def _give(self, clip: Clip | None, heard: tuple[Piece, ...]) -> list[Step]:
        """Give a clip, or the news that there are no more, to the program that is to have it."""
        if self._plan.is_parallel:
            task = self._new_task(float("-inf"))
            task.has_all_clips = True
        else:
            task = self.tasks[0]
            task.has_all_clips = clip is None
        if clip is not None:
            task.clips.append((clip, heard))
        if self._plan.is_parallel:
            return [Step(task, None)]
        return [Step(task, task.take_clip())] if task.awaits_clip else []

    def _new_task(self, peak: float) -> Task:
        origin = replace(self._origin, program=next(PROGRAM_NUMBERS))
        # Only the first words of a run are hurried: the sooner the rest, the later its end.
        self._origin = replace(self._origin, leads=False)
        task = Task(self, origin, peak, self._language)
        self.tasks.append(task)
        return task

    def _range_clips(self) -> list[Clip]:
        """The ranges as clips, heard as they are."""
        clips: list[Clip] = []
        n = self._plan.window_frames
        for index, (start, stop) in enumerate(self._plan.ranges):
            begins = [start + n * k for k in range(self._plan.n_detection)]
            windows = [(a, a + n if stop is None else min(a + n, stop)) for a in begins]
            detection = tuple(window for window in windows if window[0] < window[1])
            clips.append(Clip(start=start, stop=stop, detection=detection, is_first=index == 0))
        return clips

    # --- programs --------------------------------------------------------------------------------

    def next_clip(self, task: Task) -> tuple[bool, Clip | None, list[Step]]:
        """A program asks for its next clip: whether it is known, the clip, and what follows."""
        if task.heard:
            self.n_open -= 1
            task.heard = ()
            # If nothing was heard in it, the language is to be found in the next one.
            self._is_detecting = False
        task.awaits_clip = True
        if task.clips or task.has_all_clips:
            return True, task.take_clip(), []
        steps = self._hand_out()
        return False, None, steps

    def note(self, task: Task, progress: Progress) -> list[Step]:
        """Something of a program's is final: tell of it; what can be done now."""
        task.position = progress.position
        task.segments += progress.segments
        if progress.segments:
            task.origin = replace(task.origin, leads=False)
        self._last = progress
        steps: list[Step] = []
        if self._awaits_language and progress.language:
            self._language = Language(
                code=progress.language,
                probability=progress.language_probability,
                probabilities=progress.language_probabilities,
            )
            self._is_detecting = False
            steps = self._hand_out()
        self._report(self._merged())
        return steps

    def done(self, task: Task, transcript: Transcript) -> list[Step]:
        """A program has ended: what can be done now."""
        if task.heard:
            self.n_open -= 1
            task.heard = ()
            self._is_detecting = False
        task.is_done = True
        if not self._plan.is_parallel:
            # It was the only one.
            self.is_cut = True
            self._held.clear()
        if self.reader is not None:
            self._n_cut = round(transcript.duration * SAMPLE_RATE)
        steps = self._hand_out() if self._plan.is_parallel else []
        merged = self._merged()
        if merged:
            self._report(merged)
        self._end_if_done()
        return steps

    def fail(self, error: WhisperJaxError) -> None:
        """It goes no further: give out what was final, with the error."""
        self._end(self._position, error)

    def take_close(self) -> Callable[[], None] | None:
        """What closes its file, if it is to be done now: once, and not while it is being read."""
        if self.is_busy:
            return None
        source, self._open_source = self._open_source, None
        return source.close if source is not None else None

    # --- what was found --------------------------------------------------------------------------

    def _merged(self) -> tuple[Segment, ...]:
        """Segments that are final with all before them, numbered as those of one transcript."""
        new: list[Segment] = []
        while self.tasks:
            first = self.tasks[0]
            new += first.segments
            first.segments = []
            if not first.is_done:
                break
            self.tasks.popleft()
        n = len(self._segments)
        numbered = [replace(segment, id=n + index) for index, segment in enumerate(new)]
        self._segments += numbered
        return tuple(numbered)

    def _end_if_done(self) -> None:
        if not self.is_cut or self._held or self.tasks or self.is_ended:
            return
        error = self.cutting.failure if self.cutting is not None else None
        self._end(self._n_cut, error)

    def _end(self, n_samples: int, error: WhisperJaxError | None) -> None:
        """Give out the transcript of so many samples."""
        language = self._language_found()
        transcript = Transcript(
            text="".join(segment.text for segment in self._segments),
            segments=tuple(self._segments),
            language=language.code,
            language_probability=language.probability,
            language_probabilities=language.probabilities,
            duration=n_samples / SAMPLE_RATE,
            task=self._plan.task,
            error=error,
        )
        self._report((), done=True)
        self._tell((self.index, transcript))
        self.is_ended = True
        self.n_open = 0
        self._held.clear()

    def _language_found(self) -> Language:
        """The recording's language; with a language for each segment, the most spoken one."""
        if self._language is not None:
            return self._language
        if self._plan.language != AUTO:
            return Language(code=self._plan.language or "")
        return Language(code=most_spoken(self._segments))

    def _report(self, segments: tuple[Segment, ...], *, done: bool = False) -> None:
        self._tell(
            FileProgress(
                index=self.index,
                position_s=self._position / SAMPLE_RATE,
                duration_s=self._duration_s,
                segments=segments,
                language=self._last.language if self._last is not None else "",
                done=done,
            )
        )

    @property
    def _position(self) -> int:
        """Samples that are done."""
        if self.cutting is None:
            return self._last.position if self._last is not None else 0
        left = sum(piece.n_samples for piece in self._held)
        return self._n_cut - left - sum(task.n_left for task in self.tasks)
