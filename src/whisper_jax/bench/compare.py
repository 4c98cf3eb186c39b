"""A run beside an earlier one, from the JSON lines that `report.append_json_lines` writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from whisper_jax.bench import report as figures
from whisper_jax.bench.results import Configuration, Measurement
from whisper_jax.bench.run import BenchReport
from whisper_jax.errors import OptionError
from whisper_jax.evaluate.grid import Grid


@dataclass(frozen=True, kw_only=True)
class EarlierRun:
    """The last run in a file.

    Attributes:
        time: When it ended, as the file says.
        lines: One for each of its processes.
    """

    time: str
    lines: tuple[Mapping[str, Any], ...]


def last_run(path: Path, headline: str | None = None) -> EarlierRun:
    """The last run in a file of JSON lines.

    Args:
        path: The file.
        headline: Only runs of this headline workload; None for those of none.

    Raises:
        OptionError: The file cannot be read, or has no such run.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        own = [
            line
            for line in lines
            if line["kind"] == "measurement" and line.get("headline") == headline
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{path} is no file of earlier runs: {error}") from error
    if not own:
        raise OptionError(f"{path} has no earlier run to compare with")
    last = own[-1]
    return EarlierRun(
        time=last["time"],
        lines=tuple(line for line in own if line["time"] == last["time"]),
    )


def earlier_grid(report: BenchReport, about: Mapping[str, Any], earlier: EarlierRun) -> Grid:
    """A row for each configuration of either run: times real time and error rates, then and now.

    What the two runs were told differently stands above it; ``about`` is what `settings_of` takes.
    """
    now = figures.by_configuration(report.measurements)
    then: dict[Configuration, list[Mapping[str, Any]]] = {}
    for line in earlier.lines:
        then.setdefault(Configuration(**line["configuration"]), []).append(line)
    rows = tuple(_row(one, then.get(one, ()), now.get(one, ())) for one in {**now, **then})
    differences = _differences(earlier.lines[-1], figures.settings_of(report, about))
    headers = ("", "times real time, then", "now", "now over then", "errors, then", "now")
    return Grid(f"Beside the run of {earlier.time}{differences}", headers, (rows,))


def _row(
    configuration: Configuration,
    then: Sequence[Mapping[str, Any]],
    now: Sequence[Measurement],
) -> tuple[str, ...]:
    before = _speed(then) if then else None
    after = figures.times_real_time(now) if now else None
    return (
        configuration.label,
        "" if before is None else f"{before:.1f}",
        "" if after is None else f"{after:.1f}",
        "" if before is None or after is None else f"{after / before:.2f}",
        _rates([(rate["unit"], rate["rate"]) for rate in then[-1]["rates"]] if then else ()),
        _rates([(rate.unit, rate.rate) for rate in now[-1].rates] if now else ()),
    )


def _speed(lines: Sequence[Mapping[str, Any]]) -> float:
    """Times real time in the median round, as `report.times_real_time` has it."""
    return lines[-1]["audio_s"] / median(line["steady_s"] for line in lines)


def _rates(rates: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{unit} {100 * rate:.2f} %" for unit, rate in rates)


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    names = [name for name, value in now.items() if then.get(name) != value]
    texts = [f"{name} {then.get(name)}, now {now[name]}" for name in names]
    return f" ({'; '.join(texts)})" if texts else ""
