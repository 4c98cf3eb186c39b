"""Run a model over a manifest and score what it writes."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip
from whisper_jax.scoring import ErrorRate, error_rate
from whisper_jax.types import Transcript


class BatchTranscriber(Protocol):
    """What an evaluation needs of a model; `whisper_jax.load_model` gives one."""

    def transcribe_batch(
        self, audios: Sequence[Path], *, on_error: Literal["return"], **options: Any
    ) -> list[Transcript]:
        """Transcripts in the order of the recordings; one that failed has its ``error`` set."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        clip: The clip.
        hypothesis: What the model wrote; empty if it failed.
        audio_s: Seconds of audio that were read.
        score: Errors of this clip alone.
        error: Why it failed, or None.
    """

    clip: Clip
    hypothesis: str
    audio_s: float
    score: ErrorRate
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResult:
    """Clips taken together: a set, or all sets that are scored in the same unit.

    Attributes:
        name: Name of the set.
        n_clips: Number of clips, failed ones included.
        n_failed: Clips that failed. All their words count as deletions.
        audio_s: Seconds of audio read.
        seconds: Seconds it took, decoding of files and first compilations included.
        score: Errors, pooled over the clips.
    """

    name: str
    n_clips: int
    n_failed: int
    audio_s: float
    seconds: float
    score: ErrorRate

    @property
    def times_real_time(self) -> float:
        """Seconds of audio done in a second."""
        return _times_real_time(self.audio_s, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationReport:
    """The outcome of an evaluation.

    Attributes:
        sets: One result for each set, in the order of the manifest; two for a set that has both
            languages scored in words and languages scored in characters.
        totals: All sets pooled, one result for each unit.
        clips: Every clip.
    """

    sets: tuple[SetResult, ...]
    totals: tuple[SetResult, ...]
    clips: tuple[ClipResult, ...]

    @property
    def failed(self) -> tuple[ClipResult, ...]:
        """The clips that could not be transcribed."""
        return tuple(result for result in self.clips if result.error is not None)

    @property
    def audio_s(self) -> float:
        """Seconds of audio read."""
        return sum(result.audio_s for result in self.sets)

    @property
    def seconds(self) -> float:
        """Seconds it took."""
        return sum(result.seconds for result in self.sets)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio done in a second."""
        return _times_real_time(self.audio_s, self.seconds)


def evaluate(
    model: BatchTranscriber,
    clips: Sequence[Clip],
    *,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Transcribe all clips and score them.

    The clips of one set and language go to the model in one batch, with the language given; a
    code-switched clip (``zh+en``) goes without. A clip that fails counts as if nothing had been
    written, and does not stop the others.

    Args:
        model: What transcribes.
        clips: What to transcribe: see `read_manifest`.
        options: Further options of ``transcribe_batch``.
        progress: Is told, in a sentence, what is about to be done.

    Raises:
        OptionError: There are no clips, ``options`` holds a language, or the model cannot honour
            the options or a clip's language.
    """
    if not clips:
        raise OptionError("there are no clips to evaluate on")
    if "language" in (options or {}):
        raise OptionError("the language comes from the manifest; leave it out of the options")
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.set_name, clip.language), []).append(clip)

    parts: list[SetResult] = []
    results: list[ClipResult] = []
    for (set_name, _), group in groups.items():
        if progress is not None:
            progress(_describe(group))
        group_results, seconds = _run_group(model, group, options or {})
        results.extend(group_results)
        parts.append(_pool_clips(set_name, group_results, seconds))

    sets = _pool(parts, lambda part: (part.name, part.score.unit))
    totals = _pool([replace(part, name="total") for part in sets], lambda part: part.score.unit)
    return EvaluationReport(sets=sets, totals=totals, clips=tuple(results))


def _run_group(
    model: BatchTranscriber, clips: Sequence[Clip], options: Mapping[str, Any]
) -> tuple[list[ClipResult], float]:
    start_s = time.perf_counter()
    transcripts = model.transcribe_batch(
        [clip.path for clip in clips],
        on_error="return",
        language=clips[0].given_language,
        **options,
    )
    seconds = time.perf_counter() - start_s
    results = [_score(clip, one) for clip, one in zip(clips, transcripts, strict=True)]
    return results, seconds


def _score(clip: Clip, transcript: Transcript) -> ClipResult:
    failed = transcript.error is not None
    hypothesis = "" if failed else transcript.text
    return ClipResult(
        clip=clip,
        hypothesis=hypothesis,
        audio_s=transcript.duration,
        score=error_rate([clip.text], [hypothesis], clip.language),
        error=str(transcript.error) if failed else None,
    )


def _pool_clips(name: str, results: Sequence[ClipResult], seconds: float) -> SetResult:
    return SetResult(
        name=name,
        n_clips=len(results),
        n_failed=sum(result.error is not None for result in results),
        audio_s=sum(result.audio_s for result in results),
        seconds=seconds,
        score=functools.reduce(ErrorRate.__add__, (result.score for result in results)),
    )


def _pool(parts: Sequence[SetResult], key: Callable[[SetResult], object]) -> tuple[SetResult, ...]:
    pooled: dict[object, SetResult] = {}
    for part in parts:
        before = pooled.get(key(part))
        pooled[key(part)] = part if before is None else _add(before, part)
    return tuple(pooled.values())


def _add(first: SetResult, second: SetResult) -> SetResult:
    return SetResult(
        name=first.name,
        n_clips=first.n_clips + second.n_clips,
        n_failed=first.n_failed + second.n_failed,
        audio_s=first.audio_s + second.audio_s,
        seconds=first.seconds + second.seconds,
        score=first.score + second.score,
    )


def _times_real_time(audio_s: float, seconds: float) -> float:
    return audio_s / seconds if seconds > 0 else 0.0


def _describe(clips: Sequence[Clip]) -> str:
    durations = [clip.duration_s for clip in clips if clip.duration_s is not None]
    length = f", {sum(durations) / 60:.1f} min" if len(durations) == len(clips) else ""
    count = "1 clip" if len(clips) == 1 else f"{len(clips)} clips"
    return f"{clips[0].set_name} ({clips[0].language}): {count}{length}"
