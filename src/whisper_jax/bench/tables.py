"""A benchmark's report for people: for a terminal, as plain text, in Markdown."""

from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType

from whisper_jax.bench import report as figures
from whisper_jax.bench.machine import Machine
from whisper_jax.bench.plan import Plan
from whisper_jax.bench.results import Limits, Measurement, PartSpeed
from whisper_jax.bench.run import BenchReport
from whisper_jax.evaluate.grid import Grid, markdown_grid, plain_grid, rich_grid

type _Rounds = tuple[Measurement, ...]

_BAR_WIDTH = 24

_PARTS = {"encoder": "encoder, a window", "decoder": "decoder, a step"}


def measurement_grid(measurements: Sequence[Measurement]) -> Grid:
    """A column for each configuration, a row for each figure that one of them has."""
    groups = figures.by_configuration(measurements)
    rows = [(name, *(write(group) for group in groups.values())) for name, write in _ROWS.items()]
    for name in dict.fromkeys(n for group in groups.values() for n in figures.device_s(group)):
        cells = [_fixed(figures.device_s(group).get(name), 2) for group in groups.values()]
        rows.append((f"device s: {name}", *cells))
    n_runs = max((len(group) for group in groups.values()), default=0)
    minutes = max((one.audio_s for one in measurements), default=0.0) / 60
    return Grid(
        f"{minutes:.1f} minutes of audio; median of {n_runs} runs"
        if n_runs > 1
        else f"{minutes:.1f} minutes of audio",
        ("", *(configuration.label for configuration in groups)),
        (tuple(row for row in rows if any(row[1:])),),
    )


def comparison_grid(report: BenchReport) -> Grid:
    """A row for each configuration, with what is compared first; the fastest stands first."""
    ratios = figures.times_as_fast(report.measurements)
    groups = figures.by_configuration(report.measurements)
    units = dict.fromkeys(rate.unit for one in report.measurements for rate in one.rates)
    ordered = sorted(groups.items(), key=lambda item: figures.steady_s(item[1]))
    rows = tuple(
        (
            configuration.label,
            _ROWS["times real time"](group),
            *(_rate(unit)(group) for unit in units),
            _ROWS["peak memory MiB"](group),
            _ROWS["first result s"](group),
            _fixed(ratios.get(configuration), 2),
        )
        for configuration, group in ordered
    )
    headers = (
        *("", "times real time", *(f"{unit} %" for unit in units)),
        *("memory MiB", "first s", "ours over it"),
    )
    return Grid(f"Comparison: {_circumstances(report.plan)}", headers, (rows,))


def bars(measurements: Sequence[Measurement]) -> list[str]:
    """Times real time as a bar for each configuration, with its error rates."""
    groups = figures.by_configuration(measurements)
    speeds = {one.label: figures.times_real_time(group) for one, group in groups.items()}
    width = max(map(len, speeds), default=0)
    longest = max(speeds.values(), default=1.0)
    return [
        f"{one.label:{width}}  {_bar(speeds[one.label] / longest)} {figures.caption(group)}"
        for one, group in groups.items()
    ]


def _bar(share: float) -> str:
    return "█" * max(1, round(_BAR_WIDTH * share))


def _circumstances(plan: Plan) -> str:
    return f"{plan.decoding}{', a busy neighbour on one core' if plan.neighbour else ''}"


def limits_grid(limits: Limits) -> Grid:
    """The limits, and what share of them each part of the model reaches."""
    rows = [
        (f"matrix products, {name}", "", f"{flops / 1e9:.0f} GFLOP/s", "")
        for name, flops in limits.matrix_flops.items()
    ]
    rows.append(("memory read", "", f"{limits.read_bytes_per_s / 1e9:.1f} GB/s", ""))
    rows += [_part_row(limits, part) for part in limits.parts]
    return Grid("Limits of this machine", ("", "ms", "rate", "share"), (tuple(rows),))


def notes(report: BenchReport, machine: Machine) -> list[str]:
    """The lines below the tables: ratios, versions, settings, the machine, and warnings."""
    lines = [str(ratio) for ratio in figures.ratios(report.measurements)]
    versions = {
        (one.configuration.system, package): number
        for one in report.measurements
        for package, number in one.versions.items()
    }
    for system in dict.fromkeys(system for system, _ in versions):
        of_system = [f"{p} {number}" for (s, p), number in versions.items() if s == system]
        lines.append(f"{system}: {', '.join(of_system)}")
    plan = report.plan
    lines.append(
        f"settings: model {plan.model}, recordings {len(plan.recordings)}, threads {plan.threads},"
        f" {_circumstances(plan)}, whisper-jax batch size {plan.batch_size or 'unset'},"
        f" {plan.long_form}"
    )
    lines.append(f"machine: {machine}")
    lines += [f"warning: {text}" for text in figures.warnings_of(report)]
    return lines


