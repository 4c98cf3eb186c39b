"""Run a model over a manifest and score what it writes."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip
from whisper_jax.evaluate.results import ClipResult, EvaluationReport, score_clip
from whisper_jax.options import AUTO
from whisper_jax.types import Transcript

OURS = "whisper-jax"


class BatchTranscriber(Protocol):
    """What an evaluation needs of a model; `whisper_jax.load_model` gives one."""

    def transcribe_batch(
        self, audios: Sequence[Path], *, on_error: Literal["return"], **options: Any
    ) -> list[Transcript]:
        """Transcripts in the order of the recordings; one that failed has its ``error`` set."""
        ...


def evaluate(
    model: BatchTranscriber,
    clips: Sequence[Clip],
    *,
    name: str = OURS,
    options: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Transcribe all clips and score them.

    The clips of one set and language go to the model in one batch, with the language given; for a
    code-switched clip (``zh+en``) it is ``auto``. A clip that fails counts as if nothing had been
    written, and does not stop the others.

    Args:
        model: What transcribes.
        clips: What to transcribe: see `read_manifest`.
        name: What the report calls it.
        options: Further options of ``transcribe_batch``.
        about: What the report is to say of the model, besides the options.
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
    results: dict[Clip, ClipResult] = {}
    for group in groups.values():
        if progress is not None:
            progress(_describe(group))
        results |= zip(group, _run_group(model, group, options or {}), strict=True)
    ordered = tuple(results[clip] for clip in clips)
    settings = {**(about or {}), "options": dict(options or {})}
    return EvaluationReport(name=name, clips=ordered, settings=settings)


def _run_group(
    model: BatchTranscriber, clips: Sequence[Clip], options: Mapping[str, Any]
) -> list[ClipResult]:
    """Transcribe clips of one language as one batch."""
    start = time.perf_counter()
    transcripts = model.transcribe_batch(
        [clip.path for clip in clips],
        on_error="return",
        language=clips[0].given_language or AUTO,
        **options,
    )
    seconds = time.perf_counter() - start
    audio_s = sum(transcript.duration for transcript in transcripts)
    return [
        score_clip(
            clip,
            transcript.text,
            audio_s=transcript.duration,
            seconds=seconds * (transcript.duration / audio_s if audio_s else 1 / len(clips)),
            error=None if transcript.error is None else str(transcript.error),
        )
        for clip, transcript in zip(clips, transcripts, strict=True)
    ]


def _describe(clips: Sequence[Clip]) -> str:
    durations = [clip.duration_s for clip in clips if clip.duration_s is not None]
    length = f", {sum(durations) / 60:.1f} min" if len(durations) == len(clips) else ""
    count = "1 clip" if len(clips) == 1 else f"{len(clips)} clips"
    return f"{clips[0].set_name} ({clips[0].language}): {count}{length}"
