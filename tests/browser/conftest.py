"""A real server with base, and Chromium to look at its page with."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from served_address import serving

DATA = Path(__file__).parents[1] / "golden" / "data"
# Chromium itself asks hosts of its maker for updates unless it is told not to.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if here in item.path.parents and {"browser", "server"} & fixtures:
            item.add_marker(pytest.mark.weights)


@pytest.fixture(scope="session")
def server(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with base."""
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser hears from its microphone: jfk again and again, as a WAV."""
    path = tmp_path_factory.mktemp("microphone") / "jfk.wav"
    with av.open(str(DATA / "jfk.flac")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=48000, layout="mono")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48000)
        for frame in [*source.decode(audio=0), None]:
            for piece in resampler.resample(frame):
                target.mux(stream.encode(piece))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Browser]:
    """Debian's Chromium, or whichever WHISPER_JAX_CHROMIUM names.

    It does not outlive its module: Playwright keeps an event loop running on this thread, where
    other tests start their own.
    """
    named = os.environ.get("WHISPER_JAX_CHROMIUM")
    path = named or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    heard = f"--use-file-for-fake-audio-capture={microphone}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, heard])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens the page in a context of its own; whatever it complains of fails the test.

    Answers that a test brings about by a wrong file are no complaint: Chromium logs each one, and
    so a test may allow texts with ``allowed``, a regular expression.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str = server, allowed: str | None = None, **context: Any) -> Page:
        context = {"locale": "en-US", "color_scheme": "light", "reduced_motion": "reduce"} | context
        contexts.append(browser.new_context(permissions=["microphone"], **context))
        page = contexts[-1].new_page()

        def note(kind: str, text: str) -> None:
            if allowed is None or not re.search(allowed, text):
                complaints.append(f"{kind}: {text}")

        def look(url: str) -> None:
            if not url.startswith(("blob:", "data:")) and urlsplit(url).netloc != host:
                complaints.append(f"asked another host: {url}")

        host = urlsplit(address).netloc
        page.on("console", lambda line: note(line.type, line.text))
        page.on("pageerror", lambda error: note("error", str(error)))
        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        page.goto(address)
        page.wait_for_function("() => document.querySelector('#limits').textContent !== ''")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """The page, in English and light."""
    return new_page()


@pytest.fixture
def live(new_page: Callable[..., Page], server: str) -> Page:
    """The view of live captions, in English and light."""
    return new_page(f"{server}/#live")
