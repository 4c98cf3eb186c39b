"""The report of streams that last for hours: tables and JSON."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whisper_jax.bench.live.report import about_plan, doubts, plan_json, rate_json
from whisper_jax.bench.live.soak_results import SoakReport, SoakRun
from whisper_jax.bench.machine import describe_machine
from whisper_jax.evaluate.grid import Cells, Grid

_MIB = 1 << 20
_TEXT = ("sound", "minutes", "words", "errors %", "not written", "added", "segments", "events")
_COST = (
    *("sound", "CPU s a s of audio", "% of a core", "device %"),
    *("wall minutes", "waited s", "compiled", "sent late ms"),
)
_MEMORY = ("sound", "minute", "MiB", "grown MiB")


def soak_grids(report: SoakReport) -> list[Grid]:
    """The tables of a report: text, cost and memory."""
    about = about_plan(report.plan)
    rows = [(run, _text_cells(run), _cost_cells(run, report)) for run in report.runs]
    by_audio = "" if report.plan.speed == 1 else "; % of a core by the time of the audio"
    return [
        Grid(f"What was committed ({about})", _TEXT, (tuple(text for _, text, _ in rows),)),
        Grid(f"Cost of the whole process{by_audio}", _COST, (tuple(cost for _, _, cost in rows),)),
        Grid(
            "Resident memory, and how much more it is than when it had settled",
            _MEMORY,
            tuple(_memory_rows(run) for run in report.runs),
        ),
    ]


def append_soak(path: Path, report: SoakReport) -> None:
    """Add the report to a file: a line of JSON for each stream, with its text and its memory.

    Raises:
        OSError: The file cannot be written.
    """
    machine = asdict(describe_machine())
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    with path.open("a", encoding="utf-8") as file:
        for run in report.runs:
            line: dict[str, Any] = {
                "kind": "live-soak",
                "time": moment,
                **plan_json(report.plan),
                **asdict(report.plan.ours[0]),
                **_run_json(run),
                "machine": machine,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def soak_warnings(report: SoakReport) -> list[str]:
    """What makes figures doubtful."""
    return [
        doubt for run in report.runs for doubt in doubts(run.sound, run.n_compiled, run.most_late_s)
    ]


def _text_cells(run: SoakRun) -> Cells:
    rate = run.rate
    errors = (
        ("", "", "")
        if rate is None
        else (f"{rate.unit} {100 * rate.rate:.2f}", f"{rate.deletions}", f"{rate.insertions}")
    )
    minutes = f"{run.audio_s / 60:.1f}"
    return (run.sound, minutes, f"{run.n_words}", *errors, f"{run.n_segments}", f"{run.n_events}")


def _cost_cells(run: SoakRun, report: SoakReport) -> Cells:
    share = run.usage.cores if report.plan.speed == 1 else run.cpu_of_audio
    return (
        run.sound,
        f"{run.cpu_of_audio:.4f}",
        f"{100 * share:.2f}",
        f"{100 * run.usage.device_share:.1f}",
        f"{run.usage.wall_s / 60:.1f}",
        f"{run.waited_s:.1f}",
        f"{run.n_compiled}",
        f"{1000 * run.most_late_s:.0f}",
    )


def _memory_rows(run: SoakRun) -> tuple[Cells, ...]:
    marks = run.marks
    rows: list[Cells] = [
        (
            run.sound,
            f"{mark.at_s / 60:.1f}",
            f"{mark.memory_bytes / _MIB:.1f}",
            f"{(mark.memory_bytes - marks[0].memory_bytes) / _MIB:.1f}",
        )
        for mark in marks
    ]
    peak = run.usage.peak_memory_bytes
    rows.append((run.sound, "most", "" if peak is None else f"{peak / _MIB:.1f}", ""))
    rows.append((run.sound, "kept to measure", f"{run.kept_bytes / _MIB:.2f}", ""))
    return tuple(rows)


def _run_json(run: SoakRun) -> dict[str, Any]:
    return {
        "sound": run.sound,
        "audio_s": run.audio_s,
        "n_words": run.n_words,
        "errors": None if run.rate is None else rate_json(run.rate),
        "n_segments": run.n_segments,
        "n_events": run.n_events,
        **asdict(run.usage),
        "cpu_of_audio": run.cpu_of_audio,
        "cores": run.usage.cores,
        "settled_s": run.settled_s,
        "marks": [asdict(mark) for mark in run.marks],
        "growth_bytes": run.growth_bytes,
        "kept_bytes": run.kept_bytes,
        "waited_s": run.waited_s,
        "most_late_s": run.most_late_s,
        "n_compiled": run.n_compiled,
        "memory": [asdict(sample) for sample in run.memory],
        "text": run.text,
    }
