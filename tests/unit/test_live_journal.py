"""Events by number, the story for who comes late, the queue of a client."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_segments import live_segment

from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.journal import Journal, Story, told
from whisper_jax.server.live.outbox import CLOSE_TOO_SLOW, MOST_WAITING, Closing, Outbox
from whisper_jax.stream.events import Committed, SegmentDone, SpeechStarted, Tentative


@given(kinds=st.lists(st.booleans(), max_size=40), seen=st.integers(0, 40))
def test_who_comes_back_gets_everything_that_stays(kinds, seen):
    journal = Journal()
    for i, is_tentative in enumerate(kinds):
        journal.add({"n": i}, is_tentative=is_tentative)
    if seen > len(kinds):
        with pytest.raises(ApiError):
            journal.after(seen)
        return
    found = [event.seq for event in journal.after(seen)]
    last_tentative = max((i + 1 for i, is_it in enumerate(kinds) if is_it), default=0)
    expected = [
        i + 1
        for i, is_tentative in enumerate(kinds)
        if i + 1 > seen and (not is_tentative or i + 1 == last_tentative)
    ]
    assert found == expected


@given(n=st.integers(0, 30), seen=st.integers(0, 30))
def test_what_is_given_up_is_said(n, seen):
    journal = Journal(most_events=10)
    for i in range(n):
        journal.add({"n": i})
    if seen > n:
        return
    if seen < n - 10:
        with pytest.raises(ApiError) as error:
            journal.after(seen)
        assert (error.value.status, error.value.code) == (410, "events_gone")
        assert f"up to {n - 10} " in str(error.value)
    else:
        assert [event.seq for event in journal.after(seen)] == list(range(seen + 1, n + 1))


def test_a_journal_is_bounded_by_its_letters_too():
    journal = Journal(most_characters=1000)
    for _ in range(100):
        journal.add({"text": "x" * 200})
    assert sum(len(event.text) for event in journal.after(97)) <= 1000
    with pytest.raises(ApiError):
        journal.after(90)
    # The newest is kept, however long.
    journal.add({"text": "x" * 5000})
    assert len(journal.after(100)) == 1


def segment(number: int, text: str) -> SegmentDone:
    return SegmentDone(segment=live_segment(number, text, start=1.0, end=2.0, language="en"))


def test_a_story_holds_what_was_committed_and_what_is_under_way():
    story = Story()
    story.take(SpeechStarted(segment=0, start_s=1.0))
    story.take(segment(0, " Hello"))
    story.take(SpeechStarted(segment=1, start_s=3.0))
    story.take(Committed(segment=1, text=" How", words=(), language="en", heard_s=4.0))
    story.take(Tentative(segment=1, text=" are you", heard_s=4.0))
    fields = story.fields()
    assert [one["text"] for one in fields["segments"]] == [" Hello"]
    assert fields["under_way"] == [{"segment": 1, "committed": " How", "tentative": " are you"}]
    story.take(segment(1, ""))
    assert story.fields()["under_way"] == []


def test_a_story_is_bounded():
    story = Story(most_characters=100)
    for number in range(1000):
        story.take(segment(number, " twelve chars"))
    fields = story.fields()
    assert sum(len(one["text"]) for one in fields["segments"]) <= 100
    assert fields["segments_given_up"] + len(fields["segments"]) == 1000
    assert fields["segments"][-1]["segment"] == 999


def test_who_does_not_read_is_cut_off():
    async def flood() -> Outbox:
        outbox = Outbox([told({"type": "first"})])
        for number in range(MOST_WAITING + 2):
            outbox.put(told({"n": number}))
        return outbox

    outbox = asyncio.run(flood())
    assert outbox.closing is not None
    assert outbox.closing.code == CLOSE_TOO_SLOW
    assert outbox.cut_off.is_set()


def test_an_outbox_gives_all_it_has_and_then_ends():
    async def talk() -> list[dict]:
        outbox = Outbox([told({"n": 0})])
        asyncio.get_running_loop().call_later(0.01, outbox.put, told({"n": 1}, seq=7))
        asyncio.get_running_loop().call_later(0.02, outbox.end, Closing())
        return [json.loads(event.text) async for event in outbox.events()]

    assert asyncio.run(talk()) == [{"n": 0}, {"seq": 7, "n": 1}]
