"""Sources that go on: streams that break off, playlists that grow, recordings in real time."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from audio_media import noise, tones, wav_bytes

from whisper_jax.audio import live
from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.live import LIVE_BLOCK_SAMPLES, open_live_url, paced
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

PARTS = [noise(2 * SAMPLE_RATE, seed=seed) for seed in range(3)]


class Radio(BaseHTTPRequestHandler):
    """Each call gets what comes next: a part of a programme, a status, or a playlist."""

    protocol_version = "HTTP/1.1"
    answers: list[bytes | int]
    files: dict[str, bytes]

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.close_connection = True
        name = self.path.strip("/")
        if name in self.files:
            self.send(self.files[name], {"Content-Length": str(len(self.files[name]))})
            return
        answer = self.answers.pop(0) if self.answers else 503
        if isinstance(answer, int):
            self.send_error(answer)
        elif name.endswith(".m3u8"):
            self.send(answer, {"Content-Type": "application/vnd.apple.mpegurl"})
        else:
            self.send(answer, {"Connection": "close"})

    def send(self, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def radio(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a station on this machine."""
    monkeypatch.setattr(live, "_FIRST_DELAY_S", 0.01)
    Radio.answers, Radio.files = [], {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Radio) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def heard(stream: AudioStream) -> tuple[np.ndarray, AudioError | None]:
    """What a stream gives before it ends, and why it ends."""
    blocks: list[np.ndarray] = []
    failure: AudioError | None = None
    with stream:
        try:
            for block in stream.blocks():
                assert 0 < len(block) <= LIVE_BLOCK_SAMPLES
                blocks.append(block)
        except AudioError as error:
            failure = error
    return np.concatenate(blocks), failure


def test_a_stream_that_breaks_off_is_connected_to_again(radio: str):
    first, second, third = (wav_bytes(part) for part in PARTS)
    Radio.answers = [first, 503, second, third]
    notices: list[str] = []
    stream = open_live_url(f"{radio}/live", notices.append, reconnections=3)
    assert stream.duration_s is None
    samples, failure = heard(stream)
    np.testing.assert_array_equal(samples, np.concatenate(PARTS) / np.float32(32768))
    assert "stopped" in str(failure)
    name = f"'{radio}/live'"
    assert notices[:3] == [
        f"{name} stopped; connecting again in 0.01 s (1 of 3 tries)",
        f"cannot open {name}: the server failed (5xx); try again later; connecting again in "
        "0.02 s (2 of 3 tries)",
        f"{name} is there again",
    ]


def test_tries_are_counted_anew_after_a_steady_while(radio: str, monkeypatch: pytest.MonkeyPatch):
    Radio.answers = [wav_bytes(part) for part in PARTS]
    assert len(heard(open_live_url(f"{radio}/live", reconnections=1))[0]) == 4 * SAMPLE_RATE
    monkeypatch.setattr(live, "_STEADY_SAMPLES", SAMPLE_RATE)
    Radio.answers = [wav_bytes(part) for part in PARTS]
    assert len(heard(open_live_url(f"{radio}/live", reconnections=1))[0]) == 6 * SAMPLE_RATE


def test_without_reconnections_a_stream_ends_where_it_stops(radio: str):
    Radio.answers = [wav_bytes(part) for part in PARTS]
    samples, failure = heard(open_live_url(f"{radio}/live", reconnections=0))
    assert len(samples) == 2 * SAMPLE_RATE
    assert str(failure) == f"'{radio}/live' stopped"


def test_a_stream_that_is_not_there_is_an_error_at_once(radio: str):
    with pytest.raises(AudioError, match="the server failed"):
        open_live_url(f"{radio}/live")


def test_a_recording_has_an_end_and_is_not_asked_for_again(radio: str):
    Radio.files["talk.wav"] = wav_bytes(PARTS[0])
    stream = open_live_url(f"{radio}/talk.wav")
    assert stream.duration_s == 2.0
    samples, failure = heard(stream)
    np.testing.assert_array_equal(samples, PARTS[0] / np.float32(32768))
    assert failure is None


def test_secrets_of_a_url_stay_out_of_notices(radio: str):
    Radio.answers = [wav_bytes(PARTS[0])]
    notices: list[str] = []
    address = radio.replace("http://", "http://user:word@")
    heard(open_live_url(f"{address}/live?key=sesame", notices.append, reconnections=1))
    assert notices
    assert not any(secret in notice for notice in notices for secret in ("word", "sesame"))


def test_a_live_playlist_ends_where_it_says_so(radio: str, tmp_path: Path):
    """HLS: what the playlist names is heard once, as it is named."""
    names = [f"part{i}.ts" for i in range(4)]
    for index, name in enumerate(names):
        Radio.files[name] = transport_stream(tmp_path / name, first=index * 48_000)
    Radio.answers = [playlist(names[:3]), playlist(names), playlist(names, ends=True)]
    Radio.answers += [playlist(names, ends=True)] * 5
    notices: list[str] = []
    samples, failure = heard(open_live_url(f"{radio}/live.m3u8", notices.append))
    assert failure is None
    # FFmpeg begins a live playlist with the third segment from its end.
    assert len(samples) == pytest.approx(4 * SAMPLE_RATE, abs=0.2 * SAMPLE_RATE)
    assert len(notices) == 1


def playlist(names: list[str], *, ends: bool = False) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for name in names:
        lines += ["#EXTINF:1.0,", name]
    return ("\n".join(lines + ["#EXT-X-ENDLIST"] * ends) + "\n").encode()


def transport_stream(path: Path, *, first: int) -> bytes:
    """A second of sound, from a sample of 48 kHz on."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mp2", rate=48_000, layout="mono")
        samples = (tones(1.0, 48_000)[:1] * 32767).astype(np.int16)
        resampler = av.AudioResampler("s16", "mono", 48_000, frame_size=1152)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, first
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_recording_comes_when_it_would_have_been_spoken(speed: float):
    samples = np.arange(SAMPLE_RATE // 2, dtype=np.float32)
    whole = AudioStream(name="a", duration_s=0.5, blocks=iter([samples[:7000], samples[7000:]]))
    started_s = time.monotonic()
    blocks: list[np.ndarray] = []
    for block in paced(whole, speed).blocks():
        blocks.append(block)
        n_samples = sum(map(len, blocks))
        assert time.monotonic() - started_s >= n_samples / SAMPLE_RATE / speed - 1e-3
    np.testing.assert_array_equal(np.concatenate(blocks), samples)
    assert max(map(len, blocks)) <= LIVE_BLOCK_SAMPLES
