"""A server over the time of a load as a picture: what would grow if something leaked."""

from pathlib import Path

from whisper_jax.bench.plot import load_pyplot
from whisper_jax.bench.serving.results import LoadReport
from whisper_jax.bench.serving.watch import Sample
from whisper_jax.errors import WhisperJaxError

_WIDTH_INCHES, _ROW_INCHES = 9.0, 1.7
_MIB = 1 << 20


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
    rows = _rows(report.samples)
    minutes = [sample.at_s / 60 for sample in report.samples]
    figure, axes = pyplot.subplots(
        len(rows),
        1,
        figsize=(_WIDTH_INCHES, _ROW_INCHES * len(rows)),
        sharex=True,
        layout="constrained",
    )
    for ax, (name, values) in zip(axes, rows.items(), strict=True):
        ax.plot(minutes, values, linewidth=1.0, color="#c8102e")
        ax.set_ylabel(name, fontsize=9)
        ax.set_ylim(0, 1.1 * max(values) or 1.0)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.3)
    axes[0].set_title(f"{report.scenario}: {report.model}, {report.decoding}", fontsize=10)
    axes[-1].set_xlabel("minutes")
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise WhisperJaxError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        pyplot.close(figure)


def _rows(samples: tuple[Sample, ...]) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {
        "memory MiB": [sample.memory_bytes / _MIB for sample in samples],
        "open files": [sample.n_files for sample in samples],
        "windows in slots": [sample.n_windows for sample in samples],
        "requests": [sample.n_requests for sample in samples],
    }
    if any(sample.n_uploads is not None for sample in samples):
        rows["files of uploads"] = [sample.n_uploads or 0 for sample in samples]
    return rows
