# /// script
# requires-python = ">=3.12"
# dependencies = ["matplotlib>=3.9"]
# ///
"""Draw where the words of a recording are: over its waveform and its log-mel spectrogram.

    uv run --with matplotlib scripts/plot_words.py RECORDING OUTPUT.png

Run in this project's environment, to which uv adds matplotlib (the extra ``plot``). Words alternate
in colour, their text stands above them, grey where the model is unsure; the bars below the waveform
are segments. In the spectrogram, which is what the model hears, lines are a word's start and end.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from plot_cuts import COLOURS, FRAME_S, draw_waveform, read

from whisper_jax import load_model
from whisper_jax.audio.logmel import DYNAMIC_RANGE, log_mel_frames
from whisper_jax.audio.units import MARGIN_AFTER, MARGIN_BEFORE, SAMPLE_RATE
from whisper_jax.types import Segment, Word

UNSURE = 0.5
"""The text of a word that is less probable is grey."""
N_COLOURS = 64
TEXT_HEIGHTS = (1.12, 1.54)
"""Of two neighbours, in waveform heights: short words leave no room for their text."""


def levels_of(samples: NDArray[np.float32], n_mels: int) -> NDArray[np.float32]:
    """The log-mel spectrogram [mels, n_frames] as the model hears it: 80 dB below the peak."""
    padded = jnp.pad(jnp.asarray(samples), (MARGIN_BEFORE, MARGIN_AFTER))
    levels = np.asarray(log_mel_frames(padded, n_mels)).T
    return np.maximum(levels, levels.max() - DYNAMIC_RANGE)


def draw_words(wave: Axes, mels: Axes, words: list[Word]) -> None:
    """Each word's stretch; its text where its middle is between the limits of the axes."""
    begin, end = wave.get_xlim()
    for i, word in enumerate(words):
        colour = COLOURS[i % 2]
        wave.axvspan(word.start, word.end, ymax=2.3 / 3.2, color=colour, alpha=0.35, lw=0)
        middle = (word.start + word.end) / 2
        if begin <= middle < end:
            colour = "#999999" if word.probability < UNSURE else "black"
            height, text = TEXT_HEIGHTS[i % 2], word.word.strip()
            wave.text(middle, height, text, color=colour, ha="center", va="bottom", fontsize=10)
        for time in (word.start, word.end):
            mels.axvline(time, color="white", lw=0.6)


def draw_segments(axes: Axes, segments: tuple[Segment, ...]) -> None:
    for i, segment in enumerate(segments):
        times = (segment.start, segment.end)
        axes.plot(times, (-1.1, -1.1), color=COLOURS[i % 2], lw=4, solid_capstyle="butt")
    axes.set_ylim(-1.2, 2.0)


def save(figure: Figure, path: Path) -> None:
    """As a PNG of few colours: a spectrogram's noise makes large files."""
    figure.set_dpi(75)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(N_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", help="its code; detected by default")
    parser.add_argument("--long-form", choices=("parallel", "sequential"), default="parallel")
    parser.add_argument("--seconds", type=float, default=6.0, help="seconds in a row")
    parser.add_argument("--start", type=float, default=0.0, help="where the picture begins")
    parser.add_argument("--stop", type=float, help="where it ends; the recording's end by default")
    parser.add_argument("--font", default="DejaVu Sans", help="one that has the language's script")
    args = parser.parse_args()
    samples = read(args.recording)
    with load_model(args.model) as model:
        n_mels = model.dims.n_mels
        segments = model.transcribe(
            samples, language=args.language, long_form=args.long_form, word_timestamps=True
        ).segments
    levels = levels_of(samples, n_mels)
    words = [word for segment in segments for word in segment.words or ()]
    plt.rcParams["font.family"] = [args.font]
    stop = args.stop or len(samples) / SAMPLE_RATE
    n_rows = max(1, int(np.ceil((stop - args.start) / args.seconds)))
    figure = plt.figure(figsize=(11, 2.3 * n_rows), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.01, hspace=0)
    for row, part in enumerate(figure.subfigures(n_rows, 1, squeeze=False)[:, 0]):
        wave, mels = part.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        draw_waveform(wave, samples)
        draw_segments(wave, segments)
        extent = (0, levels.shape[1] * FRAME_S, 0, n_mels)
        mels.imshow(levels, aspect="auto", origin="lower", extent=extent, cmap="magma")
        mels.set_yticks([])
        begin = args.start + row * args.seconds
        wave.set_xlim(begin, begin + args.seconds)
        draw_words(wave, mels, words)
    mels.set_xlabel("seconds")
    save(figure, args.output)


if __name__ == "__main__":
    main()
