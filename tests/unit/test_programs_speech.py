"""Windows of clips in which it is known where speech is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import TIME, at, first_second, said, words
from program_play import of_kind, play

from whisper_jax.programs.stretches import (
    FRAMES_PER_WINDOW,
    Stretch,
    next_start,
    spoken_frames,
)
from whisper_jax.programs.windows import WindowText
from whisper_jax.requests import Clip, Decode, Decoded, Encode, Progress
from whisper_jax.types import Transcript

type Windows = list[tuple[float, float]]


def heard(transcript_and_asked: tuple[Transcript, list]) -> Windows:
    """Start and end in seconds of the windows that were decoded."""
    windows = of_kind(Encode, transcript_and_asked[1])
    starts = [first_second(window) for window in windows]
    return [(s, round(s + w.n_frames / 100, 2)) for s, w in zip(starts, windows, strict=True)]


def clip_of(start: float, stop: float, *speech: tuple[float, float]) -> Clip:
    spans = tuple((round(100 * a), round(100 * b)) for a, b in speech)
    return Clip(start=round(100 * start), stop=round(100 * stop), speech=spans)


def saying(*texts: Decoded):
    """Answers in order, and then silence."""
    waiting = [*texts]

    def hear(*_: object) -> Decoded:
        return waiting.pop(0) if waiting else said([], -2, 0.9)

    return hear


ONE = said([at(0), *words(" one"), at(4)])
PAIR = said([at(0), *words(" one"), at(4), at(4)])
OPEN = said([at(0), *words(" one"), at(4), at(4), *words(" tw")])
UNTIMED = said([at(0), *words(" one")])


def run(clip: Clip, *texts: Decoded, **options: object) -> tuple[Transcript, list]:
    return play(60, saying(*texts), clips=[clip], language="en", temperature=0, **options)


def test_speech_after_a_single_last_timestamp_is_heard_again() -> None:
    clip = clip_of(10, 25, (10.4, 14), (18, 20))
    transcript, asked = run(clip, ONE, said([at(0.4), *words(" two"), at(2.4)]))
    assert heard((transcript, asked)) == [(10, 25), (17.6, 25)]
    assert [(s.start, s.end, s.text) for s in transcript.segments] == [
        (10, 14, " one"),
        (17.6, 20, " two"),
    ]
    second = of_kind(Decode, asked)[1]
    assert second.prompt[1:-3] == ONE.tokens, "it is told what was heard before"


@pytest.mark.parametrize(
    ("speech", "again"),
    [
        ([(10.4, 16)], 14),
        ([(10.4, 14.69)], None),
        ([(10.4, 14.7)], 14),
        ([(10.4, 14.4), (16, 16.49)], None),
        ([(10.4, 14.4), (16, 16.5)], 15.6),
        ([(10.4, 14.7), (16, 16.1)], 14),
        ([(10.4, 14.6), (16, 16.4)], None),
        ([(10.4, 13), (14.1, 15.2)], 14),
        ([(10.4, 13), (16, 16.3), (18, 18.3)], 15.6),
    ],
)
def test_where_speech_left_behind_is_heard_again(
    speech: list[tuple[float, float]], again: float | None
) -> None:
    windows = heard(run(clip_of(10, 25, *speech), ONE))
    assert [start for start, _ in windows[1:]] == ([] if again is None else [again])


def test_a_clip_ends_where_its_speech_has_been_written_down() -> None:
    done = clip_of(10, 25, (10.4, 14.4))
    for text in (ONE, PAIR):
        assert heard(run(done, text)) == [(10, 25)]
    left = clip_of(10, 25, (10.4, 15))
    for text in (ONE, PAIR):
        assert heard(run(left, text)) == [(10, 25), (14, 25)], "a single timestamp or a pair"


def test_the_last_report_of_a_clip_is_at_its_end() -> None:
    _, asked = run(clip_of(10, 25, (10.4, 14)), PAIR)
    assert of_kind(Progress, asked)[-1].position == 25 * 16_000


def test_a_text_that_breaks_off_goes_on_whatever_speech_is_known() -> None:
    assert heard(run(clip_of(10, 25, (10.4, 14)), OPEN)) == [(10, 25), (14, 25)]


def test_a_text_without_a_last_timestamp_is_the_whole_window() -> None:
    transcript, asked = run(clip_of(10, 25, (10.4, 24)), UNTIMED)
    assert heard((transcript, asked)) == [(10, 25)]
    assert [(s.start, s.end) for s in transcript.segments] == [(10, 25)]


def test_what_nobody_has_heard_yet_is_heard_however_short() -> None:
    clip = clip_of(0, 50, (0.2, 4), (40, 40.2))
    assert heard(run(clip, ONE)) == [(0, 30), (30, 50)]
    assert heard(run(clip_of(0, 50, (0.2, 4)), ONE)) == [(0, 30)]


def test_a_silent_window_is_skipped_to_its_end() -> None:
    silence = said([at(0), *words(" um"), at(1)], -2, 0.9)
    clip = clip_of(0, 50, (0.2, 20), (35, 40))
    assert heard(run(clip, silence)) == [(0, 30), (30, 50)]
    assert heard(run(clip_of(0, 29, (0.2, 20)), silence)) == [(0, 29)]


def test_where_nobody_looked_for_speech_the_reference_decides() -> None:
    clip = Clip(start=1000, stop=2500)
    assert heard(run(clip, ONE)) == [(10, 25)]
    assert heard(run(clip, PAIR)) == [(10, 25), (14, 25)]


def test_times_stay_within_a_clip() -> None:
    late = said([at(0), *words(" a"), at(4), at(14.5), *words(" b"), at(16)])
    for clip in (clip_of(10, 25, (10, 25)), Clip(start=1000, stop=2500)):
        transcript, _ = run(clip, late)
        assert [(s.start, s.end) for s in transcript.segments] == [(10, 14), (24.5, 25)]
    # Also where a clip reaches beyond the recording.
    transcript, _ = play(15, saying(late), clips=[Clip(start=0, stop=2000)], language="en")
    assert [(s.start, s.end) for s in transcript.segments] == [(0, 4), (14.5, 15)]
    # openai-whisper leaves them where they are after the recording's own end.
    transcript, _ = play(15, saying(late), language="en")
    assert [(s.start, s.end) for s in transcript.segments] == [(0, 4), (14.5, 15)]
    transcript, _ = play(40, saying(late), language="en", chunk_length=15)
    assert [(s.start, s.end) for s in transcript.segments] == [(0, 4), (14.5, 15)]


def test_text_flows_over_the_clips_of_a_program() -> None:
    clips = [clip_of(0, 10, (0, 10)), clip_of(20, 30, (20, 30))]
    text = said([at(0), *words(" x"), at(10)])
    transcript, asked = play(60, saying(text, text), clips=clips, language="en")
    assert [d.prompt[1:-3] for d in of_kind(Decode, asked)] == [(), text.tokens]
    assert [(s.id, s.start, s.end) for s in transcript.segments] == [(0, 0, 10), (1, 20, 30)]


def test_spoken_frames() -> None:
    speech = ((10, 20), (30, 50))
    assert spoken_frames(speech, 0, 100) == 30
    assert spoken_frames(speech, 15, 35) == 10
    assert spoken_frames(speech, 20, 30) == 0


def test_a_stretch_has_no_endless_windows() -> None:
    stretch = Stretch(start=0, stop=2000, speech=((0, 2000),), language="en")
    text = WindowText(spans=(), n_done=2, last_time=2, is_closed=False)
    most = 2 + 2000 // FRAMES_PER_WINDOW
    assert next_start(stretch, (100, 2000), text, most - 1) == 102
    assert next_start(stretch, (100, 2000), text, most) is None


# Whatever the model says: timestamps in any order and anywhere, text, or nothing.
tokens = st.lists(st.integers(97, 99) | st.integers(TIME, TIME + 1500), max_size=8)
answers = st.lists(st.tuples(tokens, st.sampled_from([0.0, 0.9])), max_size=12)


@st.composite
def clips(draw: st.DrawFn) -> list[Clip]:
    points = draw(st.lists(st.integers(0, 5900), min_size=2, max_size=6, unique=True))
    points.sort()
    found: list[Clip] = []
    for start, stop in zip(points[::2], points[1::2], strict=False):
        cuts = sorted(draw(st.lists(st.integers(start, stop), max_size=8, unique=True)))
        speech = tuple(zip(cuts[::2], cuts[1::2], strict=False))
        is_known = draw(st.booleans())
        found.append(Clip(start=start, stop=stop, speech=speech if is_known else None))
    return found


@settings(deadline=None, max_examples=40)
@given(clips(), answers, st.sampled_from([5.0, 7.5, 30.0]), st.sampled_from(["en", "auto", None]))
def test_windows_progress_and_segments_are_ordered_within_their_clips(
    given_clips: list[Clip],
    texts: list[tuple[list[int], float]],
    chunk_length: float,
    language: str | None,
) -> None:
    waiting = [*texts]

    def hear(*_: object) -> Decoded:
        found, no_speech_prob = waiting.pop(0) if waiting else ([at(0), 97, at(0.02), at(0.02)], 0)
        return said(found, -2 if no_speech_prob else -0.1, no_speech_prob)

    options = {"language": language, "chunk_length": chunk_length, "temperature": 0}
    transcript, asked = play(59, hear, clips=given_clips, **options)
    positions = [progress.position for progress in of_kind(Progress, asked)]
    assert positions == sorted(positions)
    for clip in given_clips:
        assert clip.stop is not None
        inside = [s for s in transcript.segments if clip.start <= s.seek < clip.stop]
        for segment in inside:
            assert clip.start <= round(100 * segment.start) < round(100 * segment.end) <= clip.stop
    for window, decode in zip(of_kind(Encode, asked), of_kind(Decode, asked), strict=False):
        assert window.n_frames <= 100 * chunk_length or language != "en"
        assert decode.sot_index <= 224
