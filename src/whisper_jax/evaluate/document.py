"""A comparison as JSON, and back: a table may be put together from several invocations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.compare import Comparison
from whisper_jax.evaluate.manifest import Clip
from whisper_jax.evaluate.results import ClipResult, EvaluationReport, SetResult, score_clip
from whisper_jax.scoring import ErrorRate, KeptUnits


def report_json(comparison: Comparison, about: Mapping[str, Any]) -> str:
    """Everything as JSON text: figures of pools, sets and totals, and every clip's texts.

    Args:
        comparison: The systems.
        about: What was asked for, put under ``about``.
    """
    document = {
        "about": dict(about),
        "pools": [asdict(pool) for pool in comparison.pools],
        "systems": [
            _system_fields(system, [row[i] for row in comparison.pool_rows])
            for i, system in enumerate(comparison.systems)
        ],
        "differences": [asdict(difference) for difference in comparison.differences],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def read_systems(path: Path, clips: Sequence[Clip]) -> tuple[EvaluationReport, ...]:
    """The systems of an earlier report, with the texts they wrote, scored anew.

    Args:
        path: A file that `report_json` filled.
        clips: The clips that are wanted; the file may have more.

    Raises:
        OptionError: The file cannot be read or is no report, or it lacks one of the clips or has
            another reference for it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_system(fields, clips) for fields in document["systems"])
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path} is no report of whisper-jax evaluate: {error!r}") from error


def _system(fields: dict[str, Any], clips: Sequence[Clip]) -> EvaluationReport:
    kept = {(one["path"], one["set"]): one for one in fields["clips"]}
    results: list[ClipResult] = []
    for clip in clips:
        one = kept.get((clip.name, clip.set_name))
        if one is None:
            raise OptionError(f"{fields['name']} has no clip {clip.name} of {clip.set_name}")
        if (one["reference"], one["language"]) != (clip.text, clip.language):
            raise OptionError(f"{clip.name} has another reference there than in the manifest")
        results.append(
            score_clip(
                clip,
                one["hypothesis"],
                audio_s=one["audio_s"],
                seconds=one["seconds"],
                error=one["error"],
            )
        )
    return EvaluationReport(
        name=fields["name"],
        clips=tuple(results),
        settings=fields["settings"],
        is_peer=fields["is_peer"],
    )


def _system_fields(system: EvaluationReport, pools: Sequence[SetResult]) -> dict[str, Any]:
    return {
        "name": system.name,
        "is_peer": system.is_peer,
        "settings": dict(system.settings),
        "audio_s": round(system.audio_s, 3),
        "seconds": round(system.seconds, 3),
        "times_real_time": round(system.times_real_time, 2),
        "pools": [_set_fields(row) for row in pools],
        "sets": [_set_fields(row) for row in system.sets],
        "totals": [_set_fields(row) for row in system.totals],
        "clips": [_clip_fields(result) for result in system.clips],
    }


def _set_fields(row: SetResult) -> dict[str, Any]:
    return {
        "set": row.name,
        "clips": len(row.clips),
        "failed": row.n_failed,
        "audio_s": round(row.audio_s, 3),
        "seconds": round(row.seconds, 3),
        "times_real_time": round(row.times_real_time, 2),
        **_score_fields(row.score, row.kept),
    }


def _clip_fields(result: ClipResult) -> dict[str, Any]:
    return {
        "path": result.clip.name,
        "set": result.clip.set_name,
        "language": result.clip.language,
        "reference": result.clip.text,
        "hypothesis": result.hypothesis,
        "audio_s": round(result.audio_s, 3),
        "seconds": round(result.seconds, 3),
        "error": result.error,
        **_score_fields(result.score, result.kept),
    }


def _score_fields(score: ErrorRate, kept: Sequence[KeptUnits]) -> dict[str, Any]:
    fields = {
        "measure": score.unit,
        "rate": round(score.rate, 6),
        "substitutions": score.substitutions,
        "deletions": score.deletions,
        "insertions": score.insertions,
        "n_reference": score.n_reference,
    }
    shares = {one.language: {**asdict(one), "share": round(one.share, 6)} for one in kept}
    return {**fields, "kept": shares} if shares else fields
