"""Rooms: one speaks, others listen, early, late and slowly."""

import json
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from live_client import PlainClient, seqs, talking, text_of
from live_fake import FakeLive, serving_live, speech
from openai import OpenAI
from served import Served, until
from test_live_openai import b64
from websockets.exceptions import InvalidStatus


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Served, FakeLive]]:
    with serving_live(max_viewers=3) as found:
        yield found


def listed(server: Served) -> dict[str, dict]:
    return {room["room"]: room for room in server.get("/v1/rooms").json()["data"]}


def test_viewers_get_what_is_heard(running):
    server, _ = running
    with talking(server, room="Saal 1", language="de") as speaker:
        until(lambda: "Saal 1" in listed(server))
        assert listed(server)["Saal 1"]["language"] == "de"
        with talking(server, "/v1/rooms/Saal%201") as early:
            assert (early.first["type"], early.first["segments"]) == ("room", [])
            until(lambda: listed(server)["Saal 1"]["viewers"] == 1)
            speaker.send(speech(0.5, 0.5, 0, 0.5).tobytes())
            early.until("segment_done")
            early.until("tentative")
            with talking(server, "/v1/rooms/Saal%201") as late:
                assert [one["text"] for one in late.first["segments"]] == [" w0 w1"]
                assert late.first["under_way"] == [
                    {"segment": 1, "committed": "", "tentative": " w3"}
                ]
                speaker.command("finish")
                assert text_of(late.rest()) == " w3"
                assert late.close_code == 1000
            assert text_of(early.rest()) == " w0 w1 w3"
            assert seqs(late.messages) == seqs(early.messages)[-len(seqs(late.messages)) :]
        speaker.rest()
    until(lambda: "Saal 1" not in listed(server))


def test_rooms_as_server_sent_events(running):
    server, _ = running
    with talking(server, room="sse") as speaker:
        speaker.send(speech(0.5, 0.5, 0).tobytes())
        speaker.until("segment_done")
        with httpx.stream("GET", f"{server.url}/v1/rooms/sse", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            speaker.command("finish")
            events = [part for part in "".join(answer.iter_text()).split("\n\n") if part]
    ids = [int(event.partition("\n")[0].removeprefix("id: ")) for event in events]
    bodies = [json.loads(event.partition("data: ")[2]) for event in events]
    assert [body["type"] for body in bodies] == ["room", "stream_ended"]
    assert bodies[0]["segments"][0]["text"] == " w0 w1"
    assert ids == sorted(set(ids))


def test_a_viewer_that_comes_back_goes_on_where_it_was(running):
    server, _ = running
    with talking(server, room="again") as speaker:
        speaker.send(speech(0.5, 0.5, 0, 0.5, 0).tobytes())
        speaker.until("segment_done")
        speaker.until("segment_done")
        numbers = seqs(speaker.messages)
        for path in (f"/v1/rooms/again?after={numbers[2]}",):
            with talking(server, path) as viewer:
                found = [viewer.first["seq"]]
                speaker.command("finish")
                found += seqs(viewer.rest())
        tentative = [m["seq"] for m in speaker.messages if m["type"] == "tentative"][:-1]
        assert found == [
            n for n in [*numbers, numbers[-1] + 1] if n > numbers[2] and n not in tentative
        ]
        speaker.rest()


def test_rooms_of_their_own(running):
    server, live = running
    n_before = len(live.streams)
    with (
        talking(server, room="a", language="en") as one,
        talking(server, room="b", language="fr", model="other") as two,
    ):
        for speaker, level in ((one, (0.5, 0, 0)), (two, (0, 0.5, 0))):
            speaker.send(speech(*level).tobytes())
        found = [speaker.until("segment_done")["segment"] for speaker in (one, two)]
        rooms = listed(server)
        assert {rooms["a"]["model"], rooms["b"]["model"]} == {"counting", "other"}
        with pytest.raises(InvalidStatus) as taken, talking(server, room="a"):
            pass
        assert taken.value.response.status_code == 409
        for speaker in (one, two):
            speaker.command("finish")
            speaker.rest()
    assert [(s["text"], s["language"]) for s in found] == [(" w0", "en"), (" w1", "fr")]
    assert len(live.streams) == n_before + 2


@pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")
def test_a_realtime_session_may_speak_in_a_room(running):
    server, _ = running
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key="none") as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        connection.send(
            {
                "type": "session.update",
                "session": {
                    "type": "transcription",
                    "whisper_jax": {"room": "talk", "tentative": True},
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcm", "rate": 16000},
                            "turn_detection": None,
                        }
                    },
                },
            }
        )
        connection.input_audio_buffer.append(audio=b64(speech(0.5, 0.5)))
        until(lambda: "talk" in listed(server))
        with talking(server, "/v1/rooms/talk") as viewer:
            connection.input_audio_buffer.commit()
            viewer.until("segment_done")
            connection.input_audio_buffer.append(audio=b64(speech(0, 0.5)))
            connection.input_audio_buffer.commit()
            second = viewer.until("segment_done")["segment"]
            # Two streams of the session, one line of time.
            assert (second["id"], second["start"]) == (1, 3.0)
            connection.close()
            assert viewer.rest()[-1]["type"] == "stream_ended"
    until(lambda: "talk" not in listed(server))


def test_no_such_room_and_too_many_viewers(running):
    server, _ = running
    assert server.get("/v1/rooms/nowhere").status_code == 404
    with pytest.raises(InvalidStatus) as missing, talking(server, "/v1/rooms/nowhere"):
        pass
    assert missing.value.response.status_code == 404
    with talking(server, room="full") as speaker:
        viewers: list[PlainClient] = []
        with (
            talking(server, "/v1/rooms/full") as a,
            talking(server, "/v1/rooms/full") as b,
            talking(server, "/v1/rooms/full") as c,
        ):
            viewers += [a, b, c]
            with pytest.raises(InvalidStatus) as full, talking(server, "/v1/rooms/full"):
                pass
            assert full.value.response.status_code == 503
            assert full.value.response.headers["Retry-After"] == "10"
        speaker.command("finish")
        speaker.rest()
