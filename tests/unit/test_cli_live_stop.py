"""``whisper-jax live`` on pipes, and how it ends: at the end, with Ctrl-C, with SIGTERM."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_live import FakeLive, FakeLiveStream, speech
from live_command import FakeModel, Run, fake_live, fake_model, run_live

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.encode import encode_audio

model, live, run = fake_model, fake_live, run_live

TWO = "word0.0 word0.1\nword1.0\n"
PCM = (speech(2.0, 1.0) * 32767).astype("<i2").tobytes()


class Pipe:
    """Standard input whose other end is held here."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def feed(self, data: bytes, n_bytes: int, *, ends: bool = True) -> None:
        """Write in pieces of so many bytes, on a thread of its own."""

        def write() -> None:
            for first in range(0, len(data), n_bytes):
                os.write(self.write_end, data[first : first + n_bytes])
            if ends:
                self.end()

        threading.Thread(target=write, daemon=True).start()

    def end(self) -> None:
        os.close(self.write_end)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    pipe = Pipe()
    monkeypatch.setattr(
        sys, "stdin", SimpleNamespace(fileno=lambda: pipe.read_end, isatty=lambda: False)
    )
    return pipe


@pytest.mark.parametrize("n_bytes", [1, 333, 4096, 1_000_000])
def test_raw_samples_come_through_a_pipe_in_pieces(run: Run, stdin: Pipe, n_bytes: int):
    data = PCM if n_bytes > 1 else PCM[:8000]
    stdin.feed(data, n_bytes)
    out = TWO if n_bytes > 1 else "word0.0\n"
    assert run("-", "--rate", "16000") == (0, out, "")


def test_a_sample_that_is_torn_at_the_end_is_left_out(run: Run, stdin: Pipe, live: FakeLive):
    stdin.feed(PCM + b"\1", 999)
    assert run("-", "--encoding", "s16le") == (0, TWO, "")
    assert len(live.streams[0].samples) == len(PCM) // 2


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "ogg", "webm"])
def test_any_container_comes_through_a_pipe(run: Run, stdin: Pipe, ending: str):
    stdin.feed(encode_audio(speech(2.0, 1.0), ending), 777)
    assert run("-") == (0, TWO, "")


def test_other_rates_and_channels_are_resampled(run: Run, stdin: Pipe):
    samples = np.frombuffer(PCM, "<i2")
    stereo = np.repeat(samples, 2).astype(">i2")  # both channels the same
    stdin.feed(stereo.tobytes(), 5000)
    assert run("-", "--encoding", "s16be", "--pcm-channels", "2") == (0, TWO, "")


def test_a_named_pipe_is_a_pipe(run: Run, tmp_path: Path):
    os.mkfifo("fifo")

    def feed() -> None:
        Path("fifo").write_bytes(PCM)

    threading.Thread(target=feed, daemon=True).start()
    assert run("fifo", "--encoding", "s16le") == (0, TWO, "")


def test_an_empty_pipe(run: Run, stdin: Pipe):
    stdin.feed(b"", 1)
    assert run("-") == (1, "", "whisper-jax: 'standard input' is empty\n")


def test_what_is_no_sound_is_said(run: Run, stdin: Pipe):
    stdin.feed(b"hello, this is not audio " * 100, 100)
    code, out, err = run("-")
    assert (code, out) == (1, "")
    assert "'standard input': it is not audio or video of a known format" in err


def test_a_terminal_is_no_pipe(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    code, _, err = run("-")
    assert code == 2
    assert "ffmpeg … | whisper-jax live -" in " ".join(err.split())


def signal_when(received_s: float, *numbers: int) -> Callable[[FakeLiveStream], None]:
    """Signals to this process, once so much has been sent."""

    def on_send(stream: FakeLiveStream) -> None:
        if stream.received_s >= received_s and not sent:
            sent.append(True)
            for number in numbers:
                os.kill(os.getpid(), number)
                time.sleep(0.3)

    sent: list[bool] = []
    return on_send


@pytest.fixture
def handlers() -> Iterator[None]:
    """The process's own handlers are there again afterwards."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("handlers")
def test_ctrl_c_commits_and_writes_the_rest(
    run: Run, stdin: Pipe, live: FakeLive, number: signal.Signals
):
    """Though nothing more comes through the pipe, which stays open."""
    stdin.feed(PCM[: 2 * 16_000 * 4 // 2], 3200, ends=False)
    # 1.9 s were sent: the second word is still under way.
    live.on_open = lambda stream: vars(stream).update(on_send=signal_when(1.9, number))
    words = ("-", "--rate", "16000", "-o", "a.txt", "--record", "a.wav")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out.startswith("word0.0")
    assert Path("a.txt").read_text() == out
    with open_audio("a.wav") as stream:
        n_samples = sum(map(len, stream.blocks()))
    assert n_samples == len(live.streams[0].samples)
    stdin.end()


@pytest.mark.usefixtures("handlers")
def test_a_second_ctrl_c_leaves_at_once(run: Run, stdin: Pipe, live: FakeLive):
    stdin.feed(PCM[: 2 * 16_000 * 2], 3200, ends=False)

    def slow_to_end(stream: FakeLiveStream) -> None:
        stream.finish = lambda: None  # what a device under load looks like
        stream.on_send = signal_when(1.5, signal.SIGINT, signal.SIGINT)

    live.on_open = slow_to_end
    code, out, err = run("-", "--rate", "16000", "-o", "a.txt")
    assert (code, out, err) == (130, "", "Stopped before the last words.\n")
    assert Path("a.txt").read_text() == "word0.0\n", "what was committed is kept"
    stdin.end()


def test_ctrl_c_while_the_model_is_loaded(run: Run, model: FakeModel, stdin: Pipe):
    model.failure = KeyboardInterrupt()
    assert run("-") == (130, "", "Stopped.\n")


def test_a_pipe_that_is_faster_than_the_text_waits(run: Run, stdin: Pipe, live: FakeLive):
    waited: list[float] = []

    def is_behind(stream: FakeLiveStream) -> None:
        if stream.received_s > 1 and not waited:
            stream.backlog_s = 31.0
            threading.Timer(0.4, lambda: vars(stream).update(backlog_s=0.0)).start()
            waited.append(time.monotonic())
        elif len(waited) == 1:
            waited.append(time.monotonic())

    live.on_open = lambda stream: vars(stream).update(on_send=is_behind)
    stdin.feed(PCM, 10_000)
    assert run("-", "--rate", "16000") == (0, TWO, "")
    assert waited[1] - waited[0] >= 0.35
