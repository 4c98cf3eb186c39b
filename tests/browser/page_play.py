"""What several tests do with the page."""

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
