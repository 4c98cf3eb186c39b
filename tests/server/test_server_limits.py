"""Sizes, durations, rates, keys: what is refused, and how."""

import io
import time

import av
import numpy as np
import pytest
from served import CountingModels, Served, audio, serving, until

from whisper_jax.errors import OptionError, UnknownModelError
from whisper_jax.server import protocol
from whisper_jax.server.keys import ApiKeys, read_keys
from whisper_jax.server.run import listen
from whisper_jax.server.settings import ServerSettings

KEY = "a-key-that-nobody-guesses"
OTHER_KEY = "another-one-of-them"


def code_of(response) -> tuple[int, str]:
    body = response.json()
    assert set(body["error"]) == {"message", "type", "param", "code"}
    return response.status_code, body["error"]["code"]


def test_an_upload_that_says_it_is_too_large_is_refused_before_it_is_read():
    with serving(max_upload_bytes=50_000) as server:
        found = server.post()
        assert code_of(found) == (413, "upload_too_large")
        assert not server.models.whisper.asked


def test_an_upload_that_turns_out_too_large_is_refused():
    def chunks():
        yield b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
        for _ in range(100):
            yield b"0" * 1000

    with serving(max_upload_bytes=50_000) as server:
        found = server.raw(chunks(), {"Content-Type": "multipart/form-data; boundary=x"})
        assert code_of(found) == (413, "upload_too_large")


@pytest.mark.parametrize("states_it", [True, False])
def test_a_recording_that_is_too_long_is_refused(states_it):
    # A WAV file whose length is not stated is read to its end.
    file = bytearray(audio(5))
    if not states_it:
        file[40:44] = b"\xff\xff\xff\xff"
        file[4:8] = b"\xff\xff\xff\xff"
    with serving(max_duration_s=2.0) as server:
        found = server.post(file=bytes(file))
        assert code_of(found) == (413, "audio_too_long")
        until(lambda: server.models.whisper.n_active == 0)


def test_a_small_file_that_holds_hours_of_silence_is_given_up():
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16_000, layout="mono")
        block = np.zeros((1, 16_000), np.int16)
        for number in range(900):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, number * 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = file.getvalue()
    assert len(content) < 1_000_000
    # The head no longer says how long it is.
    head = content.index(b"fLaC") + 8
    start, stop = head + 14, head + 18
    content = content[:start] + bytes(stop - start) + content[stop:]
    with serving(max_duration_s=60.0) as server:
        found = server.post(file=content)
        assert code_of(found) == (413, "audio_too_long")


def test_a_rate_for_each_key():
    keys = ApiKeys([KEY, OTHER_KEY])
    with serving(keys=keys, requests_per_minute=2) as server:
        statuses = [server.post(key=KEY).status_code for _ in range(3)]
        refused = server.post(key=KEY)
        assert statuses == [200, 200, 429]
        assert code_of(refused) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["Retry-After"]) <= 31
        assert server.post(key=OTHER_KEY).status_code == 200


def test_the_line_of_a_key_is_bounded():
    with serving(max_running=1, max_waiting_per_key=1) as server:
        server.models.whisper.gate.clear()
        running, waiting = server.begin(), None
        until(lambda: server.models.whisper.n_active == 1)
        waiting = server.begin()
        until(lambda: server.metric("whisper_jax_waiting_requests") == 1)
        found = server.post()
        assert code_of(found) == (429, "too_many_waiting")
        assert found.headers["Retry-After"]
        server.models.whisper.gate.set()
        assert [running.result(10).status_code, waiting.result(10).status_code] == [200, 200]


def test_the_whole_line_is_bounded():
    with serving(keys=ApiKeys([KEY, OTHER_KEY]), max_running=1, max_waiting=1) as server:
        server.models.whisper.gate.clear()
        begun = [server.begin(key=KEY)]
        until(lambda: server.models.whisper.n_active == 1)
        begun.append(server.begin(key=KEY))
        until(lambda: server.waiting(KEY) == 1)
        assert code_of(server.post(key=OTHER_KEY)) == (503, "overloaded")
        server.models.whisper.gate.set()
        assert [one.result(10).status_code for one in begun] == [200, 200]


