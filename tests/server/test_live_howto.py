"""The programs of the page on live captions, as they stand there, against a server."""

import contextlib
import io
import re
import threading
import wave
from pathlib import Path

import pytest
from live_fake import serving_live, speech

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "live.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")
@pytest.mark.parametrize(
    ("program", "text"), list(zip(PROGRAMS, ("w0 w1 w3", " w0 w1"), strict=True))
)
def test_a_program_prints_what_is_said(program: str, text: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for rate in (16_000, 24_000):
        with wave.open(f"talk{rate // 1000}k.wav", "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(speech(0.5, 0.5, 0, 0.5, rate=rate).tobytes())
    out = io.StringIO()
    with serving_live() as (server, live), contextlib.redirect_stdout(out):
        address = server.url.removeprefix("http://")
        exec(program.replace("127.0.0.1:8000", address), {"__name__": "__main__"})
        assert live.streams[0].options.language == "en"
    assert out.getvalue().splitlines()[0] == text
    for thread in threading.enumerate():
        if "(send)" in thread.name:
            thread.join(10)
