"""Live streams: who may come in, how many, how fast, and what ends a stream alone."""

import io
import json
import logging
import socket
import threading
import time
from contextlib import suppress

import pytest
import served
from live_client import PlainClient, refusal, talking, text_of
from live_fake import RATE, serving_live, speech
from served import until
from test_live_openai import b64
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from whisper_jax.errors import DownloadError, EngineError
from whisper_jax.server import protocol, run
from whisper_jax.server.keys import ApiKeys
from whisper_jax.server.live import outbox
from whisper_jax.server.logs import LOGGER, JsonFormatter

KEY = "a-key-that-nobody-guesses"
OTHER_KEY = "another-one-of-them"
PATHS = ("/v1/live", "/v1/realtime", "/v1/rooms/a", "/v1/nothing")


def test_without_a_key_nobody_comes_in():
    with serving_live(keys=ApiKeys([KEY])) as (server, live):
        for path in PATHS:
            assert refusal(server, path) == (401, "invalid_api_key")
            assert refusal(server, path, key="wrong-key-wrong-key") == (401, "invalid_api_key")
            assert refusal(server, path, key="ek_0123456789") == (401, "invalid_api_key")
        with talking(server, key=KEY) as client:
            client.command("finish")
            client.rest()
        assert live.owners[0].startswith("key-")


def test_browsers_send_keys_as_subprotocols():
    with serving_live(keys=ApiKeys([KEY])) as (server, _):
        offered = ["realtime", f"openai-insecure-api-key.{KEY}"]
        with talking(server, subprotocols=offered) as client:
            assert client.connection.subprotocol == "realtime"
            client.command("finish")
            client.rest()
        offered[1] = "openai-insecure-api-key.wrong"
        assert refusal(server, subprotocols=offered)[0] == 401


def test_keys_for_a_short_time_expire_and_have_limits():
    with serving_live(keys=ApiKeys([KEY]), max_streams_per_key=1) as (server, live):
        headers = {"Authorization": f"Bearer {KEY}"}
        path = "/v1/realtime/transcription_sessions"

        def create(body: object, at: str = path) -> tuple[int, dict]:
            answer = server.raw(json.dumps(body).encode(), headers, at)
            return answer.status_code, answer.json()

        status, body = create({"input_audio_transcription": {"language": "fr"}})
        assert (status, body["input_audio_transcription"]["language"]) == (200, "fr")
        secret = body["client_secret"]["value"]
        with talking(server, key=secret), talking_refused(server, KEY):
            # What is opened with it counts towards the key that it was made with.
            assert live.owners[-1] == live.owners[0]
        for wrong in (
            {"client_secret": {"expires_at": {"seconds": 1}}},
            {"client_secret": {"expires_at": {"anchor": "now"}}},
            {"client_secret": {"expires_at": {"hours": 1}}},
            {"wat": 1},
            [],
        ):
            assert create(wrong)[0] == 400
        assert create({"session": {"type": "realtime"}}, "/v1/realtime/client_secrets")[0] == 400
        model = {"audio": {"input": {"transcription": {"model": "x"}}}, "type": "transcription"}
        assert create({"session": model}, "/v1/realtime/client_secrets")[0] == 404


class talking_refused:  # noqa: N801
    """Nothing may be opened with a key for the block."""

    def __init__(self, server, key: str) -> None:
        assert refusal(server, key=key) == (429, "too_many_streams")

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_pages_of_others_are_kept_out():
    with serving_live(cors_origins=("https://app.example",)) as (server, _):
        for path in PATHS:
            wrong = {"Origin": "https://evil.example"}
            assert refusal(server, path, headers=wrong) == (403, "wrong_origin")
        for origin in (server.url, "https://app.example"):
            with talking(server, headers={"Origin": origin}) as client:
                client.command("finish")
                client.rest()
    with serving_live(keys=ApiKeys([KEY])) as (server, _):
        wrong = {"Origin": "https://evil.example"}
        assert refusal(server, key=KEY, headers=wrong) == (403, "wrong_origin")


def test_there_are_only_so_many_streams():
    with (
        serving_live(keys=ApiKeys([KEY, OTHER_KEY]), max_streams=2, max_streams_per_key=1) as (
            server,
            _,
        ),
        talking(server, key=KEY) as client,
    ):
        assert refusal(server, key=KEY) == (429, "too_many_streams")
        assert refusal(server, "/v1/realtime", key=KEY) == (429, "too_many_streams")
        with talking(server, "/v1/realtime", key=OTHER_KEY):
            assert refusal(server, key=KEY)[0] == 429
        client.command("finish")
        client.rest()
        until(lambda: can_open(server, KEY))


def can_open(server, key: str) -> bool:
    try:
        with talking(server, key=key) as client:
            client.command("finish")
            client.rest()
        return True
    except Exception:
        return False


def test_a_session_is_its_owners_alone():
    with (
        serving_live(keys=ApiKeys([KEY, OTHER_KEY])) as (server, _),
        talking(server, key=KEY) as client,
    ):
        session = client.first["session"]
        assert refusal(server, key=OTHER_KEY, session=session) == (404, "session_not_found")