def test_requests_that_come_while_many_run_hold_less_audio():
    with serving(max_running=20) as server:
        server.models.whisper.gate.clear()
        begun = []
        for n in range(1, 7):
            begun.append(server.begin())
            until(lambda n=n: server.models.whisper.n_active == n)
        server.models.whisper.gate.set()
        assert {one.result(10).status_code for one in begun} == {200}
        assert server.models.whisper.batch_sizes == [None, None, None, None, 25, 21]


def test_a_slow_upload_is_given_up():
    with serving(upload_timeout_s=0.3) as server:
        with server.connect() as client:
            client.sendall(
                b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999\r\n\r\n--x"
            )
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert b"408" in answer.splitlines()[0]
        assert b"upload_timeout" in answer
        until(lambda: server.metric("whisper_jax_uploading_requests") == 0)


def test_an_upload_byte_by_byte_is_given_up(monkeypatch):
    monkeypatch.setattr("whisper_jax.server.guard.MIN_UPLOAD_RATE", 1e9)
    with serving(upload_timeout_s=0.4) as server, server.connect() as client:
        client.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999\r\n\r\n"
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
        )
        client.settimeout(0.05)
        answer, end_s = b"", time.monotonic() + 5
        while not answer and time.monotonic() < end_s:
            try:
                client.sendall(b"-")
                answer = client.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:  # closed before the answer could be read
                answer = b"HTTP/1.1 408"
        assert b"408" in answer.splitlines()[0]
        until(lambda: server.metric("whisper_jax_uploading_requests") == 0)


def test_a_slow_head_is_given_up(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.3)
    with serving() as server, server.connect() as client:
        client.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        assert client.recv(100) == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X-A: y\r\n" * 20_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nBad Header: a\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
    ids=["long", "many", "space", "tls", "two lengths", "negative", "encoding"],
)
def test_heads_that_are_no_good(server: Served, head):
    with server.connect() as client:
        client.sendall(head)
        status = client.recv(65536).splitlines()[0]
    assert status.split()[1][:1] == b"4" or status.split()[1] == b"501"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("application/x-www-form-urlencoded", b"model=counting", 415),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=x", b"garbage", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--", 400),
        ("multipart/form-data; boundary=x; charset=nonsense", b"--x--\r\n", 400),
        ("", b"garbage", 415),
    ],
)
def test_bodies_that_are_no_form(server: Served, content_type, body, status):
    found = server.raw(body, {"Content-Type": content_type})
    assert found.status_code == status
    assert found.json()["error"]["type"] == "invalid_request_error"


def test_a_compressed_body_is_refused(server: Served):
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Encoding": "gzip"}
    assert server.raw(b"\x1f\x8b", headers).status_code == 415


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    "parts",
    [
        [part("file", b"a", "a"), part("file", b"b", "b")],
        [part("prompt", b"long" * 100_000), part("file", audio(1), "a")],
        [part(f"field{number}", b"") for number in range(300)],
        [part("image", audio(1), "a")],
        [part("model", b"counting")],
        [part("file", b"", "a"), part("model", b"counting")],
        [part("file", audio(1), "a")],
        [part("file", audio(1), "a"), part("model", b"counting")] * 2,
    ],
    ids=["files", "long", "fields", "name", "no file", "empty", "no model", "twice"],
)
def test_forms_that_hold_too_much_or_too_little(server: Served, parts):
    found = server.raw(b"".join(parts) + b"--x--\r\n", FORM)
    assert found.status_code == 400
    assert found.json()["error"]["message"]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "a\x00b.wav", "con:1", "ü" * 2000]
)
def test_names_of_files_have_no_effect(server: Served, name):
    body = part("file", audio(1), name) + part("model", b"counting") + b"--x--\r\n"
    found = server.raw(body, FORM)
    assert found.status_code == 200
    assert found.json()["text"] == "0"


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"PK\x03\x04" + bytes(500),
        b"\x1f\x8b\x08" + bytes(500),
    ],
    ids=["playlist", "list", "zip", "gzip"],
)
@pytest.mark.parametrize("channels", ["mix", "split"])
def test_files_that_lead_elsewhere_are_no_recordings(server: Served, content, channels):
    found = server.post(file=content, fields={"channels": channels})
    assert code_of(found) == (400, "invalid_audio")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/%2e%2e/settings.py",
        "/static//etc/passwd",
        "/%2e%2e/etc/passwd",
    ],
)
def test_paths_lead_nowhere_else(server: Served, path):
    with server.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.recv(65536).split()[1] == b"404"


