"""Recordings from a server: whole, of unknown length, interrupted, refused, slow."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from audio_media import noise, wav_bytes

from whisper_jax.audio import decode
from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

SAMPLES = noise(60 * SAMPLE_RATE)
DATA = wav_bytes(SAMPLES)


class Handler(BaseHTTPRequestHandler):
    """What the server does stands in the path."""

    protocol_version = "HTTP/1.1"
    is_stopping = threading.Event()

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.close_connection = True
        match self.path.strip("/").split("?")[0]:
            case "whole" | "a%20name":
                self.begin(200, {"Content-Length": str(len(DATA))})
                self.wfile.write(DATA)
            case "no-length":
                self.begin(200, {"Connection": "close"})
                self.wfile.write(DATA)
            case "pieces":  # the connection breaks every 400 kB
                start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
                content_range = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
                length = str(len(DATA) - start)
                self.begin(206, {"Content-Range": content_range, "Content-Length": length})
                self.wfile.write(DATA[start : start + 400_000])
            case "cut" | "stall" as what:
                self.begin(200, {"Content-Length": str(len(DATA))})
                self.wfile.write(DATA[:1_000_000])
                self.wfile.flush()
                if what == "stall":
                    self.is_stopping.wait()
            case "hang":
                self.is_stopping.wait()
            case "page":
                self.begin(200, {"Content-Length": "18"})
                self.wfile.write(b"<html>hello</html>")
            case code:
                self.send_error(int(code))

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{http.server_port}"
        Handler.is_stopping.set()
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["whole", "no-length", "pieces", "a name", "whole?token=1"])
def test_a_recording_arrives_whole(server: str, path: str) -> None:
    with open_audio(f"http://{server}/{path}") as stream:
        samples = np.concatenate(list(stream.blocks()))
    np.testing.assert_array_equal(samples, SAMPLES / np.float32(32768))


@pytest.mark.parametrize(
    ("path", "message"),
    [("cut", "the host or disk cannot be reached, or"), ("stall", "the server took too long")],
)
def test_a_recording_that_breaks_off_is_an_error_after_what_came(
    server: str, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    if path == "stall":
        monkeypatch.setattr(decode, "READ_TIMEOUT_S", 0.5)
    n_samples = 0
    failure = None
    with open_audio(f"HTTP://{server}/{path}") as stream:
        assert stream.duration_s == 60
        try:
            for block in stream.blocks():
                n_samples += len(block)
        except AudioError as error:
            failure = error
    assert str(failure).startswith(f"reading 'http://{server}/{path}' broke off: {message}")
    assert 480_000 < n_samples <= 500_000


def test_a_server_that_never_answers(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "OPEN_TIMEOUT_S", 0.3)
    with pytest.raises(AudioError, match="/hang': the server took too long to answer"):
        open_audio(f"http://{server}/hang")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("404", "Server returned 404 Not Found"),
        ("403", "403 Forbidden"),
        ("410", r"the server refuses the request \(4xx\)"),
        ("503", r"the server failed \(5xx\)"),
        ("page", "it is not audio or video of a known format"),
    ],
)
def test_what_cannot_be_had(server: str, path: str, message: str) -> None:
    with pytest.raises(AudioError, match=f"cannot open 'http://{server}/{path}': .*{message}"):
        open_audio(f"http://{server}/{path}")


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(AudioError, match="the server refuses the connection"):
            open_audio(f"http://{address}/x.wav")


@pytest.mark.parametrize("url", ["http://", "https:///x.wav", "http://[::1/x.wav"])
def test_what_is_not_a_url(url: str) -> None:
    with pytest.raises(AudioError, match=r"names no host|is not a URL"):
        open_audio(url)


def test_secrets_of_a_url_stay_out_of_messages(server: str) -> None:
    with pytest.raises(AudioError) as failure:
        open_audio(f"http://user:word@{server}/404?signature=sesame")
    assert str(failure.value) == f"cannot open 'http://{server}/404': Server returned 404 Not Found"
