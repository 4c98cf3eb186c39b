"""Streams that last for hours: whether memory stays flat, and what silence costs."""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import final

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.live.pace import Pacer
from whisper_jax.bench.live.plan import LivePlan
from whisper_jax.bench.live.run import Ours, Progress, load_ours, read_tracks
from whisper_jax.bench.live.shown import CommittedTexts
from whisper_jax.bench.live.soak_results import MemorySample, SoakReport, SoakRun
from whisper_jax.bench.live.soak_sounds import Sound, recordings_sound, silent_sounds
from whisper_jax.bench.live.usage import UsageClock, resident_bytes
from whisper_jax.errors import WhisperJaxError
from whisper_jax.options import AUTO
from whisper_jax.scoring import error_rate, normalise
from whisper_jax.stream.events import LiveEvent, StreamEnded

_WARM_S = 20.0
_SAMPLE_EVERY_S = 10.0
_TELL_EVERY_S = 600.0
_TEXT_SHOWN = 80


def run_soak(plan: LivePlan, progress: Progress) -> SoakReport:
    """Load the model and play what the plan's scenario says, one stream after the other.

    Args:
        plan: Of the scenario ``long`` or ``silence``.
        progress: Is told, in a line, what is about to be done, and how far it is.

    Raises:
        OptionError: An option cannot be honoured, or a recording has no reference.
        AlignmentError: A reference is not what is said.
        WhisperJaxError: The model cannot be had, a recording not be read, or a stream does not end.
    """
    with ExitStack() as stack:
        ours = load_ours(plan, stack, progress)
        if plan.scenario == "silence":
            sounds = silent_sounds(plan.total_s)
        else:
            sounds = [recordings_sound(read_tracks(plan, ours.model, progress), plan.total_s)]
        runs: list[SoakRun] = []
        problems: list[str] = []
        for sound in sounds:
            run, found = measure_sound(plan, sound, ours, progress)
            runs.append(run)
            problems += [f"{sound.name}: {problem}" for problem in found]
    return SoakReport(plan=plan, runs=tuple(runs), problems=tuple(problems))


def measure_sound(
    plan: LivePlan, sound: Sound, ours: Ours, progress: Progress
) -> tuple[SoakRun, list[str]]:
    """Play a sound into a stream of its own, after 20 s of it to warm up.

    Args:
        plan: How it is played.
        sound: What.
        ours: What the stream runs on.
        progress: Is told how far it is.

    Returns:
        The measurement, and what the stream did that it must not do.

    Raises:
        OptionError: An option cannot be honoured.
        WhisperJaxError: The stream does not come to its end.
    """
    _Soak(plan, sound.first(_WARM_S), ours).play(lambda _: None)
    n_before = ours.n_compiled()
    soak = _Soak(plan, sound, ours)
    with UsageClock(lambda: sum(ours.model.counts.seconds.values())) as clock:
        pacer = soak.play(progress)
        usage = clock.usage
    n_compiled = ours.n_compiled() - n_before
    texts = soak.texts
    text = "\n".join(texts.texts)
    run = SoakRun(
        sound=sound.name,
        audio_s=pacer.sent_s,
        text=text,
        n_words=len(normalise(text, sound.tag).split()),
        rate=error_rate([sound.reference], [text], sound.tag) if sound.reference else None,
        n_segments=len(texts.texts),
        n_events=texts.n_events,
        usage=usage,
        memory=tuple(soak.memory),
        kept_bytes=soak.kept_bytes,
        waited_s=pacer.waited_s,
        most_late_s=pacer.most_late_s,
        n_compiled=n_compiled,
    )
    said = text.strip()
    if said and not sound.reference:
        return run, [*texts.problems, f"nothing was said, and this committed: {said[:_TEXT_SHOWN]}"]
    return run, texts.problems


@final
class _Soak:
    """A sound that is played into a stream on this thread; of the stream only text is kept."""

    def __init__(self, plan: LivePlan, sound: Sound, ours: Ours) -> None:
        self.texts = CommittedTexts()
        self.memory: list[MemorySample] = []
        self._plan = plan
        self._sound = sound
        self._live = ours.live
        self._has_ended = threading.Event()

    @property
    def kept_bytes(self) -> int:
        """Memory that is taken by what is kept."""
        kept: Sequence[object] = (*self.texts.texts, *self.memory)
        lists = sys.getsizeof(self.texts.texts) + sys.getsizeof(self.memory)
        return lists + sum(sys.getsizeof(one) for one in kept)

    def play(self, progress: Progress) -> Pacer:
        """Play all of it, and wait for the stream's end; what tells how that went."""
        (configuration,) = self._plan.ours
        language = self._sound.language or AUTO
        stream = self._live.open(
            self._listen, owner=self._sound.name, language=language, **configuration.options
        )
        pacer = Pacer(stream, self._plan.speed, time.perf_counter(), self._has_ended)
        try:
            self._send_all(pacer, progress)
        except ValueError as error:  # it has ended
            raise WhisperJaxError(f"{self._sound.name} could not be played: {error}") from error
        except BaseException:
            stream.cancel()
            raise
        if not self._has_ended.is_set():
            stream.cancel()
            raise WhisperJaxError(
                f"the stream of {self._sound.name} does not end, a while after all was sent"
            )
        self._look(pacer)
        return pacer

    def _listen(self, event: LiveEvent) -> None:
        self.texts.add(event)
        if isinstance(event, StreamEnded):
            self._has_ended.set()

    def _send_all(self, pacer: Pacer, progress: Progress) -> None:
        next_look_s, next_tell_s = 0.0, 0.0
        for block in self._sound.blocks(self._plan.block_ms * SAMPLE_RATE // 1000):
            if self._has_ended.is_set():  # early: it has told why
                break
            if pacer.sent_s >= next_tell_s:
                total = f"{self._sound.duration_s / 60:g} minutes"
                progress(f"{self._sound.name}: {pacer.sent_s / 60:.0f} of {total}")
                next_tell_s += _TELL_EVERY_S
            if pacer.sent_s >= next_look_s:
                self._look(pacer)
                next_look_s += _SAMPLE_EVERY_S
            pacer.send(block)
        pacer.finish()

    def _look(self, pacer: Pacer) -> None:
        memory_bytes = resident_bytes()
        if memory_bytes is not None:
            self.memory.append(MemorySample(at_s=pacer.sent_s, memory_bytes=memory_bytes))