def test_plain_requests_are_told_what_the_path_is_for():
    with serving_live() as (server, _):
        for path in ("/v1/live", "/v1/realtime"):
            answer = server.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (426, "upgrade_required")
        assert refusal(server, "/v1/realtime", intent="conversation")[0] == 400
        assert refusal(server, "/v1/realtime", model="nope")[0] == 404
        assert refusal(server, "/v1/realtime", voice="alloy")[0] == 400


def test_a_page_learns_why_a_stream_was_refused():
    with serving_live(max_streams=2, max_streams_per_key=1, requests_per_minute=8) as (server, _):

        def why(**query: str) -> tuple[int, str, str | None]:
            answer = server.get("/v1/live", params=query)
            return (
                answer.status_code,
                answer.json()["error"]["code"],
                answer.headers.get("Retry-After"),
            )

        assert why(room="a") == (426, "upgrade_required", None)
        assert why(language="klingon")[:2] == (400, "invalid_value")
        assert why(model="nope")[:2] == (404, "model_not_found")
        assert why(session="nobody")[:2] == (404, "session_not_found")
        with talking(server, room="a") as client:
            assert why(room="b") == (429, "too_many_streams", "10")
            assert why(session=client.first["session"]) == (426, "upgrade_required", None)
            client.command("finish")
            client.rest()
        assert why(room="b")[0] == 426
        status, code, retry_after = why(room="b")
        assert (status, code) == (429, "rate_limit_exceeded")
        assert retry_after is not None
    with (
        serving_live(max_streams=1, max_streams_per_key=2) as (server, _),
        talking(server, room="a"),
    ):
        answer = server.get("/v1/live")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    with serving_live() as (server, _), talking(server, room="a"):
        answer = server.get("/v1/live", params={"room": "a"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "room_taken")


def test_who_sends_nothing_is_cut_off():
    with serving_live(stream_idle_timeout_s=0.3) as (server, live):
        with talking(server) as client:
            client.send(speech(0.5, 0.5).tobytes())
            messages = client.rest()
            assert client.close_code == 4003
            assert text_of(messages) == " w0 w1"
            assert "idle_timeout" in [m["error"]["code"] for m in messages if m.get("error")]
        with talking(server, "/v1/realtime") as client:
            assert [m["error"]["code"] for m in client.rest()] == ["idle_timeout"]
            assert client.close_code == 4003
        until(lambda: live.n_closed == 1)


@pytest.mark.parametrize("path", ["/v1/live", "/v1/realtime"])
def test_who_sends_too_fast_is_not_read_from(path):
    second = speech(0.5, rate=RATE if path == "/v1/live" else 24_000)
    event = {"type": "input_audio_buffer.append", "audio": b64(second)}
    message = second.tobytes() if path == "/v1/live" else json.dumps(event)
    sent: list[float] = []

    def send(client: PlainClient) -> None:
        with suppress(ConnectionClosed, OSError):
            for _ in range(1000):
                client.connection.send(message)
                sent.append(time.monotonic())

    with serving_live() as (server, live):
        live.gate.clear()
        with talking(server, path) as client:
            sender = threading.Thread(target=send, args=(client,), daemon=True)
            sender.start()
            until(lambda: bool(live.streams) and live.streams[0].backlog_s > 30)
            until(lambda: time.monotonic() - sent[-1] > 1)
            received_s = live.streams[0].received_s
            assert 30 < received_s < 33
            # The network's buffers hold what they can; the client waits.
            assert len(sent) < 900
            assert server.metric("whisper_jax_live_backlog_seconds") == received_s
            live.open_gate()
            until(lambda: live.streams[0].received_s > received_s + 60)
            client.connection.socket.shutdown(socket.SHUT_RDWR)
            sender.join(10)


def test_who_reads_too_slowly_holds_nobody_up(monkeypatch):
    def listen(host: str, port: int) -> socket.socket:
        listener = run.listen(host, port)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listener

    monkeypatch.setattr(served, "listen", listen)
    monkeypatch.setattr(outbox, "MOST_WAITING", 300)
    monkeypatch.setattr(protocol, "SEND_TIMEOUT_S", 0.5)
    with serving_live() as (server, _), talking(server, room="a") as speaker:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as lazy:
            lazy.sendall(
                b"GET /v1/rooms/a HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            until(lambda: viewers(server) == 1)
            n_segments = 0
            while viewers(server):
                assert n_segments < 400
                speaker.send(speech(*[0.5] * 20, 0).tobytes())
                speaker.until("segment_done")
                n_segments += 1
        assert n_segments > 5
        speaker.command("finish")
        assert len(text_of(speaker.rest()).split()) == 20 * n_segments


def viewers(server) -> float:
    return server.metric("whisper_jax_live_viewers")


def test_a_message_that_is_too_large_ends_the_connection_alone():
    with serving_live() as (server, live), talking(server) as other:
        with talking(server) as client:
            with suppress(ConnectionClosed):
                client.send(bytes(22 << 20))
            client.rest()
            # The answer may be lost, since the client still sends when the server closes.
            assert client.close_code in (1009, None)
        other.send(speech(0.5, 0).tobytes())
        assert other.until("segment_done")["segment"]["text"] == " w0"
        assert live.streams[1].state == "open"  # it may come back


def test_a_plain_message_has_a_limit_of_its_own():
    with serving_live() as (server, _), talking(server) as client:
        for message in (bytes((1 << 20) + 2), "x" * ((1 << 20) + 1)):
            client.connection.send(message)
            assert client.until("error")["error"]["code"] == "message_too_large"
        client.send(speech(0.5, 0).tobytes())
        assert client.until("segment_done")["segment"]["text"] == " w0"


def test_clients_that_vanish_free_their_places():
    with serving_live(resume_timeout_s=0.2) as (server, live):
        for path in ("/v1/live", "/v1/realtime"):
            for _ in range(3):
                with talking(server, path) as client:
                    client.connection.socket.close()
        until(lambda: server.metric("whisper_jax_live_streams") == 0)
        assert {stream.state for stream in live.streams} == {"ended"}


def test_what_the_device_does_ends_that_stream_alone():
    with serving_live() as (server, live):
        live.failure = EngineError("the device is gone")
        with talking(server) as client:
            client.send(speech(0.5).tobytes())
            assert client.rest()[-1]["error"]["code"] == "internal_error"
        live.failure = None
        with talking(server) as client:
            client.send(speech(0.5, 0).tobytes())
            assert client.until("segment_done")["segment"]["text"] == " w0"
        server.models.failure = DownloadError("no network")
        assert refusal(server, model="other") == (503, "model_unavailable")
        until(lambda: server.metric("whisper_jax_live_streams") == 1)


def test_before_the_model_is_there_nothing_begins():
    with serving_live(waits=False, names=("slow",)) as (server, _):
        server.models.may_load.clear()
        until(lambda: server.get("/health").status_code == 200)
        if server.get("/ready").status_code == 503:
            assert refusal(server) == (503, "not_ready")
        server.models.may_load.set()


def test_a_server_that_stops_commits_what_there_is():
    with serving_live(stop_timeout_s=5.0) as (server, live):
        with talking(server) as plain, talking(server, "/v1/realtime") as realtime:
            plain.send(speech(0.5, 0.5).tobytes())
            plain.until("committed")
            audio = b64(speech(0.5, 0.5, rate=24_000))
            realtime.command("input_audio_buffer.append", audio=audio)
            realtime.until("input_audio_buffer.speech_started")
            server.stop.set()
            assert text_of(plain.rest()) == " w0 w1"
            assert plain.messages[-1]["type"] == "stream_ended"
            done = [m["transcript"] for m in realtime.rest() if m["type"].endswith(".completed")]
            assert done == ["w0 w1"]
            assert (plain.close_code, realtime.close_code) == (1012, 1012)
        server.thread.join(10)
        assert not server.thread.is_alive()
        assert live.n_closed == 1


def test_a_server_that_stops_does_not_wait_for_ever():
    with serving_live(stop_timeout_s=0.2) as (server, live):
        live.gate.clear()
        with talking(server) as client:
            client.send(speech(0.5).tobytes())
            live.streams[0].finish = lambda: None  # it hangs
            server.stop.set()
            assert client.rest()[-1]["error"]["code"] == "server_stopping"
        server.thread.join(15)
        assert not server.thread.is_alive()


def test_metrics_and_logs_say_nothing_of_what_was_said():
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    LOGGER.addHandler(handler)
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    try:
        with serving_live() as (server, _):
            with talking(server, prompt="secret words", language="de") as client:
                client.send(speech(0.5, 0.5, 0).tobytes())
                client.until("segment_done")
                session = client.first["session"]
                client.command("finish")
                client.rest()
            until(lambda: '"status": 101' in lines.getvalue())
            text = server.get("/metrics").text
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
    (line,) = [
        json.loads(line) for line in lines.getvalue().splitlines() if '"status": 101' in line
    ]
    assert (line["path"], line["method"], line["model"]) == ("/v1/live", "WEBSOCKET", "counting")
    assert (line["audio_s"], line["received_bytes"]) == (3.0, 2 * 3 * RATE + 18)
    for secret in ("w0", "secret", session):
        assert secret not in lines.getvalue()
    assert 'whisper_jax_live_audio_seconds_total{model="counting"} 3.0' in text
    assert "whisper_jax_live_commit_delay_seconds_count 2.0" in text
    assert 'method="WEBSOCKET",path="/v1/live",status="101"' in text


def test_compression_is_not_used():
    with serving_live() as (server, _):
        url = server.url.replace("http", "ws") + "/v1/live"
        with connect(url, compression="deflate") as connection:
            assert connection.protocol.extensions == []
            PlainClient(connection).command("finish")
