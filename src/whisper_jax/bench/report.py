"""The arithmetic of a benchmark's report: medians over rounds, ratios, warnings, JSON lines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from whisper_jax.bench.machine import Machine
from whisper_jax.bench.results import (
    OURS,
    Configuration,
    Measurement,
    limits_json,
    measurement_json,
)
from whisper_jax.bench.run import BenchReport

BUSY_CORES = 0.1
"""More than that kept busy by other programs makes a time doubtful."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times one of our configurations is as fast as a peer at its best.

    Attributes:
        ours: Our configuration.
        peer: The peer's configuration, the faster one if there are several.
        n_peer_types: How many compute types of the peer were measured.
        times: Median steady seconds of the peer over ours.
        rounds: The same within each round.
    """

    ours: Configuration
    peer: Configuration
    n_peer_types: int
    times: float
    rounds: tuple[float, ...]

    def __str__(self) -> str:
        better = {1: "", 2: " (its better compute type)"}.get(
            self.n_peer_types, " (its best compute type)"
        )
        text = f"{self.ours.label} is {self.times:.2f} times {self.peer.label}{better}"
        if len(self.rounds) > 1:
            low, high = min(self.rounds), max(self.rounds)
            text += f"; {low:.2f} to {high:.2f} over {len(self.rounds)} runs"
        return text


def by_configuration(
    measurements: Sequence[Measurement],
) -> dict[Configuration, tuple[Measurement, ...]]:
    """The measurements of each configuration: ours first, otherwise as they ran."""
    groups: dict[Configuration, list[Measurement]] = {}
    for one in measurements:
        groups.setdefault(one.configuration, []).append(one)
    ordered = sorted(groups.items(), key=lambda item: item[0].system != OURS)
    return {configuration: tuple(group) for configuration, group in ordered}


def median_of(group: Sequence[Measurement], field: str) -> float | None:
    """The median of a number over rounds; None if no round knows it."""
    values = [value for one in group if (value := getattr(one, field)) is not None]
    return median(values) if values else None


def steady_s(group: Sequence[Measurement]) -> float:
    """Median seconds for the whole workload."""
    return median(one.steady_s for one in group)


def times_real_time(group: Sequence[Measurement]) -> float:
    """Seconds of audio for each second of the median round."""
    return group[-1].audio_s / steady_s(group)


def caption(group: Sequence[Measurement]) -> str:
    """Times real time and error rates in a few words."""
    rates = (f"{rate.unit} {100 * rate.rate:.2f} %" for rate in group[-1].rates)
    return ", ".join([f"{times_real_time(group):.1f}", *rates])


def tokens_per_second(group: Sequence[Measurement]) -> float | None:
    """Median over rounds; None where tokens are not counted."""
    speeds = [one.n_tokens / one.steady_s for one in group if one.n_tokens is not None]
    return median(speeds) if speeds else None


def device_s(group: Sequence[Measurement]) -> dict[str, float]:
    """Median seconds of each device program over rounds, the longest first."""
    names = {name for one in group for name in one.device_s}
    medians = {name: median(one.device_s.get(name, 0.0) for one in group) for name in names}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


def times_as_fast(measurements: Sequence[Measurement]) -> dict[Configuration, float]:
    """How many times our fastest configuration is as fast as each of the peers'."""
    groups = by_configuration(measurements)
    ours = [steady_s(group) for one, group in groups.items() if one.system == OURS]
    theirs = {one: steady_s(group) for one, group in groups.items() if one.system != OURS}
    return {one: seconds / min(ours) for one, seconds in theirs.items()} if ours else {}


def ratios(measurements: Sequence[Measurement]) -> tuple[Ratio, ...]:
    """Each of our configurations against each peer at its best.

    Those that only differ in the batch size from another are left out.
    """
    groups = by_configuration(measurements)
    peers: dict[str, list[Configuration]] = {}
    for configuration in groups:
        if configuration.system != OURS:
            peers.setdefault(configuration.system, []).append(configuration)
    best = [(min(own, key=lambda one: steady_s(groups[one])), len(own)) for own in peers.values()]
    return tuple(
        Ratio(
            ours=ours,
            peer=peer,
            n_peer_types=n_types,
            times=steady_s(groups[peer]) / steady_s(group),
            rounds=tuple(
                theirs.steady_s / own.steady_s
                for theirs, own in zip(groups[peer], group, strict=False)
            ),
        )
        for ours, group in groups.items()
        if ours.system == OURS and ours.batch_size is None
        for peer, n_types in best
    )


def warnings_of(report: BenchReport) -> tuple[str, ...]:
    """What makes the figures doubtful, in sentences."""
    found: list[str] = []
    loads = [one.others_cores for one in (*report.measurements, report.limits) if one is not None]
    busiest = max((load for load in loads if load is not None), default=0.0)
    if busiest > BUSY_CORES:
        found.append(
            f"other programs kept up to {busiest:.1f} cores busy meanwhile: times are too long"
        )
    for one in report.measurements:
        if one.n_compiled_late:
            found.append(
                f"{one.configuration.label}: {one.n_compiled_late} programs were compiled in the"
                " timed run"
            )
    failing = {one.configuration.label: len(one.failed) for one in report.measurements}
    found += [
        f"{label}: {n_failed} failed, which its times leave out"
        for label, n_failed in failing.items()
        if n_failed
    ]
    lengths = [one.audio_s for one in report.measurements if not one.failed]
    if lengths and max(lengths) - min(lengths) > 0.01 * max(lengths):
        found.append("the systems read different lengths of audio; ratios are of seconds alone")
    return tuple(found)


def settings_of(report: BenchReport, about: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was told, as its JSON lines have it; ``about`` says what the plan does not."""
    plan = report.plan
    return {
        **about,
        "model": plan.model,
        "batch_size": plan.batch_size,
        "decoding": plan.decoding,
        "long_form": plan.long_form,
        "threads": plan.threads,
        "device": plan.device,
        "n_devices": plan.n_devices,
        "cold": plan.cold,
        "neighbour": plan.neighbour,
        "n_recordings": len(plan.recordings),
    }


def append_json_lines(
    path: Path, report: BenchReport, about: Mapping[str, Any], machine: Machine
) -> None:
    """Add a line for the limits and one for each process, to compare runs by.

    Raises:
        OSError: The file cannot be written.
    """
    common = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **settings_of(report, about),
        "machine": asdict(machine),
    }
    lines = [{"kind": "measurement", **common, **measurement_json(m)} for m in report.measurements]
    if report.limits is not None:
        lines.insert(0, {"kind": "limits", **common, **limits_json(report.limits)})
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
