"""The report of live streams: tables and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

from whisper_jax.bench.live.metrics import StreamFigures
from whisper_jax.bench.live.plan import LivePlan
from whisper_jax.bench.live.results import LiveReport, LiveRun
from whisper_jax.bench.machine import describe_machine
from whisper_jax.bench.serving.results import Latencies, latencies
from whisper_jax.evaluate.grid import Cells, Grid
from whisper_jax.scoring import ErrorRate

_MIB = 1 << 20
_ALL = "all"
_DELAYS = (
    *("policy", "interval s", "streams", "set", "commit median s", "p95 s", "max s"),
    *("first shown median s", "p95 s", "errors %", "offline %", "offline greedy %"),
)
_COSTS = (
    *("policy", "interval s", "streams", "set", "units", "not written", "added", "untimed"),
    *("revised a minute", "a unit", "updates", "mean s apart"),
    *("device %", "cores", "memory MiB", "compiled", "sent late ms"),
)
_N_ABOUT = 4
_MOST_LATE_S = 0.1


def live_grids(report: LiveReport) -> list[Grid]:
    """The tables of a report: delays and errors, and what they cost."""
    about = about_plan(report.plan)
    return [
        Grid(
            f"From the end of each word to its text ({about})",
            _DELAYS,
            tuple(_delay_rows(run, report) for run in report.runs),
            left=(0, 3),
        ),
        Grid(
            "Changes and cost",
            _COSTS,
            tuple(_cost_rows(run) for run in report.runs),
            left=(0, 3),
        ),
    ]


def append_live(path: Path, report: LiveReport) -> None:
    """Add the report to a file: a line of JSON for each run, with every unit of the references.

    Raises:
        OSError: The file cannot be written.
    """
    machine = asdict(describe_machine())
    time = datetime.now(UTC).isoformat(timespec="seconds")
    offline = {
        one.decoding: {name: rate_json(rate) for name, rate in one.rates.items()}
        for one in report.offline
    }
    with path.open("a", encoding="utf-8") as file:
        for run in report.runs:
            line: dict[str, Any] = {
                "kind": "live",
                "time": time,
                **plan_json(report.plan),
                **_run_json(run),
                "offline": offline,
                "machine": machine,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def warnings_of(report: LiveReport) -> list[str]:
    """What makes figures doubtful."""
    found: list[str] = []
    for run in report.runs:
        name = f"{run.configuration.label}, {run.configuration.n_streams} at once"
        found += doubts(name, run.n_compiled, run.most_late_s)
    return found


def doubts(name: str, n_compiled: int | None, most_late_s: float) -> list[str]:
    """What makes the figures of one run doubtful.

    Args:
        name: What it is called.
        n_compiled: Programs that were compiled meanwhile; None if that is not known.
        most_late_s: The longest that a block was sent after it was due.
    """
    found: list[str] = []
    if n_compiled:
        found.append(
            f"{name}: {n_compiled} programs were compiled meanwhile; `whisper-jax warmup`"
            " does that beforehand"
        )
    if most_late_s > _MOST_LATE_S:
        found.append(f"{name}: audio was sent up to {most_late_s:.2f} s late")
    return found


def delays_of(seconds: Sequence[float]) -> Latencies | None:
    """Median, 95 in a hundred and longest; None of nothing."""
    return latencies(seconds) if seconds else None


def about_plan(plan: LivePlan) -> str:
    """What a table's title says of it."""
    pace = "real time" if plan.speed == 1 else f"{plan.speed:g} times real time"
    length = "" if plan.most_s is None else f", at most {plan.most_s:g} s each"
    return f"{plan.model}, {pace}{length}"


def _delay_rows(run: LiveRun, report: LiveReport) -> tuple[Cells, ...]:
    rows: list[Cells] = []
    for name, figures in _rows_of(run):
        commit = _cells(_commit(run, figures), (2, 2, 2))
        first = _cells(_first_shown(run, figures), (2, 2))
        errors = "" if figures is None else _percent(figures.rate)
        offline = (
            "" if name not in one.rates else _percent(one.rates[name]) for one in report.offline
        )
        compared = (*offline, "", "")[:2]
        rows.append((*_run_cells(run), name, *commit, *first, errors, *compared))
    return tuple(rows)


