"""Live streams as a picture: delay against the number of streams, and against errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whisper_jax.bench.live.report import delays_of
from whisper_jax.bench.live.results import LiveReport, LiveRun
from whisper_jax.bench.plot import load_pyplot, save_figure
from whisper_jax.bench.results import OURS
from whisper_jax.errors import WhisperJaxError

_PANEL_INCHES, _HEIGHT_INCHES = 5.0, 4.2
_DELAY_LABEL = "commit delay s: median, p95 (broken)"
_OFFLINE_LINES = {"defaults": "--", "greedy": ":"}


def plot_live(report: LiveReport, path: Path) -> None:
    """Draw the delays.

    A panel has the median (full) and p95 (broken) of all commit delays against the number of
    streams, if several were measured. Of the fewest streams there is a panel for each set, if more
    than one policy or interval was: errors against both, a line for each policy over its intervals,
    with the offline errors.

    Args:
        report: With at least one run.
        path: The PNG to write.

    Raises:
        WhisperJaxError: The file cannot be written, or nothing was measured.
    """
    runs = [run for run in report.runs if run.commit_delays_s]
    if not runs:
        raise WhisperJaxError("no word was committed, so there is nothing to draw")
    pyplot = load_pyplot()
    numbers = sorted({run.configuration.n_streams for run in runs})
    fewest = [run for run in runs if run.configuration.n_streams == numbers[0]]
    with_numbers = len(numbers) > 1
    # One point is no curve.
    has_curves = len(fewest) > 1 or not with_numbers
    sets = list(dict.fromkeys(name for run in fewest for name in run.by_set if has_curves))
    figure, axes = pyplot.subplots(
        1,
        len(sets) + with_numbers,
        figsize=(_PANEL_INCHES * (len(sets) + with_numbers), _HEIGHT_INCHES),
        layout="constrained",
        squeeze=False,
    )
    if with_numbers:
        _draw_numbers(axes[0, 0], runs, numbers)
    for ax, name in zip(axes[0, with_numbers:], sets, strict=True):
        _draw_curves(ax, fewest, name, report)
    axes[0, 0].set_title(_title(report), fontsize=10, loc="left")
    save_figure(pyplot, figure, path)


def _title(report: LiveReport) -> str:
    plan = report.plan
    return f"{plan.model}, {plan.speed:g} times real time"


def _draw_numbers(axes: Any, runs: Sequence[LiveRun], numbers: Sequence[int]) -> None:
    for label in dict.fromkeys(run.configuration.label for run in runs):
        own = sorted(
            (run for run in runs if run.configuration.label == label),
            key=lambda run: run.configuration.n_streams,
        )
        found = [delays_of(run.commit_delays_s) for run in own]
        n_streams = [run.configuration.n_streams for run in own]
        medians = [one.median_s for one in found if one is not None]
        p95s = [one.p95_s for one in found if one is not None]
        (line,) = axes.plot(n_streams, medians, marker="o", label=label)
        axes.plot(n_streams, p95s, marker="o", linestyle="--", color=line.get_color())
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("streams at once")
    axes.set_ylabel(_DELAY_LABEL)
    _finish(axes)


def _draw_curves(axes: Any, runs: Sequence[LiveRun], name: str, report: LiveReport) -> None:
    """Errors against delay for one set."""
    for policy in dict.fromkeys(run.configuration.policy for run in runs):
        own = [run for run in runs if run.configuration.policy == policy and name in run.by_set]
        found = [
            (delays, 100 * figures.rate.rate, run.configuration.interval_s)
            for run in own
            for figures in (run.by_set[name],)
            if (delays := delays_of(figures.commit_delays_s)) is not None
        ]
        rates = [rate for _, rate, _ in found]
        marker = "o" if own and own[0].configuration.system == OURS else "s"
        medians = [delays.median_s for delays, _, _ in found]
        (line,) = axes.plot(medians, rates, marker=marker, label=policy)
        p95s = [delays.p95_s for delays, _, _ in found]
        about = {"color": line.get_color(), "alpha": 0.5}
        axes.plot(p95s, rates, marker=marker, linestyle="--", **about)
        for x, y, interval_s in zip(medians, rates, (i for _, _, i in found), strict=True):
            if interval_s is not None:
                about = {"textcoords": "offset points", "xytext": (4, 4), "fontsize": 8}
                axes.annotate(f"{interval_s:g} s", (x, y), **about)
    for one in report.offline:
        if name in one.rates:
            axes.axhline(
                100 * one.rates[name].rate,
                linestyle=_OFFLINE_LINES.get(one.decoding, "-"),
                color="#8a96a3",
                label=f"offline, {one.decoding}",
            )
    unit = next(run.by_set[name].rate.unit for run in runs if name in run.by_set)
    axes.set_xlabel(_DELAY_LABEL)
    axes.set_ylabel(f"{unit} of {name}, %")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    _finish(axes)


def _finish(axes: Any) -> None:
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
