"""A server over the time of a load as a picture: what would grow if something leaked."""

from collections.abc import Sequence
from pathlib import Path

from whisper_jax.bench.plot import load_pyplot, save_figure
from whisper_jax.bench.serving.results import LoadReport
from whisper_jax.bench.serving.watch import Sample
from whisper_jax.errors import WhisperJaxError

_WIDTH_INCHES, _ROW_INCHES = 9.0, 1.7
_MIB = 1 << 20
_GAP_S = 5.0


def plot_load(report: LoadReport, path: Path) -> None:
    """Draw memory, open files, slots, requests and files of uploads, one below the other.

    Args:
        report: With some samples.
        path: The PNG to write.

    Raises:
        WhisperJaxError: The file cannot be written, or nothing was seen of the server.
    """
    if not report.samples:
        raise WhisperJaxError("nothing was seen of the server: it does not answer /metrics")
    pyplot = load_pyplot()
    stretches = _stretches(report.samples)
    names = list(_rows(report.samples))
    figure, axes = pyplot.subplots(
        len(names),
        1,
        figsize=(_WIDTH_INCHES, _ROW_INCHES * len(names)),
        sharex=True,
        layout="constrained",
    )
    for ax, name in zip(axes, names, strict=True):
        for stretch in stretches:
            minutes = [sample.at_s / 60 for sample in stretch]
            ax.plot(minutes, _rows(stretch)[name], linewidth=1.0, color="#c8102e")
        ax.set_ylabel(name, fontsize=9)
        ax.set_ylim(0, 1.1 * max(_rows(report.samples)[name]) or 1.0)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.3)
    axes[0].set_title(f"{report.scenario}: {report.model}, {report.decoding}", fontsize=10)
    axes[-1].set_xlabel("minutes")
    save_figure(pyplot, figure, path)


def _stretches(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples in groups, between which nobody answered for a while."""
    found: list[list[Sample]] = []
    for sample in samples:
        if not found or sample.at_s - found[-1][-1].at_s > _GAP_S:
            found.append([])
        found[-1].append(sample)
    return found


def _rows(samples: Sequence[Sample]) -> dict[str, list[float]]:
    return {
        "memory MiB": [sample.memory_bytes / _MIB for sample in samples],
        "open files": [sample.n_files for sample in samples],
        "windows in slots": [sample.n_windows for sample in samples],
        "requests": [sample.n_requests for sample in samples],
        "files of uploads": [sample.n_uploads or 0 for sample in samples],
    }
