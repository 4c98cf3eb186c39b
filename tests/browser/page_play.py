"""What several tests do with the page."""

import wave
from pathlib import Path

import av
import numpy as np
from playwright.sync_api import Page

DATA = Path(__file__).parents[1] / "golden" / "data"
DONE_MS = 180_000
"""A clip takes seconds; machines that are busy with other tests take longer."""


def add(page: Page, *names: str | Path) -> None:
    """Give recordings to the page: names in tests/golden/data, or paths."""
    page.set_input_files("#files", [DATA / name for name in names])


def wait_until_done(page: Page, n_done: int = 1) -> None:
    """Wait for so many recordings to be transcribed."""
    page.wait_for_function(
        "n => document.querySelectorAll('.job[data-state=done]').length >= n",
        arg=n_done,
        timeout=DONE_MS,
    )


def transcribed(page: Page, name: str = "jfk.flac") -> Page:
    """The page, with one recording transcribed and in view."""
    add(page, name)
    wait_until_done(page)
    return page


def text_of(page: Page) -> str:
    """The transcript as it stands."""
    return " ".join(page.locator("p.text").all_inner_texts())


def assert_fits(page: Page) -> None:
    """Nothing is beyond the right edge of a phone."""
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    beyond = """[...document.querySelectorAll('a, button, select, input, summary, h1, h2, p')]
        .filter(one => one.checkVisibility() && !one.closest('.hidden, .skip'))
        .filter(one => one.getBoundingClientRect().right > 360.5).map(one => one.outerHTML)"""
    assert page.evaluate(beyond) == []


def write_video(path: Path) -> Path:
    """Jfk with a picture that changes from red to blue, as WebM."""
    with av.open(str(DATA / "jfk.flac")) as source, av.open(str(path), "w") as target:
        pictures = target.add_stream("libvpx", rate=5)
        pictures.width, pictures.height, pictures.pix_fmt = 320, 180, "yuv420p"
        sound = target.add_stream("libopus", rate=48000, layout="mono")
        for i in range(55):
            colour = np.full((180, 320, 3), (255 - 4 * i, 60, 4 * i), np.uint8)
            target.mux(pictures.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        target.mux(pictures.encode(None))
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48000, frame_size=960)
        for frame in [*source.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                target.mux(sound.encode(piece))
        target.mux(sound.encode(None))
    return path


def write_call(path: Path) -> Path:
    """A call as WAV: jfk on the left, and lj on the right once it is over."""
    left, right = (samples_of(DATA / name) for name in ("jfk.flac", "lj.flac"))
    sides = np.zeros((left.size + right.size, 2), np.int16)
    sides[: left.size, 0] = left
    sides[left.size :, 1] = right
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(sides.tobytes())
    return path


def samples_of(path: Path) -> np.ndarray:
    """The samples of a clip with one channel at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as source:
        frames = [*source.decode(audio=0), None]
        pieces = [piece.to_ndarray() for frame in frames for piece in resampler.resample(frame)]
    return np.concatenate(pieces, axis=1)[0]
