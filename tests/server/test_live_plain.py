"""The plain protocol: audio in, lines of JSON out, also after a reconnect."""

import base64
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_client import seqs, talking, text_of
from live_fake import RATE, FakeLive, events_of, serving_live, speech
from served import Served, until
from websockets.exceptions import InvalidStatus

AUDIO = speech(0, 0.5, 0.5, 0, 0.5, 0.5, 0)
TEXT = " w1 w2 w4 w5"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Served, FakeLive]]:
    with serving_live(max_streams=100, max_streams_per_key=100) as found:
        yield found


def test_a_stream_from_its_beginning_to_its_end(running):
    server, live = running
    with talking(server, language="German", interval_s=0.7, prompt="Hi", adapts="false") as client:
        assert client.first["type"] == "session"
        assert client.first["received_samples"] == 0
        assert (client.first["model"], client.first["language"]) == ("counting", "de")
        for start in range(0, len(AUDIO), 500):
            client.send(AUDIO[start : start + 500].tobytes())
        client.command("finish")
        messages = client.rest()
    assert client.close_code == 1000
    assert seqs(messages) == list(range(1, len(messages) + 1))
    kinds = [message["type"] for message in messages if message["type"] != "tentative"]
    one = ["speech_started", "committed", "speech_stopped", "committed", "segment_done"]
    assert kinds == [*one, *one, "stream_ended"]
    assert text_of(messages) == TEXT
    done = events_of(messages, "segment_done")[1]["segment"]
    assert (done["id"], done["start"], done["end"], done["text"]) == (1, 4.0, 6.0, " w4 w5")
    assert done["words"][0] == {"word": " w4", "start": 4.1, "end": 4.9, "probability": 0.5}
    assert messages[-1]["error"] is None
    options = live.streams[-1].options
    assert (options.language, options.interval_s, options.initial_prompt) == ("de", 0.7, "Hi")
    assert options.adapts is False


@pytest.mark.parametrize(
    ("query", "dtype", "scale"),
    [
        ({"rate": 48000}, "<i2", 1),
        ({"encoding": "float32"}, "<f4", 1 / 32768),
        ({"encoding": "float32", "rate": 8000}, "<f4", 1 / 32768),
    ],
)
def test_encodings_and_rates(running, query, dtype, scale):
    server, _ = running
    audio = speech(0, 0.5, 0.5, 0, 0, rate=query.get("rate", RATE))
    with talking(server, **query) as client:
        data = (audio * scale).astype(dtype).tobytes()
        for start in range(0, len(data), 4999):
            client.send(data[start : start + 4999])
        client.command("finish")
        assert text_of(client.rest()) == " w1 w2"


def test_commands(running):
    server, _ = running
    with talking(server) as client:
        client.send(speech(0.5, 0.5).tobytes())
        client.command("commit")
        assert client.until("segment_done")["segment"]["text"] == " w0 w1"
        client.command("audio", audio=base64.b64encode(speech(0.5).tobytes()).decode())
        client.until("tentative")
        client.command("clear")
        assert client.until("segment_done")["segment"]["text"] == ""
        client.command("status")
        status = client.until("status")
        assert (status["received_samples"], status["backlog_s"]) == (3 * RATE, 0)
        client.command("finish")
        client.rest()


def placed(start: int, end: int) -> bytes:
    return struct.pack("<Q", start) + AUDIO[start:end].tobytes()


def test_lost_late_and_doubled_audio(running):
    server, live = running
    step = RATE // 10
    with talking(server, framing="positions") as client:
        order = [(i, i + 1) for i in range(70) if i not in (31, 32)]
        order[5], order[6] = order[6], order[5]
        order[50:50] = [(44, 49), (10, 12)]
        for start, end in order:
            client.send(placed(start * step, end * step))
        client.command("status")
        assert client.until("status")["received_samples"] == len(AUDIO)
        client.command("finish")
        messages = client.rest()
    assert text_of(messages) == TEXT
    (lost,) = events_of(messages, "audio_lost")
    assert (lost["position"], lost["samples"]) == (31 * step, 2 * step)
    heard = np.concatenate(live.streams[-1].heard)
    expected = AUDIO.astype(np.float32) / 32768
    expected[31 * step : 33 * step] = 0
    np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("{", "invalid_json"),
        ("[1]", "invalid_json"),
        ('{"a": 1}', "missing_field"),
        ('{"type": "hello"}', "invalid_value"),
        ('{"type": "audio"}', "invalid_value"),
        ('{"type": "audio", "audio": "!"}', "invalid_value"),
        ('{"type": "audio", "audio": "AAA=", "position": "x"}', "invalid_value"),
        ('{"type": "audio", "audio": "AAA=", "position": 99999999999}', "invalid_value"),
    ],
)
def test_garbage_is_answered_and_the_stream_goes_on(running, command, code):
    server, _ = running
    with talking(server) as client:
        client.connection.send(command)
        assert client.until("error")["error"]["code"] == code
        client.send(AUDIO.tobytes())
        client.command("finish")
        client.send(b"more")
        assert text_of(client.rest()) == TEXT


