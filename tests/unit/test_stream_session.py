"""What is said is committed once, in order, and stays, however audio and answers come."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_play import Play, World, play

from whisper_jax.audio.units import SAMPLE_RATE
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
