"""The report of a load: tables and JSON."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whisper_jax.bench.machine import describe_machine
from whisper_jax.bench.serving.results import (
    BurstFigures,
    FairnessFigures,
    LoadReport,
    MixedFigures,
)
from whisper_jax.bench.serving.watch import Sample
from whisper_jax.evaluate.grid import Grid

_MIB = 1 << 20


def load_grids(report: LoadReport) -> list[Grid]:
    """The tables of a report."""
    about = f"{report.model}, {report.decoding} decoding"
    match report.figures:
        case BurstFigures() as burst:
            return [_burst_grid(burst, about)]
        case FairnessFigures() as fairness:
            return [_fairness_grid(fairness, about)]
        case MixedFigures() as mixed:
            return [_outcomes_grid(mixed, about), _before_and_after_grid(mixed, report.samples)]


def append_load(path: Path, report: LoadReport) -> None:
    """Add the report to a file, as a line of JSON.

    Raises:
        OSError: The file cannot be written.
    """
    line: dict[str, Any] = {
        "kind": "serve",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **asdict(report),
        "machine": asdict(describe_machine()),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _burst_grid(figures: BurstFigures, about: str) -> Grid:
    share = figures.share_of_batch
    row = (
        f"{figures.n_uploads}",
        f"{figures.n_failed}",
        f"{figures.audio_s / 60:.1f}",
        f"{figures.seconds:.1f}",
        f"{figures.times_real_time:.1f}",
        "" if share is None else f"{100 * share:.0f} %",
        f"{figures.latencies.median_s:.1f}",
        f"{figures.latencies.max_s:.1f}",
    )
    headers = (
        *("uploads", "failed", "minutes of audio", "s", "times real time"),
        *("of transcribe_batch", "median s", "longest s"),
    )
    return Grid(f"Uploads all at once ({about})", headers, ((row,),), left=())


def _fairness_grid(figures: FairnessFigures, about: str) -> Grid:
    row = (
        f"{figures.n_tries}",
        f"{figures.n_failed}",
        f"{figures.upload_s:.1f}",
        f"{figures.latencies.median_s:.2f}",
        f"{figures.latencies.p95_s:.2f}",
        f"{figures.latencies.max_s:.2f}",
        f"{figures.alone:.1f}",
        f"{figures.shared:.1f}",
        f"{100 * figures.kept:.0f} %",
    )
    headers = (
        *("uploads", "failed", "mean s of audio", "median s", "p95 s", "longest s"),
        *("job alone, times real time", "job meanwhile", "kept"),
    )
    title = f"Short uploads during another owner's long job ({about})"
    return Grid(title, headers, ((row,),), left=())


def _outcomes_grid(figures: MixedFigures, about: str) -> Grid:
    rows = tuple(
        (
            one.kind,
            f"{one.n}",
            ", ".join(f"{status or 'none'}: {n}" for status, n in one.statuses),
            f"{one.n_wrong}",
        )
        for one in figures.outcomes
    )
    title = (
        f"{figures.seconds / 60:.1f} minutes of mixed load ({about}):"
        f" {figures.audio_s / 60:.0f} minutes of audio, {figures.n_restarts} restarts"
    )
    headers = ("clients", "requests", "statuses", "unexpected")
    return Grid(title, headers, (rows,), left=(0, 2))


def _before_and_after_grid(figures: MixedFigures, samples: tuple[Sample, ...]) -> Grid:
    most = {
        "memory MiB": max((s.memory_bytes / _MIB for s in samples), default=0.0),
        "open files": max((s.n_files for s in samples), default=0),
        "windows in slots": max((s.n_windows for s in samples), default=0),
        "requests": max((s.n_requests for s in samples), default=0),
        "files of uploads": max((s.n_uploads or 0 for s in samples), default=0),
    }
    before, after = _row(figures.before), _row(figures.after)
    rows = tuple(
        (name, before.get(name, ""), f"{value:.0f}", after.get(name, ""))
        for name, value in most.items()
    )
    return Grid("The server", ("", "before", "most", "after"), (rows,))


def _row(sample: Sample | None) -> dict[str, str]:
    if sample is None:
        return {}
    return {
        "memory MiB": f"{sample.memory_bytes / _MIB:.0f}",
        "open files": f"{sample.n_files}",
        "windows in slots": f"{sample.n_windows}",
        "requests": f"{sample.n_requests}",
        "files of uploads": "" if sample.n_uploads is None else f"{sample.n_uploads}",
    }
