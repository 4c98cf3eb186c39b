"""OpenAI's own client, unchanged, against realtime transcription."""

import asyncio
import base64
from collections.abc import Iterator

import pytest
from live_fake import FakeLive, events_of, serving_live, speech
from openai import AsyncOpenAI, OpenAI
from served import Served

# The client's own use of its WebSocket library.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")

KEY = "a-key-that-nobody-guesses"


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Served, FakeLive]]:
    with serving_live() as found:
        yield found


def client_of(server: Served, key: str = "none") -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def b64(samples) -> str:
    return base64.b64encode(samples.tobytes()).decode()


def until_type(connection, kind: str) -> list[dict]:
    """Events up to the first of a type."""
    found: list[dict] = []
    while not found or found[-1]["type"] != kind:
        found.append(connection.recv().to_dict(warnings=False))
    return found


TRANSCRIPTION = {"intent": "transcription"}
DONE = "conversation.item.done"
PREFIX = "conversation.item.input_audio_transcription."


def test_a_session_with_pauses(running):
    server, live = running
    with client_of(server).realtime.connect(extra_query=TRANSCRIPTION) as connection:
        created = connection.recv()
        assert created.type == "session.created"
        assert created.session.type == "transcription"
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "whisper-1", "language": "de", "prompt": "Hi"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
                    }
                },
            }
        )
        session = connection.recv().to_dict(warnings=False)["session"]
        assert session["audio"]["input"]["transcription"]["language"] == "de"
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 700,
        }
        # 20 ms at a time, as microphones have it; a little more since the resampler keeps some.
        audio = speech(0, 0.5, 0.5, 0, 0.5, 0, 0, rate=24_000)
        for start in range(0, len(audio), 480):
            connection.input_audio_buffer.append(audio=b64(audio[start : start + 480]))
        events = until_type(connection, DONE) + until_type(connection, DONE)
    options = live.streams[-1].options
    assert (options.language, options.initial_prompt, options.silence_s) == ("de", "Hi", 0.7)
    (first, second) = events_of(events, PREFIX + "completed")
    assert (first["transcript"], second["transcript"]) == ("w1 w2", "w4")
    assert first["usage"] == {"type": "duration", "seconds": 2.0}
    deltas = [e["delta"] for e in events_of(events, PREFIX + "delta")]
    assert deltas == ["w1", " w2", "w4"]
    assert not events_of(events, PREFIX + "tentative")
    started, stopped = (
        events_of(events, f"input_audio_buffer.speech_{what}") for what in ("started", "stopped")
    )
    assert [e["audio_start_ms"] for e in started] == [1000, 4000]
    assert [e["audio_end_ms"] for e in stopped] == [3000, 5000]
    committed = events_of(events, "input_audio_buffer.committed")
    items = [e["item_id"] for e in started]
    assert [e["item_id"] for e in committed] == items
    assert [e.get("previous_item_id") for e in committed] == [None, items[0]]
    done = events_of(events, DONE)
    assert [e["item"]["id"] for e in done] == items
    assert done[0]["item"]["content"][0]["transcript"] == "w1 w2"
    assert len({e["event_id"] for e in events}) == len(events)


def test_turns_that_the_client_commits(running):
    server, _ = running
    with client_of(server).realtime.connect(extra_query=TRANSCRIPTION) as connection:
        connection.recv()
        connection.session.update(
            session={
                "type": "transcription",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 16000},
                        "turn_detection": None,
                    }
                },
            }
        )
        assert (
            connection.recv().to_dict(warnings=False)["session"]["audio"]["input"]["turn_detection"]
            is None
        )
        connection.input_audio_buffer.commit()
        error = connection.recv().to_dict(warnings=False)["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"
        for levels, text in (((0.5, 0, 0.5), "w0 w2"), ((0, 0), ""), ((0.5,), "w0")):
            connection.input_audio_buffer.append(audio=b64(speech(*levels)))
            connection.input_audio_buffer.commit()
            events = until_type(connection, DONE)
            kinds = [event["type"] for event in events]
            assert "input_audio_buffer.speech_started" not in kinds
            assert events_of(events, PREFIX + "completed")[0]["transcript"] == text
            assert "".join(e["delta"] for e in events_of(events, PREFIX + "delta")) == text
        connection.input_audio_buffer.append(audio=b64(speech(0.5, 0.5)))
        connection.input_audio_buffer.clear()
        until_type(connection, "input_audio_buffer.cleared")
        connection.input_audio_buffer.append(audio=b64(speech(0, 0.5)))
        connection.input_audio_buffer.commit()
        assert (
            events_of(until_type(connection, DONE), PREFIX + "completed")[0]["transcript"] == "w1"
        )


def test_the_asynchronous_client(running):
    server, _ = running

    async def talk() -> str:
        client = AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        async with client.realtime.connect(extra_query=TRANSCRIPTION) as connection:
            audio = speech(0.5, 0.5, 0, 0, rate=24_000)
            for start in range(0, len(audio), 2400):
                await connection.input_audio_buffer.append(audio=b64(audio[start : start + 2400]))
            async for event in connection:
                if event.type == PREFIX + "completed":
                    return event.transcript
        return ""

    assert asyncio.run(talk()) == "w0 w1"


def test_settings_that_change_while_somebody_speaks(running):
    server, live = running
    with client_of(server).realtime.connect(extra_query=TRANSCRIPTION) as connection:
        connection.recv()
        for model, language in (("whisper-1", "en"), ("other", "fr")):
            transcription = {"model": model, "language": language}
            connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcm", "rate": 16000},
                            "transcription": transcription,
                        }
                    },
                }
            )
            connection.input_audio_buffer.append(audio=b64(speech(0.5, 0.5)))
        connection.input_audio_buffer.append(audio=b64(speech(0)))
        events = until_type(connection, DONE) + until_type(connection, DONE)
    # The first stream ended with all that it had heard; the second goes on in time.
    texts = [e["transcript"] for e in events_of(events, PREFIX + "completed")]
    assert texts == ["w0 w1", "w0 w1"]
    starts = events_of(events, "input_audio_buffer.speech_started")
    assert [e["audio_start_ms"] for e in starts] == [0, 2000]
    assert [stream.options.language for stream in live.streams[-2:]] == ["en", "fr"]
    assert {"counting", "other"} <= set(server.models.used)


def test_keys_for_a_short_time():
    with serving_live(keys=keys()) as (server, live):
        transcription = {"model": "whisper-1", "language": "ja"}
        with client_of(server, KEY) as client:
            secret = client.realtime.client_secrets.create(
                expires_after={"anchor": "created_at", "seconds": 60},
                session={
                    "type": "transcription",
                    "audio": {"input": {"transcription": transcription}},
                },
            )
        assert secret.value.startswith("ek_")
        with client_of(server, secret.value).realtime.connect() as connection:
            session = connection.recv().to_dict(warnings=False)["session"]
            assert session["audio"]["input"]["transcription"]["language"] == "ja"
            connection.input_audio_buffer.append(audio=b64(speech(0.5, 0, 0, rate=24_000)))
            until_type(connection, DONE)
        assert live.owners[-1].startswith("key-")
        # It opens WebSockets and nothing else.
        headers = {"Authorization": f"Bearer {secret.value}"}
        assert server.get("/v1/models", headers=headers).status_code == 401


def keys():
    from whisper_jax.server.keys import ApiKeys

    return ApiKeys([KEY])
