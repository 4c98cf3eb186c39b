"""What is said is committed once, in order, and stays, however audio and answers come."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_play import Play, World, play

from whisper_jax.audio.units import HOP, SAMPLE_RATE
from whisper_jax.stream.agreement import HeardWord
from whisper_jax.stream.events import Committed, SegmentDone, SpeechStarted, SpeechStopped

POLICIES = ["alignment", "agreement"]


def a_world(random: Random) -> World:
    """Up to a hundred words, with pauses of all lengths between some of them."""
    spans: list[tuple[int, int]] = []
    at = 0
    for _ in range(random.randint(1, 100)):
        at += random.choice([0, 0, random.randint(0, 20), random.randint(0, 150)])
        spans.append((at, at + random.randint(8, 90)))
        at = spans[-1][1]
    return World(spans)


def in_order(events: Play) -> None:
    """Segments one after the other, each with its beginning, its words, its stop and its end."""
    started = stopped = done = 0
    text = ""
    for event in events.events:
        match event:
            case SpeechStarted(segment=number):
                assert number == started
                started += 1
            case SpeechStopped(segment=number):
                assert number == stopped < started
                stopped += 1
            case Committed(segment=number):
                assert number == done < started
                text += event.text
            case SegmentDone(segment=segment):
                assert segment.id == done < stopped
                assert segment.text == text == "".join(w.word for w in segment.words or ())
                assert segment.start <= segment.end
                words = segment.words or ()
                assert all(a.end <= b.start for a, b in pairwise(words))
                done, text = done + 1, ""
            case _:
                pass
    assert started == stopped == done


@pytest.mark.parametrize("policy", POLICIES)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_word_once_and_in_order(policy: str, seed: int):
    random = Random(seed)
    world = a_world(random)
    stream = play(world, policy=policy, longest_s=random.choice([5.0, 120.0]))
    slowness, most_s = random.random(), random.choice([0.1, 0.5, 3.0, 30.0])
    while stream.n_sent < world.n_samples:
        stream.send(random.randint(1, round(most_s * SAMPLE_RATE)))
        if random.random() > slowness:
            stream.answer()
        stream.ask()
    stream.finish()
    assert stream.committed == stream.done == world.whole_text
    in_order(stream)


@given(seed=st.integers(0, 2**32 - 1))
def test_ended_by_hand_between_words(seed: int):
    random = Random(seed)
    world = a_world(random)
    stream = play(world, detects_pauses=False)
    while stream.n_sent < world.n_samples:
        stream.send(SAMPLE_RATE // 4)
        is_between = not any(a * 160 < stream.n_sent <= b * 160 for a, b in world.spans)
        if is_between and random.random() < 0.3:
            stream.events += stream.session.commit()
        stream.answer()
        stream.ask()
    stream.finish()
    assert stream.committed == stream.done == world.whole_text
    in_order(stream)


def test_what_was_heard_in_a_pause_is_whole_though_the_next_segment_has_begun():
    """An update takes a while; who speaks again meanwhile does not make it doubtful."""
    stream = play(World([(50, 90), (180, 220)]))
    stream.send(120 * HOP)
    stream.ask()
    stream.send(80 * HOP)
    stream.answer()
    assert stream.done == stream.committed == " w0."
    assert len(stream.updates) == 1
    stream.ask()
    assert stream.updates[-1].first >= 90


def test_who_speaks_again_in_the_same_breath_has_not_been_heard_whole():
    stream = play(World([(50, 90), (121, 200)]))
    stream.send(120 * HOP)
    stream.ask()
    stream.send(150 * HOP)
    stream.answer()
    assert stream.done == ""
    stream.finish()
    assert stream.done == " w0. w1."


def test_a_word_of_which_ten_milliseconds_are_heard_has_not_been_heard_in_a_pause():
    """Nobody has looked yet whether they are speech."""
    stream = play(World([(50, 90), (117, 200)]))
    stream.send(118 * HOP)
    stream.ask()
    stream.answer()
    assert "garbled" not in stream.committed
    stream.send(150 * HOP)
    stream.finish()
    assert stream.done == stream.committed == " w0. w1."


def repeated(at: int, length: int, n_words: int) -> tuple[HeardWord, ...]:
    return tuple(
        HeardWord(
            text=" again",
            start=at + k * length,
            end=at + (k + 1) * length,
            tokens=(99,),
            probability=0.9,
        )
        for k in range(n_words)
    )


LOST = (replace(repeated(104, 4, 1)[0], text="《《《《《《"),)


@pytest.mark.parametrize("words", [repeated(112, 0, 3), repeated(112, 1, 12), LOST])
def test_what_nobody_can_have_said_does_not_end_a_segment(words: tuple[HeardWord, ...]):
    """The first three are said at once, others faster than anybody speaks; marks are not words."""
    stream = play(World([(20, 100)]))
    stream.send(110 * HOP)
    stream.ask()
    stream.answer()
    stream.events += stream.session.finish()
    stream.ask()
    assert stream.under_way is not None
    assert stream.under_way.is_last
    heard = replace(stream.world.hear(stream.under_way), words=words)
    stream.events += stream.session.take(heard)
    assert stream.done == stream.committed == " w0."
    assert stream.session.is_idle


@pytest.mark.parametrize("mark", [".", ""])
def test_a_style_without_marks_is_not_told_to_the_next_windows(
    mark: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(World, "text", lambda _, index: f" word{index:02}{mark}")
    played = play(World([(40 * k, 40 * k + 40) for k in range(60)]), language="en")
    for _ in range(48):
        played.send(SAMPLE_RATE // 2)
        played.ask()
        played.answer()
    assert played.updates[-1].first > 0, "the window has been shortened"
    assert any(update.told for update in played.updates) == bool(mark)
