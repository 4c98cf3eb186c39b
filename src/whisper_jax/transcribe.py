"""Transcribe with a model: the whole path from a recording to its transcript.

`whisper_jax.loading` makes a `Whisper`. Its methods check the options, say what they make of a
recording (a cutter of `whisper_jax.speech`, programs of `whisper_jax.programs`) and let a
`whisper_jax.driver.Run` drive the programs through the engine.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any, Literal, Self

import numpy as np

from whisper_jax.audio.decode import AudioInput
from whisper_jax.audio.units import FRAMES_PER_SECOND, SAMPLE_RATE
from whisper_jax.driver import Cutter, EngineLike, Event, FileProgress, Plan, Run, SplitChannels
from whisper_jax.driver.events import completed, final_segments, followed
from whisper_jax.driver.plan import look_back_frames
from whisper_jax.driver.steps import PROGRAM_NUMBERS, StepsRun
from whisper_jax.engine.ahead import AheadReader
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.errors import OptionError
from whisper_jax.model.dims import ModelDims
from whisper_jax.options import AUTO, TranscribeOptions, transcribe_options
from whisper_jax.programs import Language, Program, check_options, transcribe_clips
from whisper_jax.programs.steps import Steps
from whisper_jax.programs.windows import clip_ranges
from whisper_jax.requests import Origin
from whisper_jax.speech.cutting import Cutting
from whisper_jax.text import WhisperTokenizer
from whisper_jax.types import Segment, Transcript

type OnProgress = Callable[[FileProgress], None]

_owner_numbers = count()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Caller:
    """For whom a call's windows are decoded.

    Attributes:
        owner: Whom the engine is fair to; None takes the call for one of its own.
        priority: Higher goes first.
        listens: Whether somebody is told of segments before the end.
        cancel: Set to stop.
        batch_size: Most windows at once; None for as many as there is room for.
    """

    owner: str | None = None
    priority: int = 0
    listens: bool = False
    cancel: threading.Event | None = None
    batch_size: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmup:
    """What `Whisper.warmup` did.

    Attributes:
        n_programs: Programs that are ready.
        n_compiled: How many of them were compiled now and are kept; the others were kept before.
        seconds: How long it took.
    """

    n_programs: int
    n_compiled: int
    seconds: float


class Whisper:
    """A model that is ready to transcribe. Made by `load_model`; safe to use from many threads.

    Attributes:
        name: What it was loaded as.
        dims: Its sizes.
        tokenizer: Its tokenizer.
    """

    def __init__(
        self,
        name: str,
        dims: ModelDims,
        tokenizer: WhisperTokenizer,
        engine: EngineLike,
        counts: Sequence[DeviceCounts],
        batch_size: int,
        make_cutter: Callable[[TranscribeOptions], Cutter] = Cutting,
        ahead: AheadReader | None = None,
    ) -> None:
        self.name = name
        self.dims = dims
        self.tokenizer = tokenizer
        self._engine = engine
        self._batch_size = batch_size
        self._make_cutter = make_cutter
        self._counts = counts
        self._ahead = ahead

    @property
    def counts(self) -> DeviceCounts:
        """What the device has done so far; for benchmarks."""
        return sum(self._counts, start=DeviceCounts())

    def transcribe(
        self,
        audio: AudioInput,
        *,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Transcript:
        """Transcribe one recording.

        Args:
            audio: A path, an http(s) URL, bytes, a binary file object, or samples at 16 kHz.
            on_progress: Called on this thread whenever segments become final.
            cancel: Set it, from any thread, to stop.
            batch_size: Most of its windows that are decoded at once.
            options: Fields of `whisper_jax.options.TranscribeOptions`.

        Raises:
            OptionError: An option cannot be honoured.
            AudioError: The recording cannot be read.
            CancelledError: ``cancel`` was set.
        """
        done = self.as_completed(
            [audio], on_progress=on_progress, cancel=cancel, batch_size=batch_size, **options
        )
        ((_, transcript),) = done
        if transcript.error is not None:
            raise transcript.error
        return transcript

    def transcribe_batch(
        self,
        audios: Iterable[AudioInput],
        *,
        on_error: Literal["return", "raise"] = "return",
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> list[Transcript]:
        """Transcribe recordings together; their windows share the device.

        Args:
            audios: The recordings.
            on_error: ``return`` puts what went wrong into the `Transcript.error` of that
                recording; ``raise`` stops at the first error.
            on_progress: As in `transcribe`.
            cancel: As in `transcribe`.
            batch_size: Most windows that are decoded at once; no more than the model was loaded
                with.
            options: Fields of `whisper_jax.options.TranscribeOptions`, for all recordings.

        Returns:
            The transcripts in the order of the recordings.
        """
        if on_error not in ("return", "raise"):
            raise OptionError(f"on_error is {on_error!r}; use 'return' or 'raise'")
        results: dict[int, Transcript] = {}
        for index, transcript in self.as_completed(
            audios, on_progress=on_progress, cancel=cancel, batch_size=batch_size, **options
        ):
            if on_error == "raise" and transcript.error is not None:
                raise transcript.error
            results[index] = transcript
        return [results[index] for index in sorted(results)]

    def as_completed(
        self,
        audios: Iterable[AudioInput],
        *,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Iterator[tuple[int, Transcript]]:
        """Transcribe recordings together and give each one, with its index, as it is done.

        The arguments are those of `transcribe_batch`; a recording that failed has its `error`
        set. Recordings are taken from ``audios`` as they are needed.
        """
        # The options are checked now, not when the first result is asked for.
        caller = _Caller(listens=on_progress is not None, cancel=cancel, batch_size=batch_size)
        return completed(self._run(audios, options, caller), on_progress)

    def segments(self, audio: AudioInput, **options: Any) -> Iterator[Segment]:
        """Transcribe one recording and give each segment as soon as it is final.

        The arguments are those of `transcribe`; leaving the iteration stops the work.
        """
        return final_segments(self._run([audio], options, _Caller(listens=True)))

    def follow(
        self,
        audio: AudioInput,
        *,
        owner: str,
        priority: int = 0,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Generator[FileProgress | Transcript]:
        """Transcribe one recording, and tell how far it is; for servers with many callers.

        Args:
            audio: As in `transcribe`.
            owner: For whom: the device is shared out evenly between owners who have work, however
                many calls each of them makes.
            priority: Whose calls go first, whoever makes them: the greater number.
            cancel: As in `transcribe`.
            batch_size: As in `transcribe`; it bounds the audio that is held in memory, too.
            options: Fields of `whisper_jax.options.TranscribeOptions`.

        Returns:
            What is told: `FileProgress` with segments as they become final, and the `Transcript`
            last. The work begins with the first ``next``. ``close`` stops it and frees its slots
            at once; while another thread waits for the next of it, set ``cancel``.

        Raises:
            OptionError: An option cannot be honoured: raised by the call itself.
            AudioError: The recording cannot be read: raised by the iteration, as are the others.
            CancelledError: ``cancel`` was set.
        """
        caller = _Caller(
            owner=owner, priority=priority, listens=True, cancel=cancel, batch_size=batch_size
        )
        return followed(self._run([audio], options, caller))

    def align(
        self,
        audio: AudioInput,
        text: str,
        *,
        language: str | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
    ) -> Transcript:
        """Find when each word of a given text is spoken (forced alignment).

        Args:
            audio: As in `transcribe`, but it is read twice: a file object must be seekable.
            text: What is said, in order. Each line is a segment; a single line, each sentence.
            language: Code or name of its language; detected if None.
            on_progress: As in `transcribe`; the segments are told all at once at the end.
            cancel: As in `transcribe`.
            batch_size: As in `transcribe`.

        Returns:
            All of the text, with the times of its words. The probability of words that seem not
            to be spoken is 0; they share the time that their neighbours leave.

        Raises:
            OptionError: The text has no words, or an option cannot be honoured.
            AlignmentError: There is no speech, or the text is not what is said.
            AudioError: The recording cannot be read.
            CancelledError: ``cancel`` was set.
        """
        # It brings the scoring libraries: a start without them is shorter.
        from whisper_jax.alignment import TextAlignment, TwoReadings, lines_to_align

        lines = lines_to_align(audio, text, language)
        told = TwoReadings(tell=on_progress or (lambda _: None))
        given = {"language": language, "beam_size": 1, "temperature": 0, "word_timestamps": True}
        heard = self.transcribe(
            audio, on_progress=told.first, cancel=cancel, batch_size=batch_size, **given
        )
        options = check_options(self.tokenizer, transcribe_options(given))
        alignment = TextAlignment(self.tokenizer, options, lines, heard)
        caller = _Caller(cancel=cancel, batch_size=batch_size)
        run = self._start([audio], alignment.plan(self.dims.n_mels), caller)
        ((_, aligned),) = completed(run, partial(told.second, duration_s=heard.duration))
        if aligned.error is not None:
            raise aligned.error
        transcript = alignment.transcript(aligned)
        told.done(transcript)
        return transcript

    def perform[T](
        self,
        steps: Steps[T],
        on_done: Callable[[T | Exception], None],
        *,
        owner: str,
        priority: int = 0,
    ) -> StepsRun[T]:
        """Have a part of a program carried out; what live streams are made of.

        Args:
            steps: What asks the engine (`whisper_jax.requests`); it reads no recording.
            on_done: Called once, on the engine's thread, with what they return or raise.
            owner: As in `follow`.
            priority: As in `follow`.

        Returns:
            The run, to be started, and to be cancelled by whoever wants no more of it.
        """
        origin = Origin(
            program=next(PROGRAM_NUMBERS), model=self.name, owner=owner, priority=priority
        )
        return StepsRun(self._engine, origin, steps, on_done)

    def warmup(self, *, for_stream: bool = False) -> Warmup:
        """Compile what usual work needs, so that no later run has to wait for the compiler.

        Windows of all lengths, alone and in batches, with the default beams and samples and
        without; or what one live stream needs. It is kept on disk, unless that was switched off.
        """
        start_s = perf_counter()
        n_programs = n_compiled = 0
        if self._ahead is not None and for_stream:
            n_programs, n_compiled = self._ahead.compile_for_stream(n_rows=1)
        elif self._ahead is not None:
            defaults = TranscribeOptions()
            rows = sorted({1, defaults.beam_size, defaults.best_of})
            n_programs, n_compiled = self._ahead.compile_usual(self._batch_size, rows)
            # That finds speech, too.
            self.transcribe(np.zeros(2 * SAMPLE_RATE, np.float32), vad_filter=True)
        seconds = perf_counter() - start_s
        return Warmup(n_programs=n_programs, n_compiled=n_compiled, seconds=seconds)

    def close(self) -> None:
        """Stop the engine. What is being transcribed ends with EngineClosedError."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self,
        audios: Iterable[AudioInput],
        given: dict[str, Any],
        caller: _Caller,
    ) -> Iterable[Event]:
        options = check_options(self.tokenizer, transcribe_options(given))
        if caller.batch_size is not None and caller.batch_size < 1:
            raise OptionError(f"batch_size is {caller.batch_size}; give 1 or more")
        if self._ahead is not None:
            n_rows = options.beam_size if options.temperature[0] == 0 else options.best_of
            self._ahead.expect(
                n_rows,
                detects_language=options.language in (None, AUTO),
                aligns=options.word_timestamps,
            )
        channels = SplitChannels(audios) if options.channels == "split" else None
        sources = audios if channels is None else channels.sources()
        run = self._start(sources, self._plan(options), caller)
        return run if channels is None else channels.merged(run)

    def _start(self, audios: Iterable[AudioInput], plan: Plan, caller: _Caller) -> Run:
        owner = f"call-{next(_owner_numbers)}" if caller.owner is None else caller.owner
        return Run(
            self._engine,
            Origin(
                program=-1,
                model=self.name,
                owner=owner,
                priority=caller.priority,
                leads=caller.listens,
            ),
            audios,
            plan,
            n_windows=min(caller.batch_size or self._batch_size, self._batch_size),
            cancel=caller.cancel,
        )

    def _plan(self, options: TranscribeOptions) -> Plan:
        """What the options make of each recording."""
        is_parallel = options.long_form == "parallel"
        is_cut = is_parallel or options.uses_vad

        def make_program(peak: float, language: Language | None) -> Program:
            return transcribe_clips(self.tokenizer, options, peak=peak, language=language)

        return Plan(
            make_program=make_program,
            make_cutter=partial(self._make_cutter, options) if is_cut else None,
            look_back_frames=look_back_frames(options),
            is_parallel=is_parallel,
            tells_speech=options.uses_vad,
            ranges=tuple(clip_ranges(options.clip_timestamps)),
            language=options.language,
            n_detection=options.language_detection_segments,
            window_frames=round(options.chunk_length * FRAMES_PER_SECOND),
            task=options.task,
            n_mels=self.dims.n_mels,
            channel=options.channel,
        )
