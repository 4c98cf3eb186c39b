"""The modules of live captions by themselves."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

SAME, CHANGED = True, False


def part(before: str, after: str, is_same: bool = CHANGED) -> dict[str, Any]:
    return {"before": before, "after": after, "is_same": is_same}


@pytest.mark.parametrize(
    ("texts", "parts", "runs"),
    [
        (
            [" And so, my", " fellow Americans."],
            [
                part(" And so my", " And so, my", SAME),
                part(" yellow", " fellow"),
                part(" Americans", " Americans.", SAME),
            ],
            [
                [["same", " And so, my"]],
                [["removed", " yellow"], ["added", " fellow"], ["same", " Americans."]],
            ],
        ),
        (
            [" One two", " three four"],
            [part(" one two three", " One two three", SAME), part(" more", " four")],
            [
                [["same", " One two"]],
                [["same", " three"], ["removed", " more"], ["added", " four"]],
            ],
        ),
        (
            [" One"],
            [part("", " One"), part(" two", "")],
            [[["added", " One"], ["removed", " two"]]],
        ),
        (
            ["今天天气", "很好。"],
            [part("今天天", "今天天", SAME), part("汽", "气"), part("很好", "很好。", SAME)],
            [[["same", "今天天"], ["removed", "汽"], ["added", "气"]], [["same", "很好。"]]],
        ),
        ([], [part(" gone", "")], []),
        ([" One"], [], [[]]),
    ],
)
def test_changes_stand_in_the_segments_they_are_in(page: Page, texts, parts, runs):
    found = page.evaluate(
        """async ([segments, parts]) => {
          const { runsOf } = await import('./static/js/live/changes.js');
          return runsOf(segments, parts).map(runs => runs.map(({ kind, text }) => [kind, text]));
        }""",
        [[{"text": text} for text in texts], parts],
    )
    assert found == runs


def test_samples_are_kept_until_the_server_has_them(page: Page):
    found = page.evaluate(
        """async () => {
          const { Backlog } = await import('./static/js/live/backlog.js');
          const backlog = new Backlog(10);
          for (const first of [0, 4, 8]) {
            backlog.add(Int16Array.from([0, 1, 2, 3], one => first + one));
          }
          const rest = position => [...(backlog.next(position) ?? ["nothing"])];
          const before = [backlog.start, backlog.end, rest(5), rest(8), rest(12)];
          backlog.forget(11);
          const kept = [backlog.start, rest(11)];
          backlog.forget(12);
          return [before, kept, [backlog.start, backlog.end]];
        }"""
    )
    assert found == [
        # Twelve are more than ten: the oldest block is gone.
        [4, 12, [5, 6, 7], [8, 9, 10, 11], ["nothing"]],
        [8, [11]],
        [12, 12],
    ]


def heard(page: Page, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """What a story is after events; a step with ``begin`` begins a stream."""
    return page.evaluate(
        """async steps => {
          const { Story } = await import('./static/js/live/story.js');
          const said = [];
          let n_removed = 0;
          const story = new Story({
            changed: () => {},
            removed: () => { n_removed += 1; },
            committed: text => said.push(text),
          });
          for (const step of steps) {
            if (step.begin) story.begin(step.begin, step.offset_s);
            else story.take(step);
          }
          const segments = story.segments.map(({ start_s, committed, tentative, isDone }) =>
            [start_s, committed, tentative, isDone]);
          return { segments, said, n_removed, text: story.text(), language: story.language() };
        }""",
        steps,
    )


def started(segment: int, start_s: float) -> dict[str, Any]:
    return {"type": "speech_started", "segment": segment, "start_s": start_s}


def committed(segment: int, text: str) -> dict[str, Any]:
    return {"type": "committed", "segment": segment, "text": text, "language": "en"}


def tentative(segment: int, text: str) -> dict[str, Any]:
    return {"type": "tentative", "segment": segment, "text": text}


def done(segment: int, start: float, text: str) -> dict[str, Any]:
    fields = {"id": segment, "start": start, "end": start + 1, "text": text, "language": "en"}
    return {"type": "segment_done", "segment": fields}


def test_committed_text_stays_and_tentative_text_is_replaced(page: Page):
    story = heard(
        page,
        [
            {"begin": "a", "offset_s": 0},
            started(0, 1.0),
            tentative(0, " And so"),
            committed(0, " And"),
            tentative(0, " so"),
            tentative(0, " so my"),
            started(1, 4.0),
            tentative(1, " Ask"),
            done(0, 1.1, " And so"),
        ],
    )
    assert story["segments"] == [[1.1, " And so", "", True], [4, "", " Ask", False]]
    assert (story["said"], story["text"], story["language"]) == ([" And"], " And so", "en")


def test_the_streams_of_a_room_follow_one_another(page: Page):
    story = heard(
        page,
        [
            {"begin": "a", "offset_s": 0},
            started(0, 1.0),
            committed(0, " One"),
            tentative(0, " two"),
            {"begin": "b", "offset_s": 60},
            started(0, 1.0),
            committed(0, " Two"),
            started(1, 3.0),
            {"type": "stream_ended", "error": None},
        ],
    )
    assert story["segments"] == [[1, " One", "", True], [61, " Two", "", True]]
    assert story["n_removed"] == 1, "nothing was said in the last segment"


def test_who_comes_late_or_again_has_each_segment_once(page: Page):
    def room(n_given_up: int, texts: dict[int, str], under_way: list[dict]) -> dict[str, Any]:
        segments = [
            {"segment": n, "start_s": float(n), "end_s": n + 1.0, "language": "en", "text": text}
            for n, text in texts.items()
        ]
        given = {"segments_given_up": n_given_up, "under_way": under_way}
        return {"type": "room", "segments": segments} | given

    story = heard(
        page,
        [
            {"begin": "1", "offset_s": 0},
            room(0, {0: " One"}, [{"segment": 1, "committed": " Two", "tentative": " and a half"}]),
            committed(1, " and"),
            started(2, 5.0),
            # The connection was lost, and is there again.
            {"begin": "1", "offset_s": 0},
            room(
                1,
                {1: " Two and more.", 3: " Four"},
                [{"segment": 4, "committed": " Fi", "tentative": "ve"}],
            ),
            committed(4, "ve"),
        ],
    )
    assert story["segments"] == [
        [0, " One", "", True],
        [1, " Two and more.", "", True],
        [3, " Four", "", True],
        [None, " Five", "", False],
    ]


def test_a_long_room_stays_short_in_the_document_and_lets_read(new_page, server: str):
    page = new_page(f"{server}/#live")
    page.evaluate(
        """async () => {
          const { addRoom, hear, newRoom } = await import('./static/js/live/rooms.js');
          window.room = newRoom('Long', { isOwn: false, state: 'waiting' });
          addRoom(window.room);
          window.room.story.begin('a', 0);
          window.say = n => hear(window.room, {
            type: 'segment_done',
            segment: { id: n, start: n, end: n + 1, text: ` Sentence ${n}.`, language: 'en' },
          });
          for (let n = 0; n < 400; n += 1) window.say(n);
        }"""
    )
    lines = page.locator(".line")
    expect(lines).to_have_count(300)
    expect(lines.last).to_have_text("6:39 Sentence 399.")
    assert page.evaluate("window.room.story.text().split('.').length") == 401
    box = page.locator(".lines")
    newest = page.get_by_role("button", name="To the newest")
    at_end = (
        "box => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame("
        "() => resolve(box.scrollHeight - box.scrollTop - box.clientHeight < 2))))"
    )
    assert box.evaluate(at_end)
    expect(newest).to_be_hidden()
    box.evaluate("box => { box.scrollTop = 100; }")
    expect(newest).to_be_visible()
    page.evaluate("window.say(400)")
    assert not box.evaluate(at_end), "who reads is left alone"
    newest.click()
    assert box.evaluate(at_end)
    expect(newest).to_be_hidden()
    page.evaluate("window.say(401)")
    assert box.evaluate(at_end)
