"""What came of an evaluation: clips, and clips taken together."""

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from whisper_jax.evaluate.manifest import Clip
from whisper_jax.scoring import ErrorRate, KeptUnits, code_switched_rate, error_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        clip: The clip.
        hypothesis: What the system wrote; empty if it failed.
        audio_s: Seconds of audio that were read.
        seconds: Seconds it took: for clips done in one batch, the batch's, shared out by length.
        score: Errors of this clip alone.
        kept: How much of each language was kept, if the clip is code-switched and the manifest
            tells its segments.
        error: Why it failed, or None.
    """

    clip: Clip
    hypothesis: str
    audio_s: float
    seconds: float
    score: ErrorRate
    kept: tuple[KeptUnits, ...] = ()
    error: str | None = None


def score_clip(
    clip: Clip, hypothesis: str, *, audio_s: float, seconds: float, error: str | None = None
) -> ClipResult:
    """The result of a clip. What was written before it failed (``error``) does not count."""
    written = "" if error is not None else hypothesis
    if clip.segments:
        score, kept = code_switched_rate(clip.segments, written)
    else:
        score, kept = error_rate([clip.text], [written], clip.language), ()
    return ClipResult(
        clip=clip,
        hypothesis=written,
        audio_s=audio_s,
        seconds=seconds,
        score=score,
        kept=kept,
        error=error,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clips:
    """Clips that were transcribed, and how long that took."""

    clips: tuple[ClipResult, ...]

    @property
    def audio_s(self) -> float:
        """Seconds of audio read."""
        return sum(result.audio_s for result in self.clips)

    @property
    def seconds(self) -> float:
        """Seconds it took, decoding of files and first compilations included."""
        return sum(result.seconds for result in self.clips)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio done in a second."""
        return _times_real_time(self.audio_s, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetResult(_Clips):
    """Clips taken together: of a set, of a pool of sets, or all that are scored in one unit.

    Attributes:
        name: Name of the set.
        clips: The clips, failed ones included: all their words count as deletions.
        score: Errors, pooled over the clips.
    """

    name: str
    score: ErrorRate

    @property
    def n_failed(self) -> int:
        """Clips that failed."""
        return sum(result.error is not None for result in self.clips)

    @property
    def kept(self) -> tuple[KeptUnits, ...]:
        """How much of each language was kept in the code-switched clips whose segments are told."""
        pooled: dict[str, KeptUnits] = {}
        for own in (own for result in self.clips for own in result.kept):
            before = pooled.get(own.language)
            pooled[own.language] = own if before is None else before + own
        return tuple(pooled.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationReport(_Clips):
    """The outcome of an evaluation of one system.

    Attributes:
        name: What the system is called in tables.
        clips: Every clip.
        settings: What was run and how: model, options, versions.
        is_peer: True if it is another program that ours is compared with.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_peer: bool = False

    @property
    def sets(self) -> tuple[SetResult, ...]:
        """One result for each set, in the order of the manifest; one for each unit it has."""
        return pool_clips(self.clips, lambda clip: clip.set_name)

    @property
    def totals(self) -> tuple[SetResult, ...]:
        """All sets pooled, one result for each unit."""
        return pool_clips(self.clips, lambda _: "total")

    @property
    def failed(self) -> tuple[ClipResult, ...]:
        """The clips that could not be transcribed."""
        return tuple(result for result in self.clips if result.error is not None)


def pool_clips(
    results: Iterable[ClipResult], name_of: Callable[[Clip], str]
) -> tuple[SetResult, ...]:
    """The clips by name and unit, in order of appearance."""
    groups: dict[Hashable, list[ClipResult]] = {}
    for result in results:
        groups.setdefault((name_of(result.clip), result.score.unit), []).append(result)
    return tuple(
        SetResult(
            name=name_of(group[0].clip),
            clips=tuple(group),
            score=functools.reduce(ErrorRate.__add__, (result.score for result in group)),
        )
        for group in groups.values()
    )


def _times_real_time(audio_s: float, seconds: float) -> float:
    return audio_s / seconds if seconds > 0 else 0.0