def test_binary_garbage(running):
    server, _ = running
    with talking(server, framing="positions") as client:
        for data in (b"", b"1234567", b"\xff" * 8 + b"ab", struct.pack("<Q", 0) + b"odd"):
            client.send(data)
            assert client.until("error")["error"]["type"] == "invalid_request_error"
        client.send(placed(0, len(AUDIO)))
        client.command("finish")
        assert text_of(client.rest()) == TEXT


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"model": "nope"}, 404, "model"),
        ({"language": "klingon"}, 400, "language"),
        ({"encoding": "mp3"}, 400, "encoding"),
        ({"rate": 1}, 400, "rate"),
        ({"rate": "x"}, 400, "rate"),
        ({"interval_s": 99}, 400, "interval_s"),
        ({"framing": "xml"}, 400, "framing"),
        ({"wat": 1}, 400, "wat"),
        ({"room": "a*b"}, 400, "room"),
        ({"session": "nobody"}, 404, "session"),
        ({"after": 3}, 400, "session"),
        ({"session": "x", "language": "de"}, 400, "language"),
    ],
)
def test_what_cannot_be_honoured_is_refused_before_it_begins(running, query, status, param):
    server, live = running
    n_before = len(live.streams)
    with pytest.raises(InvalidStatus) as refused, talking(server, **query):
        pass
    response = refused.value.response
    assert response.status_code == status
    assert f'"param":"{param}"'.encode() in (response.body or b"")
    assert len(live.streams) == n_before


def test_a_client_that_comes_back_misses_nothing(running):
    server, live = running
    n_before = len(live.streams)
    with talking(server) as client:
        session = client.first["session"]
        client.send(AUDIO[: 2 * RATE + 100].tobytes() + b"\x01")
        seen = [client.until("tentative")]
        client.connection.socket.close()  # without a word
    with talking(server, session=session, after=seen[-1]["seq"]) as client:
        received = client.first["received_samples"]
        assert received == 2 * RATE + 100
        client.send(AUDIO[received : received + 3 * RATE].tobytes())
        client.until("speech_stopped")
        after = client.messages[-1]["seq"]
        received += 3 * RATE
        with talking(server, session=session, after=after) as other:
            assert other.first["received_samples"] == received
            assert client.rest() is not None
            assert client.close_code == 4001
            other.send(AUDIO[received:].tobytes())
            other.command("finish")
            rest = other.rest()
    messages = client.messages[: seqs(client.messages).index(after) + 1] + rest
    assert text_of(messages) == TEXT
    numbers = seqs(messages)
    assert numbers == sorted(set(numbers))
    assert len(live.streams) == n_before + 1
    np.testing.assert_array_equal(
        np.concatenate(live.streams[-1].heard), AUDIO.astype(np.float32) / 32768
    )


@settings(max_examples=12, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    resends=st.integers(0, 3),
)
def test_reconnects_at_any_place_lose_and_double_nothing(running, cuts, resends):
    """The client forgets what was told after a random event, and resends a little audio."""
    server, _ = running
    step = RATE // 4
    query: dict = {"framing": "positions"}
    committed: dict[int, dict] = {}
    position = 0
    for cut in [*cuts, None]:
        with talking(server, **query) as client:
            position = max(0, client.first["received_samples"] - resends * step)
            end = len(AUDIO) if cut is None else min(len(AUDIO), position + cut * step)
            for start in range(position, end, step):
                client.send(placed(start, min(start + step, end)))
            if cut is None:
                client.command("finish")
                told = client.rest()
            else:
                client.command("status")
                client.until("status")
                told = client.messages
            query = {"session": client.first["session"], "framing": "positions"}
            del query["framing"]
            for message in told:
                if "seq" in message:
                    assert message["seq"] not in committed
                    committed[message["seq"]] = message
            query["after"] = max(committed, default=0)
    assert text_of([committed[seq] for seq in sorted(committed)]) == TEXT


def test_who_does_not_come_back_is_finished():
    with serving_live(resume_timeout_s=0.3) as (server, live):
        with talking(server) as client:
            client.send(speech(0.5, 0.5).tobytes())
            client.until("committed")
            session = client.first["session"]
        until(lambda: live.streams[0].state == "ended")
        assert server.metric("whisper_jax_live_streams") == 0
        until(lambda: live.n_closed == 1)
        # For a moment the last events can still be had.
        with talking(server, session=session, after=0) as client:
            assert text_of(client.rest()) == " w0 w1"
        time.sleep(0.5)
        with pytest.raises(InvalidStatus), talking(server, session=session):
            pass
