"""Streams that last for hours as a picture: memory over the minutes of the stream."""

from pathlib import Path

from whisper_jax.bench.live.report import about_plan
from whisper_jax.bench.live.soak_results import SoakReport
from whisper_jax.bench.plot import load_pyplot, save_figure
from whisper_jax.errors import WhisperJaxError

_SIZE_INCHES = (9.0, 4.2)
_MIB = 1 << 20


def plot_soak(report: SoakReport, path: Path) -> None:
    """Draw the memory of each stream, and from when on it is not to grow.

    Args:
        report: What was measured.
        path: The PNG to write.

    Raises:
        WhisperJaxError: The file cannot be written, or the system does not tell of memory.
    """
    runs = [run for run in report.runs if run.memory]
    if not runs:
        raise WhisperJaxError("this system does not tell how much memory a process has")
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(figsize=_SIZE_INCHES, layout="constrained")
    for run in runs:
        minutes = [sample.at_s / 60 for sample in run.memory]
        mib = [sample.memory_bytes / _MIB for sample in run.memory]
        (line,) = axes.plot(minutes, mib, linewidth=1.0, label=run.sound)
        settled = run.settled_s / 60
        axes.axvline(settled, color=line.get_color(), linestyle=":", linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes of the stream")
    axes.set_ylabel("resident memory, MiB")
    axes.set_title(about_plan(report.plan), fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(pyplot, figure, path)
