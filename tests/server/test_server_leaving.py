"""Clients that leave, servers that stop: nothing stays behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from served import CountingModels, Served, audio, serving, until

from whisper_jax.server import protocol

HERE = Path(__file__).parent


def form(**fields: str) -> bytes:
    texts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head = texts + '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head.encode() + audio(60) + b"\r\n--x--\r\n"


def sent(server: Served, body: bytes, stated: int | None = None) -> socket.socket:
    """A connection on which a request has been sent; it may state more than it has."""
    client = server.connect()
    client.sendall(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n" % (stated or len(body)) + body
    )
    return client


def is_idle(server: Served) -> bool:
    names = ("uploading", "waiting", "running")
    return not any(server.metric(f"whisper_jax_{name}_requests") for name in names)


def open_uploads() -> int:
    """Temporary files that this process has open, named or not."""
    here = Path("/proc/self/fd")
    found = 0
    for descriptor in here.iterdir():
        try:
            found += os.readlink(descriptor).startswith(tempfile.gettempdir() + "/")
        except FileNotFoundError:
            continue
    return found


@pytest.fixture
def spool(tmp_path, monkeypatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("streams", ["false", "true"])
def test_a_client_that_leaves_ends_its_transcription(spool: Path, streams):
    with serving() as server:
        server.models.whisper.gate.clear()
        client = sent(server, form(model="counting", stream=streams, stream_detail=streams))
        until(lambda: server.models.whisper.n_active == 1)
        assert open_uploads() == 1
        client.close()
        until(lambda: server.models.whisper.n_active == 0)
        until(lambda: is_idle(server))
        assert server.metric("whisper_jax_cancelled_total") == 1
        assert open_uploads() == 0
        assert list(spool.iterdir()) == []
        server.models.whisper.gate.set()
        assert server.post().status_code == 200


def test_a_client_that_leaves_amid_its_upload(spool: Path):
    with serving() as server:
        body = form(model="counting")
        client = sent(server, body[: len(body) * 3 // 4], len(body))
        until(lambda: server.metric("whisper_jax_uploading_requests") == 1)
        until(lambda: open_uploads() == 1)
        client.close()
        until(lambda: is_idle(server))
        until(lambda: open_uploads() == 0)
        assert not server.models.whisper.asked


def test_a_client_that_leaves_while_it_waits(spool: Path):
    with serving(max_running=1) as server:
        server.models.whisper.gate.clear()
        first = server.begin()
        until(lambda: server.models.whisper.n_active == 1)
        client = sent(server, form(model="counting"))
        until(lambda: server.metric("whisper_jax_waiting_requests") == 1)
        client.close()
        until(lambda: server.metric("whisper_jax_waiting_requests") == 0)
        server.models.whisper.gate.set()
        assert first.result(10).status_code == 200
        assert len(server.models.whisper.asked) == 1
        assert open_uploads() == 0


@pytest.mark.parametrize("streams", ["false", "true"])
def test_a_client_that_does_not_read_its_answer(monkeypatch, streams):
    monkeypatch.setattr(protocol, "SEND_TIMEOUT_S", 0.3)
    with serving() as server:
        server.models.whisper.padding = "x" * 200_000
        with sent(server, form(model="counting", stream=streams)) as client:
            until(lambda: server.metric("whisper_jax_running_requests") == 1)
            until(lambda: is_idle(server))
            until(lambda: server.is_closed_by_server(client))


@pytest.mark.parametrize(
    "fields", [{"model": "none"}, {"model": "counting", "response_format": "no"}, {}]
)
def test_a_refused_form_leaves_no_file(spool: Path, fields):
    with serving() as server:
        with sent(server, form(**fields)) as client:
            assert client.recv(65536).split()[1] in (b"400", b"404")
        assert open_uploads() == 0


def events(response: httpx.Response) -> list[dict]:
    return [
        json.loads(line.removeprefix("data: "))
        for line in response.text.splitlines()
        if line.startswith("data: ")
    ]


def test_a_stream_with_detail_tells_of_the_queue_and_of_progress():
    detail = {"stream": "true", "stream_detail": "true", "timestamp_granularities[]": "word"}
    with serving(max_running=1) as server:
        server.models.whisper.gate.clear()
        first = server.begin()
        until(lambda: server.models.whisper.n_active == 1)
        second = server.begin(fields=detail)
        until(lambda: server.metric("whisper_jax_waiting_requests") == 1)
        server.models.whisper.gate.set()
        assert first.result(10).status_code == 200
        told = events(second.result(10))
    kinds = [event["type"].removeprefix("transcript.") for event in told]
    each = ["text.delta", "segment", "progress"]
    assert kinds == ["queued", *each * 3, "text.done"]
    assert told[0]["position"] == 1
    assert told[2]["segment"]["words"] == [
        {"word": " 0", "start": 0.1, "end": 0.9, "probability": 0.5}
    ]
    assert told[3]["position_s"] == 1
    assert told[3]["duration_s"] == 3
    assert told[-1] == {
        "type": "transcript.text.done",
        "text": "0 1 2",
        "language": "en",
        "duration": 3.0,
    }


def test_a_server_that_stops_finishes_what_it_has():
    with serving(stop_timeout_s=10.0) as server:
        server.models.whisper.gate.clear()
        running = server.begin()
        until(lambda: server.models.whisper.n_active == 1)
        server.stop.set()
        until(lambda: refuses_connections(server))
        server.models.whisper.gate.set()
        assert running.result(10).json()["text"] == "0 1 2"
        server.thread.join(10)
        assert not server.thread.is_alive()
        assert server.models.is_closed


def refuses_connections(server: Served) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_that_stops_returns_what_it_could_not_finish():
    with serving(stop_timeout_s=0.2, max_running=2) as server:
        server.models.whisper.gate.clear()
        whole = server.begin()
        until(lambda: server.models.whisper.n_active == 1)
        waiting = server.begin()
        until(lambda: server.metric("whisper_jax_waiting_requests") == 1)
        server.stop.set()
        found = whole.result(10)
        assert found.status_code == 503
        assert found.json()["error"]["code"] == "server_stopping"
        assert found.json()["partial"]["text"] == "0"
        assert found.headers["Retry-After"]
        assert waiting.result(10).status_code == 503
        server.thread.join(10)
        assert not server.thread.is_alive()


def test_a_stream_of_a_server_that_stops_ends_with_an_error():
    with serving(stop_timeout_s=0.2) as server:
        server.models.whisper.gate.clear()
        stream = server.begin(fields={"stream": "true"})
        until(lambda: server.models.whisper.n_active == 1)
        server.stop.set()
        told = events(stream.result(10))
    assert [event["type"] for event in told] == ["transcript.text.delta", "error"]
    assert told[-1]["error"]["code"] == "server_stopping"


def test_sigterm_lets_requests_finish():
    program = (
        "from served import CountingModels; from whisper_jax.server.run import run_server\n"
        "from whisper_jax.server.settings import ServerSettings\n"
        "from whisper_jax.server.logs import set_up_logs\n"
        "set_up_logs('info')\n"
        "run_server(CountingModels(), ServerSettings(models=('counting',), port=0))\n"
        "print('ended well')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=HERE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    with process:
        listening = json.loads(process.stderr.readline())
        server = Served(
            listening["address"], CountingModels(), threading.Event(), threading.Thread()
        )
        until(lambda: server.get("/ready").status_code == 200, 20)
        assert server.post().json()["text"] == "0 1 2"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == "ended well\n"
        lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    posts = [line for line in lines if line.get("method") == "POST"]
    assert [line["status"] for line in posts] == [200]
    assert posts[0]["request_id"].startswith("req_")
    assert "0 1 2" not in json.dumps(lines)


def test_a_request_keeps_the_id_it_came_with():
    with serving() as server:
        for given, is_kept in (("abc-1", True), ("a b", False), ("x" * 200, False)):
            found = server.get("/health", headers={"X-Request-Id": given}).headers["X-Request-Id"]
            assert (found == given) is is_kept