def rich_report(report: BenchReport, machine: Machine) -> RenderableType:
    """The whole report for a terminal."""
    grids = map(rich_grid, _grids(report))
    return Group(*grids, *_bars(report), *notes(report, machine))


def print_rich(report: BenchReport, machine: Machine) -> None:
    """Print the whole report to a terminal."""
    Console(highlight=False, markup=False).print(rich_report(report, machine))


def plain_report(report: BenchReport, machine: Machine) -> str:
    """The whole report as aligned text, for a file or a pipe."""
    tables = [plain_grid(grid) for grid in _grids(report)]
    texts = ["\n".join(lines) for lines in (_bars(report), notes(report, machine)) if lines]
    return "\n\n".join([*tables, *texts])


def markdown_report(report: BenchReport, machine: Machine) -> str:
    """The whole report in Markdown."""
    tables = [markdown_grid(grid) for grid in _grids(report)]
    return "\n\n".join([*tables, "\n".join(f"- {line}" for line in notes(report, machine))])


def _grids(report: BenchReport) -> list[Grid]:
    grids = [limits_grid(report.limits)] if report.limits is not None else []
    if report.measurements:
        grids.append(measurement_grid(report.measurements))
    if _is_comparison(report):
        grids.append(comparison_grid(report))
    return grids


def _bars(report: BenchReport) -> list[str]:
    return bars(report.measurements) if _is_comparison(report) else []


def _is_comparison(report: BenchReport) -> bool:
    return len(figures.by_configuration(report.measurements)) > 1


def _part_row(limits: Limits, part: PartSpeed) -> tuple[str, str, str, str]:
    name = (
        f"{_PARTS[part.part]} of {part.n_slots} slots"
        if part.part == "decoder"
        else (_PARTS[part.part])
    )
    unit = "GFLOP/s" if part.part == "encoder" else "GB/s"
    return (
        f"{name}, {part.compute_type}",
        f"{1000 * part.seconds:.1f}",
        f"{part.work / part.seconds / 1e9:.1f} {unit}",
        f"{100 * limits.share(part):.0f} %",
    )


def _field(name: str, n_digits: int, scale: float = 1.0) -> Callable[[_Rounds], str]:
    def write(group: _Rounds) -> str:
        value = figures.median_of(group, name)
        return "" if value is None else _fixed(value * scale, n_digits)

    return write


def _rate(unit: str) -> Callable[[_Rounds], str]:
    def write(group: _Rounds) -> str:
        # The same in every round, since nothing is random.
        rates = [rate for rate in group[-1].rates if rate.unit == unit]
        return f"{100 * rates[0].rate:.2f}" if rates else ""

    return write


def _range(group: _Rounds) -> str:
    if len(group) == 1:
        return ""
    seconds = [one.steady_s for one in group]
    return f"{min(seconds):.2f} to {max(seconds):.2f}"


def _programs(group: _Rounds) -> str:
    last = group[-1]
    return "" if last.n_compiled is None else f"{last.n_compiled} ({last.n_from_cache} cached)"


def _failed(group: _Rounds) -> str:
    return str(len(group[-1].failed)) if group[-1].failed else ""


_ROWS: dict[str, Callable[[_Rounds], str]] = {
    "times real time": lambda group: _fixed(figures.times_real_time(group), 1),
    "seconds": lambda group: _fixed(figures.steady_s(group), 2),
    "seconds, range": _range,
    "processor seconds": _field("cpu_s", 2),
    "WER %": _rate("WER"),
    "CER %": _rate("CER"),
    "MER %": _rate("MER"),
    "failed": _failed,
    "import s": _field("import_s", 2),
    "load s": _field("load_s", 2),
    "first result s": _field("first_s", 2),
    "compile s": _field("compile_s", 2),
    "programs": _programs,
    "tokens per second": lambda group: _fixed(figures.tokens_per_second(group), 0),
    "slot occupancy %": _field("occupancy", 1, 100.0),
    "peak memory MiB": _field("peak_memory_bytes", 0, 2**-20),
    "other load, cores": _field("others_cores", 2),
}
"""Each row of the table; one that no configuration has is left out."""


def _fixed(value: float | None, n_digits: int) -> str:
    return "" if value is None else f"{value:.{n_digits}f}"
