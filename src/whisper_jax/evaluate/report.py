"""An evaluation as a table (for a terminal, as plain text, in Markdown) and as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from whisper_jax.evaluate.run import ClipResult, EvaluationReport, SetResult
from whisper_jax.scoring import ErrorRate

_HEADERS = (
    "set",
    "clips",
    "minutes",
    "measure",
    "%",
    "S/D/I",
    "of",
    "times real time",
    "seconds",
)
_LEFT_ALIGNED = (0, 3)


def rich_table(report: EvaluationReport) -> Table:
    """The table for a terminal, with the totals set apart."""
    table = Table(caption=summary(report))
    for column, header in enumerate(_HEADERS):
        table.add_column(header, justify="left" if column in _LEFT_ALIGNED else "right")
    for row in report.sets:
        table.add_row(*_cells(row))
    table.add_section()
    for row in report.totals:
        table.add_row(*_cells(row), style="bold")
    return table


def plain_table(report: EvaluationReport) -> str:
    """The table as aligned text, for a file or a pipe."""
    rows = [_HEADERS, *map(_cells, (*report.sets, *report.totals))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADERS))]
    lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, "", summary(report)])


def markdown_table(report: EvaluationReport) -> str:
    """The table in Markdown."""
    rule = ["---" if column in _LEFT_ALIGNED else "---:" for column in range(len(_HEADERS))]
    rows = [_HEADERS, rule, *map(_cells, (*report.sets, *report.totals))]
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", summary(report)])


def summary(report: EvaluationReport) -> str:
    """Clips, minutes, seconds and speed of the whole run in a sentence."""
    failed = f"; {len(report.failed)} failed" if report.failed else ""
    minutes = report.audio_s / 60
    return (
        f"{_plural(len(report.clips))}, {minutes:.1f} minutes in {report.seconds:.1f} s: "
        f"{report.times_real_time:.1f} times real time{failed}"
    )


def report_json(report: EvaluationReport, about: Mapping[str, Any]) -> str:
    """The whole report as JSON text: what was run, sets, totals, and every clip's texts.

    Args:
        report: The report.
        about: What was run (model, compute type, …), put under ``about``.
    """
    document = {
        "about": dict(about),
        "audio_s": round(report.audio_s, 3),
        "seconds": round(report.seconds, 3),
        "times_real_time": round(report.times_real_time, 2),
        "sets": [_set_fields(row) for row in report.sets],
        "totals": [_set_fields(row) for row in report.totals],
        "clips": [_clip_fields(result) for result in report.clips],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _cells(row: SetResult) -> tuple[str, ...]:
    score = row.score
    return (
        row.name,
        f"{row.n_clips} ({row.n_failed} failed)" if row.n_failed else str(row.n_clips),
        f"{row.audio_s / 60:.2f}",
        score.unit,
        f"{100 * score.rate:.2f}",
        f"{score.substitutions}/{score.deletions}/{score.insertions}",
        str(score.n_reference),
        f"{row.times_real_time:.1f}",
        f"{row.seconds:.2f}",
    )


def _plural(n_clips: int) -> str:
    return "1 clip" if n_clips == 1 else f"{n_clips} clips"


def _padded(row: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.ljust(width) if column in _LEFT_ALIGNED else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _set_fields(row: SetResult) -> dict[str, Any]:
    return {
        "set": row.name,
        "clips": row.n_clips,
        "failed": row.n_failed,
        "audio_s": round(row.audio_s, 3),
        "seconds": round(row.seconds, 3),
        "times_real_time": round(row.times_real_time, 2),
        **_score_fields(row.score),
    }


def _clip_fields(result: ClipResult) -> dict[str, Any]:
    return {
        "path": result.clip.name,
        "set": result.clip.set_name,
        "language": result.clip.language,
        "reference": result.clip.text,
        "hypothesis": result.hypothesis,
        "audio_s": round(result.audio_s, 3),
        "error": result.error,
        **_score_fields(result.score),
    }


def _score_fields(score: ErrorRate) -> dict[str, Any]:
    return {
        "measure": score.unit,
        "rate": round(score.rate, 6),
        "substitutions": score.substitutions,
        "deletions": score.deletions,
        "insertions": score.insertions,
        "n_reference": score.n_reference,
    }