def _cost_rows(run: LiveRun) -> tuple[Cells, ...]:
    rows: list[Cells] = []
    names = _rows_of(run)
    for name, figures in names:
        own = ("",) * 8 if figures is None else _figure_cells(figures)
        shared = _usage_cells(run) if name == names[-1][0] else ("",) * 5
        rows.append((*_run_cells(run), name, *own, *shared))
    return tuple(rows)


def _rows_of(run: LiveRun) -> list[tuple[str, StreamFigures | None]]:
    """Sets with their figures, and all of them if they are several."""
    by_set: list[tuple[str, StreamFigures | None]] = list(run.by_set.items())
    return by_set if len(by_set) == 1 else [*by_set, (_ALL, None)]


def _commit(run: LiveRun, figures: StreamFigures | None) -> Latencies | None:
    return delays_of(run.commit_delays_s if figures is None else figures.commit_delays_s)


def _first_shown(run: LiveRun, figures: StreamFigures | None) -> Latencies | None:
    return delays_of(run.first_shown_delays_s if figures is None else figures.first_shown_delays_s)


def _cells(found: Latencies | None, digits: tuple[int, ...]) -> Cells:
    if found is None:
        return ("",) * len(digits)
    values = (found.median_s, found.p95_s, found.max_s)
    return tuple(f"{value:.{n}f}" for value, n in zip(values, digits, strict=False))


def _run_cells(run: LiveRun) -> Cells:
    interval_s = run.configuration.interval_s
    return (
        run.configuration.policy,
        "" if interval_s is None else f"{interval_s:g}",
        f"{run.configuration.n_streams}",
    )


def _figure_cells(figures: StreamFigures) -> Cells:
    apart = figures.intervals_s
    return (
        f"{len(figures.units)}",
        f"{figures.n_deleted}",
        f"{figures.rate.insertions}",
        f"{figures.n_untimed}",
        f"{figures.revised_per_minute:.1f}",
        f"{figures.revised_per_unit:.2f}",
        f"{figures.n_updates}",
        f"{mean(apart):.2f}" if apart else "",
    )


def _usage_cells(run: LiveRun) -> Cells:
    usage = run.usage
    memory = usage.peak_memory_bytes
    return (
        f"{100 * usage.device_share:.0f}",
        f"{usage.cores:.2f}",
        "" if memory is None else f"{memory / _MIB:.0f}",
        "" if run.n_compiled is None else f"{run.n_compiled}",
        f"{1000 * run.most_late_s:.0f}",
    )


def _percent(rate: ErrorRate) -> str:
    return f"{rate.unit} {100 * rate.rate:.2f}"


def plan_json(plan: LivePlan) -> dict[str, Any]:
    """What the JSON lines say of it."""
    return {
        "scenario": plan.scenario,
        "model": plan.model,
        "compute_type": plan.compute_type,
        "batch_size": plan.batch_size,
        "device": plan.device,
        "block_ms": plan.block_ms,
        "speed": plan.speed,
        "most_s": plan.most_s,
        "minutes": plan.minutes,
    }


def _run_json(run: LiveRun) -> dict[str, Any]:
    def delays(seconds: Sequence[float]) -> dict[str, float] | None:
        found = delays_of(seconds)
        return None if found is None else asdict(found)

    return {
        **asdict(run.configuration),
        "commit": delays(run.commit_delays_s),
        "first_shown": delays(run.first_shown_delays_s),
        "sets": {
            name: {
                "commit": delays(figures.commit_delays_s),
                "first_shown": delays(figures.first_shown_delays_s),
                "errors": rate_json(figures.rate),
                "n_units": len(figures.units),
                "n_deleted": figures.n_deleted,
                "n_untimed": figures.n_untimed,
                "n_shown": figures.n_shown,
                "n_revised": figures.n_revised,
                "n_updates": figures.n_updates,
                "mean_interval_s": mean(figures.intervals_s) if figures.intervals_s else None,
                "audio_s": figures.audio_s,
            }
            for name, figures in run.by_set.items()
        },
        **asdict(run.usage),
        "most_late_s": run.most_late_s,
        "n_compiled": run.n_compiled,
        "versions": run.versions,
        "streams": [
            {
                "name": one.name,
                "set": one.set_name,
                "text": one.text,
                "units": [asdict(unit) for unit in one.figures.units],
            }
            for one in run.streams
        ],
    }


def rate_json(rate: ErrorRate) -> dict[str, Any]:
    """What the JSON lines say of errors."""
    return {**asdict(rate), "rate": rate.rate}
