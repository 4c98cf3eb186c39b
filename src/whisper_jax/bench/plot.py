"""A benchmark's report as a picture. matplotlib is an extra: it is imported when it is needed."""

from importlib import import_module
from pathlib import Path
from typing import Any

from whisper_jax.bench import report as figures
from whisper_jax.bench.results import OURS
from whisper_jax.bench.run import BenchReport
from whisper_jax.errors import OptionError, WhisperJaxError

_OURS_COLOUR, _PEER_COLOUR = "#c8102e", "#8a96a3"
_BAR_INCHES, _WIDTH_INCHES, _SWEEP_INCHES, _FRAME_INCHES = 0.36, 8.0, 3.2, 1.2


def check_plot(path: Path) -> None:
    """What would stop `plot_report` in the end.

    Raises:
        OptionError: matplotlib is not there, or the path is no PNG in a folder that is there.
    """
    load_pyplot()
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise OptionError(f"{path} cannot be drawn; give a .png file in a folder that is there")


def plot_report(report: BenchReport, path: Path) -> None:
    """Draw times real time of all configurations, and our speed against the batch size.

    Bars are labelled with times real time and error rates. The second picture is there if our
    configurations differ in their batch sizes.

    Args:
        report: With at least one measurement.
        path: The PNG to write.

    Raises:
        WhisperJaxError: The file cannot be written.
    """
    pyplot = load_pyplot()
    groups = figures.by_configuration(report.measurements)
    compared = {one: group for one, group in groups.items() if one.batch_size is None}
    sweeps = _sweeps(groups)
    heights = [_FRAME_INCHES + _BAR_INCHES * len(compared), *([_SWEEP_INCHES] if sweeps else [])]
    figure, axes = pyplot.subplots(
        len(heights),
        1,
        figsize=(_WIDTH_INCHES, sum(heights)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    _draw_bars(axes[0, 0], compared)
    axes[0, 0].set_title(_title(report), fontsize=10)
    if sweeps:
        _draw_sweeps(axes[1, 0], sweeps)
    save_figure(pyplot, figure, path)


def save_figure(pyplot: Any, figure: Any, path: Path) -> None:
    """Write a figure, and forget it.

    Raises:
        WhisperJaxError: The file cannot be written.
    """
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise WhisperJaxError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        pyplot.close(figure)


def load_pyplot() -> Any:
    """What draws, without a screen.

    Raises:
        OptionError: matplotlib is not there.
    """
    try:
        matplotlib = import_module("matplotlib")
        matplotlib.use("agg")
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise OptionError(
            "a plot needs matplotlib: pip install 'whisper-jax[plot]', or leave --plot out"
        ) from error


def _title(report: BenchReport) -> str:
    plan = report.plan
    minutes = max(one.audio_s for one in report.measurements) / 60
    neighbour = ", a busy neighbour on one core" if plan.neighbour else ""
    return f"{plan.model}, {minutes:.1f} minutes, {plan.decoding}, {plan.threads} cores{neighbour}"


def _draw_bars(axes: Any, groups: dict[Any, Any]) -> None:
    ordered = sorted(groups.items(), key=lambda item: figures.times_real_time(item[1]))
    speeds = [figures.times_real_time(group) for _, group in ordered]
    colours = [_OURS_COLOUR if one.system == OURS else _PEER_COLOUR for one, _ in ordered]
    drawn = axes.barh([one.label for one, _ in ordered], speeds, color=colours)
    labels = [figures.caption(group) for _, group in ordered]
    axes.bar_label(drawn, labels, padding=4, fontsize=9)
    axes.set_xlim(0, 1.35 * max(speeds, default=1.0))  # room for the labels
    axes.set_xlabel("times real time")
    axes.spines[["top", "right"]].set_visible(False)


def _sweeps(groups: dict[Any, Any]) -> dict[str, list[tuple[int, float]]]:
    """(batch size, times real time) of ours, by compute type."""
    found: dict[str, list[tuple[int, float]]] = {}
    for one, group in groups.items():
        if one.batch_size is not None:
            point = (one.batch_size, figures.times_real_time(group))
            found.setdefault(one.compute_type, []).append(point)
    return {name: sorted(points) for name, points in found.items()}


def _draw_sweeps(axes: Any, sweeps: dict[str, list[tuple[int, float]]]) -> None:
    for compute_type, points in sweeps.items():
        sizes, speeds = zip(*points, strict=True)
        axes.plot(sizes, speeds, marker="o", label=f"{OURS} {compute_type}")
    sizes = sorted({size for points in sweeps.values() for size, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15 * max(speed for points in sweeps.values() for _, speed in points))
    axes.set_xlabel("batch size: most windows decoded at once")
    axes.set_ylabel("times real time")
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