def test_keys_are_asked_for_where_it_matters():
    with serving(keys=ApiKeys([KEY])) as server:
        for path in ("/v1/models", "/metrics", "/v1/nothing"):
            assert code_of(server.get(path)) == (401, "invalid_api_key")
        for path in ("/health", "/ready", "/v1/server", "/openapi.json"):
            assert server.get(path).status_code == 200
        assert server.get("/v1/server").json()["needs_key"] is True
        for header in ("Bearer", f"Basic {KEY}", KEY, "Bearer \u00fc", f"Bearer {KEY} x"):
            headers = {"Authorization": header.encode()}
            assert server.get("/v1/models", headers=headers).status_code == 401
        headers = {"Authorization": f"bearer {KEY}"}
        assert server.get("/v1/models", headers=headers).status_code == 200


def test_without_keys_pages_of_others_are_kept_out(server: Served):
    assert code_of(server.get("/health", headers={"Host": "evil.example"})) == (403, "wrong_host")
    found = server.raw(b"", {"Origin": "https://evil.example"})
    assert code_of(found) == (403, "wrong_origin")
    own = {"Origin": server.url, "Content-Type": "a/b"}
    assert server.raw(b"", own).status_code == 415


def test_pages_of_others_may_be_let_in():
    origin = "https://app.example"
    with serving(cors_origins=(origin,)) as server:
        found = server.get("/v1/models", headers={"Origin": origin})
        assert found.headers["Access-Control-Allow-Origin"] == origin
        other = server.get("/v1/models", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
        assert server.raw(b"", {"Origin": origin}).status_code == 415


def test_no_page_of_others_is_let_in_by_default(server: Served):
    found = server.get("/v1/models", headers={"Origin": "https://app.example"})
    assert "Access-Control-Allow-Origin" not in found.headers


def test_not_ready_until_the_model_is_there():
    models = CountingModels()
    models.may_load.clear()
    with serving(models, waits=False) as server:
        assert server.get("/health").status_code == 200
        assert code_of(server.get("/ready")) == (503, "not_ready")
        found = server.post()
        assert code_of(found) == (503, "not_ready")
        assert found.headers["Retry-After"] == "5"
        models.may_load.set()
        until(lambda: server.get("/ready").status_code == 200)
        assert server.post().status_code == 200


def test_a_model_that_cannot_be_had_ends_the_server():
    models = CountingModels()
    models.failure = UnknownModelError("no model 'bse'; did you mean base?")
    with serving(models, waits=False) as server:
        until(lambda: not server.thread.is_alive())
    assert [str(error) for error in server.errors] == [str(models.failure)]
    assert models.is_closed


def test_warmup_comes_before_the_first_request():
    with serving(warms_up=True) as server:
        assert server.models.whisper.n_warmups == 1


def test_addresses_that_cannot_be_had(server: Served):
    port = int(server.url.rpartition(":")[2])
    for host, number in (("127.0.0.1", port), ("no.such.host.invalid", 0), ("127.0.0.1", 99_999)):
        with pytest.raises(OptionError, match="cannot listen"):
            listen(host, number)


@pytest.mark.parametrize(
    "settings",
    [
        {"models": ()},
        {"aliases": {"a": "b"}},
        {"aliases": {"base": "base"}},
        {"max_upload_bytes": 0},
        {"max_duration_s": 0.0},
        {"requests_per_minute": 0},
        {"cors_origins": ("example.org",)},
        {"stop_timeout_s": -1.0},
    ],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(OptionError):
        ServerSettings(**settings)


def test_keys_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n{KEY}\n  {OTHER_KEY} \n")
    assert read_keys(path) == [KEY, OTHER_KEY]
    path.write_text("# none\n")
    for wrong in (path, tmp_path / "missing"):
        with pytest.raises(OptionError):
            read_keys(wrong)
    with pytest.raises(OptionError, match="16 or more"):
        ApiKeys(["short"])


@pytest.fixture(scope="module")
def server():
    with serving(CountingModels(("counting", "other"))) as served:
        yield served
