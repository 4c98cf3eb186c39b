"""The realtime protocol without sockets: whatever comes, what is said hangs together."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_segments import live_segment

from whisper_jax.errors import EngineError
from whisper_jax.server.live.actions import Action, Begin, Do, Hear, Say
from whisper_jax.server.live.realtime import MAX_APPEND_BYTES, RealtimeSession
from whisper_jax.server.live.realtime_fields import DELAYS, RealtimeSettings
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)

TRANSCRIPTION = "conversation.item.input_audio_transcription."
MODELS = ("whisper-1", "base")


def session(**changes: Any) -> RealtimeSession:
    made = RealtimeSettings(transcription={"model": "whisper-1"}, **changes)
    return RealtimeSession(made, MODELS.__contains__)


def said(actions: list[Action]) -> list[dict[str, Any]]:
    return [action.event for action in actions if isinstance(action, Say)]


def send(target: RealtimeSession, kind: str, **fields: Any) -> list[Action]:
    return list(target.receive(json.dumps({"type": kind, "event_id": "e1"} | fields)))


def append(target: RealtimeSession, n_ms: int = 1000) -> list[Action]:
    audio = base64.b64encode(bytes(48 * n_ms)).decode()
    return send(target, "input_audio_buffer.append", audio=audio)


def update(target: RealtimeSession, **audio_input: Any) -> list[Action]:
    asked = {"type": "transcription", "audio": {"input": audio_input}}
    return send(target, "session.update", session=asked)


def error_of(actions: list[Action]) -> dict[str, Any]:
    (event,) = said(actions)
    assert event["type"] == "error", event
    assert event["error"]["event_id"] == "e1"
    return event["error"]


@pytest.mark.parametrize(
    ("audio_input", "param"),
    [
        ({"noise_reduction": {"type": "near_field"}}, "noise_reduction"),
        ({"turn_detection": {"type": "semantic_vad"}}, "turn_detection.type"),
        ({"turn_detection": {"type": "other"}}, "turn_detection.type"),
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "turn_detection.threshold"),
        (
            {"turn_detection": {"type": "server_vad", "silence_duration_ms": 20}},
            "turn_detection.silence_duration_ms",
        ),
        ({"turn_detection": {"type": "server_vad", "create_response": True}}, "create_response"),
        ({"turn_detection": {"type": "server_vad", "wat": 1}}, "turn_detection.wat"),
        ({"transcription": {"model": "gpt-9"}}, "transcription.model"),
        ({"transcription": {"language": "klingon"}}, "transcription.language"),
        ({"transcription": {"languages": ["de", "en"]}}, "transcription.languages"),
        ({"transcription": {"delay": "soon"}}, "transcription.delay"),
        ({"transcription": {"prompt": 7}}, "transcription.prompt"),
        ({"format": {"type": "audio/mp3"}}, "format.type"),
        ({"format": {"type": "audio/pcm", "rate": 4000}}, "format.rate"),
        ({"format": "pcm16"}, "format"),
        ({"voice": "alloy"}, "input.voice"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(audio_input, param):
    target = session()
    before = target.settings
    error = error_of(update(target, **audio_input))
    assert error["param"].startswith("session.audio.input")
    assert error["param"].endswith(param)
    assert target.settings == before


@pytest.mark.parametrize(
    "given",
    [
        {"type": "realtime"},
        {"type": "transcription", "instructions": "be kind"},
        {"type": "transcription", "include": ["item.input_audio_transcription.logprobs"]},
        {"type": "transcription", "whisper_jax": {"best_of": 5}},
        {"type": "transcription", "whisper_jax": {"beam_size": 0}},
        {"type": "transcription", "whisper_jax": {"tentative": 1}},
        {"type": "transcription", "whisper_jax": {"room": "a/b"}},
        {"type": "transcription", "audio": []},
        [],
        "transcription",
    ],
)
def test_other_parts_are_refused_too(given):
    assert error_of(send(session(), "session.update", session=given))["code"]


def test_what_is_honoured_becomes_options():
    target = session()
    send(
        target,
        "session.update",
        session={
            "type": "transcription",
            "include": [],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "noise_reduction": None,
                    "transcription": {
                        "model": "base",
                        "languages": ["Greek"],
                        "prompt": "names",
                        "keywords": ["Jax ", "Whisper"],
                        "delay": "high",
                    },
                    "turn_detection": {"type": "server_vad", "threshold": 0.7},
                }
            },
            "whisper_jax": {"tentative": True, "task": "translate", "interval_s": 1.5},
        },
    )
    options = target.settings.live_options()
    assert (options.language, options.initial_prompt, options.hotwords) == (
        *("el", "names"),
        "Jax, Whisper",
    )
    assert (options.hold_back_s, options.vad_threshold) == (DELAYS["high"], 0.7)
    assert (options.task, options.interval_s, options.detects_pauses) == ("translate", 1.5, True)
    assert (target.settings.encoding, target.settings.rate) == ("mulaw", 8000)
    assert target.settings.tells_tentative
    # What is not given stays.
    update(target, transcription={"prompt": ""})
    assert target.settings.live_options().language == "el"


def test_the_former_dialect():
    target = session()
    former = {
        "input_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "base", "language": "en"},
        "input_audio_noise_reduction": None,
        "turn_detection": {"type": "server_vad", "prefix_padding_ms": 200},
    }
    (event,) = said(send(target, "transcription_session.update", session=former))
    assert event["type"] == "transcription_session.updated"
    assert event["session"]["input_audio_format"] == "g711_alaw"
    assert event["session"]["turn_detection"]["prefix_padding_ms"] == 200
    begin = append(target)[0]
    assert isinstance(begin, Begin)
    assert begin.options.prefix_padding_s == 0.2
    target.heard(0, SpeechStarted(segment=0, start_s=0.0))
    kinds = [e["type"] for e in said(target.heard(0, SpeechStopped(segment=0, end_s=1.0)))]
    assert kinds[-1] == "conversation.item.created"
    wrong = {"session": {"input_audio_format": "mp3"}}
    assert error_of(send(target, "transcription_session.update", **wrong))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type": NaN}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        (b"\x00\x01", "invalid_json"),
        ("{}", "missing_field"),
        ('{"type": 7}', "invalid_value"),
        ('{"type": "response.create"}', "unsupported_parameter"),
        ('{"type": "conversation.item.create"}', "unsupported_parameter"),
        ('{"type": "hello"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value"),
    ],
)
def test_garbage_is_answered_and_forgotten(message, code):
    target = session()
    (event,) = said(list(target.receive(message)))
    assert (event["type"], event["error"]["code"]) == ("error", code)
    assert event["error"]["type"] == "invalid_request_error"
    assert isinstance(append(target)[0], Begin)


def test_no_more_than_15_mib_are_taken_at_once():
    target = session()
    audio = "A" * (MAX_APPEND_BYTES * 4 // 3 + 8)
    error = error_of(send(target, "input_audio_buffer.append", audio=audio))
    assert error["code"] == "audio_too_long"


def test_much_audio_comes_in_pieces():
    target = session()
    pieces = [action.samples for action in append(target, 60_000) if isinstance(action, Hear)]
    assert sum(map(len, pieces)) == pytest.approx(60 * 16_000, abs=100)
    assert max(map(len, pieces)) <= 6 * 16_000


def test_a_stream_that_fails_says_so_and_another_one_begins():
    target = session()
    append(target)
    target.heard(0, SpeechStarted(segment=0, start_s=0.0))
    events = said(target.heard(0, StreamEnded(error=EngineError("the device is gone"))))
    assert [e["type"] for e in events][-1] == TRANSCRIPTION + "failed"
    assert events[-1]["error"]["code"] == "internal_error"
    begin = append(target)[0]
    assert isinstance(begin, Begin)
    assert (begin.stream, begin.start_s) == (1, pytest.approx(1.0, abs=0.03))


def test_a_failure_between_two_turns_is_an_error():
    target = session()
    append(target)
    (event,) = said(target.heard(0, StreamEnded(error=EngineError("gone"))))
    assert event["type"] == "error"


def test_tentative_text_is_told_to_those_who_ask():
    for asks in (False, True):
        target = session(tells_tentative=asks)
        append(target)
        target.heard(0, SpeechStarted(segment=0, start_s=0.0))
        events = said(target.heard(0, Tentative(segment=0, text=" Hel", heard_s=1.0)))
        assert [e["text"] for e in events] == (["Hel"] if asks else [])


def finished(number: int, text: str) -> SegmentDone:
    return SegmentDone(segment=live_segment(number, text))


TEXTS = st.lists(st.sampled_from([" one", " two.", " ", "\u4f60\u597d", " three "]), max_size=4)


def heard_in(number: int, texts: list[str], *, starts_next: bool) -> list[LiveEvent]:
    """What is told of a segment; the next may begin before it is done."""
    events: list[LiveEvent] = [
        Committed(segment=number, text=text, words=(), language="en", heard_s=1.0) for text in texts
    ]
    stopped: list[LiveEvent] = [SpeechStopped(segment=number, end_s=1.0)]
    if starts_next:
        stopped.append(SpeechStarted(segment=number + 1, start_s=1.5))
    middle = len(events) // 2
    return [*events[:middle], *stopped, *events[middle:], finished(number, "".join(texts))]


@settings(max_examples=150, deadline=None)
@given(
    segments=st.lists(TEXTS, min_size=1, max_size=4),
    steps=st.lists(
        st.sampled_from(["append", "commit", "clear", "language", "manual", "garbage"]),
        max_size=12,
    ),
)
def test_deltas_are_the_transcript_whatever_else_happens(segments, steps):
    target = session()
    append(target)
    events: list[dict[str, Any]] = []
    heard: list[LiveEvent] = [SpeechStarted(segment=0, start_s=0.0)]
    for number, texts in enumerate(segments):
        is_last = number == len(segments) - 1
        heard += heard_in(number, texts, starts_next=not is_last)
    heard.append(StreamEnded())
    turns = [*steps, *([None] * len(heard))][: len(heard)]
    for event, step in zip(heard, turns, strict=True):
        events += said(target.heard(0, event))
        events += said(take_step(target, step))
    for item, text in transcripts(events).items():
        deltas = [e["delta"] for e in events if of_item(e, item, "delta")]
        assert "".join(deltas) == text
        assert text == text.strip()
    own = [e for e in events if e["type"] == TRANSCRIPTION + "completed"]
    assert [e["transcript"] for e in own[: len(segments)]] == [
        "".join(texts).strip() for texts in segments
    ]
    committed = [e for e in events if e["type"] == "input_audio_buffer.committed"]
    # The items are a chain: each names the one before it.
    chain = [None, *(e["item_id"] for e in committed)]
    assert [e["previous_item_id"] for e in committed] == chain[:-1]
    assert len(set(chain)) == len(chain)


def take_step(target: RealtimeSession, step: str | None) -> list[Action]:
    match step:
        case "append":
            return append(target, 40)
        case "commit":
            return send(target, "input_audio_buffer.commit")
        case "clear":
            return send(target, "input_audio_buffer.clear")
        case "language":
            return update(target, transcription={"language": "de"})
        case "manual":
            return update(target, turn_detection=None)
        case "garbage":
            return list(target.receive("{"))
        case _:
            return []


def of_item(event: dict[str, Any], item: str, what: str) -> bool:
    return event["type"] == TRANSCRIPTION + what and event["item_id"] == item


def transcripts(events: list[dict[str, Any]]) -> dict[str, str]:
    return {
        e["item_id"]: e["transcript"] for e in events if e["type"] == TRANSCRIPTION + "completed"
    }


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.integers(0, 5), max_size=30), switches=st.booleans())
def test_no_audio_is_lost_or_sent_to_a_stream_that_has_finished(steps, switches):
    target = session(turn_detection=None, audio_format={"type": "audio/pcm", "rate": 16_000})
    open_streams: set[int] = set()
    n_sent = n_heard = 0
    for step in steps:
        actions: list[Action] = []
        if step <= 2:
            n_sent += 1600 * (step + 1)
            audio = base64.b64encode(np.full(1600 * (step + 1), n_sent, "<i4").astype("<i2"))
            actions = send(target, "input_audio_buffer.append", audio=audio.decode())
        elif step == 3:
            actions = send(target, "input_audio_buffer.commit")
        elif step == 4 and switches:
            actions = update(target, turn_detection={"type": "server_vad"})
        elif step == 5 and switches:
            actions = update(target, turn_detection=None)
        for action in actions:
            match action:
                case Begin():
                    assert action.start_s == pytest.approx(n_heard / 16_000)
                    open_streams.add(action.stream)
                case Hear():
                    assert action.stream in open_streams
                    n_heard += len(action.samples)
                case Do(what="finish"):
                    open_streams.remove(action.stream)
                case _:
                    pass
    assert n_heard == n_sent
    assert len(open_streams) <= 1
