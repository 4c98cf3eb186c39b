# /// script
# requires-python = ">=3.12"
# dependencies = ["matplotlib>=3.9"]
# ///
"""Draw where a recording is cut: its waveform, the probability of speech, regions and cuts.

    uv run --with matplotlib scripts/plot_cuts.py RECORDING OUTPUT.png

Run in this project's environment, to which uv adds matplotlib. A row shows a minute at most:
regions alternate in colour, spans of speech are the bars below the waveform, what is left out is
white, and red lines are cuts where two regions meet: whole in a silence, broken within speech.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.units import HOP, SAMPLE_RATE
from whisper_jax.options import TranscribeOptions
from whisper_jax.speech.cutting import Cutting
from whisper_jax.speech.regions import CutOptions, Region, cut_options
from whisper_jax.speech.spans import STEP_SAMPLES
from whisper_jax.speech.vad import VoiceActivity

COLOURS = ("#4878b0", "#e0902f")
FRAME_S = HOP / SAMPLE_RATE
STEP_S = STEP_SAMPLES / SAMPLE_RATE


def read(path: Path) -> NDArray[np.float32]:
    with open_audio(path) as stream:
        return np.concatenate(list(stream.blocks()))


def draw_waveform(axes: Axes, samples: NDArray[np.float32]) -> None:
    """The least and the highest sample of each 10 ms."""
    hops = np.pad(samples, (0, -len(samples) % HOP)).reshape(-1, HOP)
    scale = max(float(np.abs(samples).max()), 1e-9)
    seconds = np.arange(len(hops)) * FRAME_S
    axes.fill_between(seconds, hops.min(1) / scale, hops.max(1) / scale, color="#333333", lw=0)
    axes.set_yticks([])


def draw_regions(axes: Axes, regions: list[Region]) -> None:
    """Regions behind the waveform, their spans of speech below it."""
    for i, region in enumerate(regions):
        colour = COLOURS[i % 2]
        axes.axvspan(region.start * FRAME_S, region.stop * FRAME_S, color=colour, alpha=0.25, lw=0)
        for start, stop in region.speech:
            axes.plot(
                (start * FRAME_S, stop * FRAME_S),
                (-1.12, -1.12),
                color=colour,
                lw=4,
                solid_capstyle="butt",
            )
    axes.set_ylim(-1.25, 1.05)


def draw_probabilities(axes: Axes, probabilities: NDArray[np.float32], options: CutOptions) -> None:
    axes.step(np.arange(len(probabilities)) * STEP_S, probabilities, where="post", lw=0.7)
    axes.axhline(options.threshold, color="green", lw=0.7)
    axes.axhline(options.neg_threshold, color="green", lw=0.7, ls="--")
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([0, options.neg_threshold, options.threshold, 1])
    axes.tick_params(labelsize=7)


def draw_cuts(axes: Axes, regions: list[Region]) -> None:
    for before, after in pairwise(regions):
        if before.stop == after.start:
            within = before.speech and after.speech and before.speech[-1][1] == after.speech[0][0]
            axes.axvline(before.stop * FRAME_S, color="red", lw=1.2, ls=":" if within else "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--chunk-length", type=float, default=30.0, help="seconds of a region")
    parser.add_argument("--keep-silence", action="store_true", help="as without vad_filter")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds in a row")
    parser.add_argument("--start", type=float, default=0.0, help="where the picture begins")
    parser.add_argument("--stop", type=float, help="where it ends; the recording's end by default")
    args = parser.parse_args()
    options = TranscribeOptions(chunk_length=args.chunk_length, vad_filter=not args.keep_silence)
    samples = read(args.recording)
    cutting, activity = Cutting(options), VoiceActivity()
    regions = cutting.push(samples) + cutting.finish()
    probabilities = np.concatenate([activity.push(samples), activity.finish()])
    stop = args.stop or len(samples) / SAMPLE_RATE
    n_rows = max(1, int(np.ceil((stop - args.start) / args.seconds)))
    figure, grid = plt.subplots(
        2 * n_rows, 1, figsize=(14, 2.1 * n_rows), squeeze=False, height_ratios=[2, 1] * n_rows
    )
    for row in range(n_rows):
        wave, probability = grid[2 * row, 0], grid[2 * row + 1, 0]
        draw_waveform(wave, samples)
        draw_regions(wave, regions)
        draw_probabilities(probability, probabilities, cut_options(options))
        for axes in (wave, probability):
            draw_cuts(axes, regions)
            begin = args.start + row * args.seconds
            axes.set_xlim(begin, begin + args.seconds)
        wave.tick_params(labelbottom=False)
    grid[-1, 0].set_xlabel("seconds")
    figure.tight_layout(h_pad=0.1)
    figure.savefig(args.output, dpi=75)


if __name__ == "__main__":
    main()
