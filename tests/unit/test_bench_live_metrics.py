"""What ``whisper-jax bench live`` says of a stream, from texts and times that are written down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_bench_fake import segment_of, words_every

from whisper_jax.bench.live.clock import PlayClock
from whisper_jax.bench.live.metrics import (
    committed_text,
    first_shown_s,
    pooled,
    revisions,
    stream_figures,
    update_intervals_s,
)
from whisper_jax.bench.live.shown import Shown, problems_of, shown_by
from whisper_jax.bench.live.tracks import (
    Track,
    begun_later,
    shortened,
    tracks_of_rounds,
)
from whisper_jax.bench.live.units import sourced_units
from whisper_jax.errors import CancelledError
from whisper_jax.scoring import normalise
from whisper_jax.scoring.matching import matching_units, paired_units
from whisper_jax.stream.events import (
    Committed,
    SegmentDone,
    SpeechStarted,
    StreamEnded,
    Tentative,
)
from whisper_jax.types import Word


def track_of(text: str, tag: str = "en", words: tuple[Word, ...] | None = None) -> Track:
    words = words_every(text) if words is None else words
    # A sample tells where in the recording it is from, to a tenth of a second.
    samples = np.repeat(np.arange(10 * len(words) + 10), 1600).astype(np.float32)
    return Track(
        name="a",
        set_name="said",
        language=tag,
        tag=tag,
        samples=samples,
        words=words,
        reference=text,
    )


def committed(at_s: float, text: str, segment: int = 0) -> Shown:
    return Shown(at_s=at_s, segment=segment, committed=text, heard_s=at_s)


def tentative(at_s: float, text: str, segment: int = 0) -> Shown:
    return Shown(at_s=at_s, segment=segment, tentative=text, heard_s=at_s)


def test_substituted_units_are_paired_and_not_equal() -> None:
    said, written = ["a", "b", "c", "d"], ["a", "x", "c", "e", "d"]
    assert matching_units(said, written) == [(0, 0), (2, 2), (3, 4)]
    assert paired_units(said, written) == [(0, 0), (1, 1), (2, 2), (3, 4)]
    assert paired_units(["a", "b"], ["b"]) == [(1, 0)]
    assert paired_units([], ["b"]) == []


def test_a_number_is_from_the_last_of_its_words() -> None:
    found = sourced_units([" I", " have", " twenty", " nine", " colours."], "en")
    assert found.units == ("i", "have", "29", "colors")
    assert found.sources == (0, 1, 3, 4)
    assert [found.n_from(n) for n in range(6)] == [0, 1, 2, 2, 3, 4]


def test_a_contraction_and_a_piece_of_several_words_keep_their_piece() -> None:
    found = sourced_units(["Don't you", " see it? -", " Yes."], "en")
    assert found.units == ("do", "not", "you", "see", "it", "yes")
    assert found.sources == (0, 0, 0, 1, 1, 2)


def test_a_word_in_two_pieces_is_of_the_second() -> None:
    found = sourced_units([" an exam", "ple here"], "en")
    assert found.units == ("an", "example", "here")
    assert found.sources == (0, 1, 1)


def test_characters_are_units_where_they_are_scored_so() -> None:
    found = sourced_units(["設定", "二十九", "度，", "ab"], "zh")
    assert found.units == ("设", "定", "二", "十", "九", "度", "a", "b")
    assert found.sources == (0, 0, 1, 1, 1, 2, 3, 3)


PIECES = ["", " ", " twenty", " one", "-", " don't", " a", "b", " (c", ")"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES)))
def test_units_are_those_that_are_scored_and_sources_rise(pieces: list[str]) -> None:
    found = sourced_units(pieces, "en")
    assert list(found.units) == normalise("".join(pieces), "en").split()
    assert list(found.sources) == sorted(found.sources)
    assert all(0 <= source < len(pieces) for source in found.sources)


def test_what_is_played_waits_for_what_was_waited() -> None:
    clock = PlayClock(speed=4.0, waits=((10.0, 2.0), (20.0, 0.5)))
    assert [clock.played_at_s(s) for s in (8, 10, 10.4, 40)] == [2.0, 2.5, 4.6, 12.5]
    assert PlayClock().played_at_s(3.25) == 3.25


def test_delays_count_from_the_end_of_each_word() -> None:
    # red 0.7, blue 1.2, green 1.7, pink 2.2
    shown = [
        tentative(0.9, " red"),
        committed(1.5, " red"),
        tentative(1.5, " blew"),
        committed(2.0, " blue green"),
        tentative(2.0, ""),
        committed(3.2, " far"),
    ]
    figures = stream_figures(track_of("red blue green pink"), shown, PlayClock())
    assert figures.commit_delays_s == pytest.approx((0.8, 0.8, 0.3, 1.0))
    # What was shown as "blew" was another word; "far" counts with the word in whose place it is.
    assert figures.first_shown_delays_s == pytest.approx((0.2, 0.8, 0.3, 1.0))
    assert (figures.rate.substitutions, figures.n_deleted) == (1, 0)
    assert figures.units[3].committed == "far"
    fast = stream_figures(track_of("red blue green pink"), shown, PlayClock(speed=2))
    assert fast.commit_delays_s[0] == pytest.approx(1.5 - 0.35)


def test_what_was_left_out_has_no_delay_and_what_was_added_none_either() -> None:
    shown = [committed(2.0, " red well"), committed(9.0, " pink")]
    figures = stream_figures(track_of("red blue green pink"), shown, PlayClock())
    by_unit = {one.unit: one.commit_s for one in figures.units}
    assert by_unit["pink"] == pytest.approx(9 - 2.2)
    assert figures.n_deleted == 1
    assert len(figures.commit_delays_s) == 3
    more = stream_figures(track_of("red pink"), shown, PlayClock())
    assert (more.rate.insertions, len(more.commit_delays_s)) == (1, 2)


def test_words_whose_time_is_a_guess_do_not_count() -> None:
    first, *rest = words_every("red blue")
    unheard = Word(start=first.start, end=first.end, word=first.word, probability=0.0)
    figures = stream_figures(
        track_of("red blue", words=(unheard, *rest)), [committed(2.0, " red blue")], PlayClock()
    )
    assert (figures.n_untimed, figures.n_deleted) == (1, 0)
    assert figures.commit_delays_s == pytest.approx((0.8,))


def test_nothing_committed_is_all_deleted() -> None:
    figures = stream_figures(track_of("red blue"), [], PlayClock())
    assert (figures.n_deleted, figures.commit_delays_s, figures.n_updates) == (2, (), 0)
    assert figures.rate.rate == 1


def test_a_word_is_first_shown_where_it_stays() -> None:
    shown = [
        tentative(1.0, " the"),  # another "the", as it turns out
        tentative(2.0, " see the cat"),
        committed(3.0, " see"),
        tentative(3.0, " a cat"),
        committed(4.0, " the cat"),
    ]
    units = sourced_units([" see", " the cat"], "en")
    assert first_shown_s(shown, units, "en") == (2.0, 2.0, 2.0)
    # A tentative text does not reach into the segment that follows.
    apart = [tentative(1.0, " see the"), committed(2.0, " see"), committed(5.0, " the", 1)]
    units = sourced_units([" see", "\n the"], "en")
    assert first_shown_s(apart, units, "en") == (1.0, 5.0)


def test_revisions_are_units_that_are_gone_when_more_was_heard() -> None:
    shown = [
        tentative(1.0, " I scream"),
        tentative(2.0, " ice cream for"),  # both changed
        committed(3.0, " ice"),
        tentative(3.0, " cream for all"),
        committed(4.0, " Cream"),  # case does not count
        tentative(4.0, " pink"),  # "for" and "all" are gone
        Shown(at_s=5.0, segment=0, tentative=""),  # and so is this
    ]
    assert revisions(shown, "en") == (2 + 2 + 1, 2 + 3 + 3 + 1)
    last = [tentative(1.0, " I"), committed(2.0, " I"), Shown(at_s=2.0, segment=0, tentative="")]
    assert revisions(last, "en") == (0, 1)
    assert revisions([tentative(1.0, " a"), tentative(2.0, " b", 1)], "en") == (0, 2)


def test_an_update_is_when_more_was_heard() -> None:
    shown = [
        committed(1.0, " a"),
        tentative(1.0, " b"),
        tentative(1.7, " c"),
        Shown(at_s=2.0, segment=0, tentative=""),
        tentative(5.0, " d", 1),
        tentative(5.5, " e", 1),
    ]
    assert update_intervals_s(shown) == pytest.approx((0.7, 0.5))
    assert stream_figures(track_of("a"), shown, PlayClock()).n_updates == 4


def test_segments_stand_on_lines_of_their_own() -> None:
    shown = [committed(1, " a"), committed(2, " b"), committed(3, "c", 1), committed(4, "d", 1)]
    assert committed_text(shown) == " a b\ncd"
    assert committed_text([]) == ""


def test_streams_are_pooled() -> None:
    one = stream_figures(track_of("red blue"), [committed(2.0, " red blue")], PlayClock())
    two = stream_figures(track_of("red"), [tentative(1.0, " a"), tentative(2.0, "")], PlayClock())
    both = pooled([one, two])
    assert (len(both.units), both.n_deleted, both.n_revised, both.n_shown) == (3, 1, 1, 1)
    assert both.rate.rate == pytest.approx(1 / 3)
    assert both.audio_s == one.audio_s + two.audio_s
    assert both.revised_per_minute == pytest.approx(60 / both.audio_s)
    assert both.revised_per_unit == pytest.approx(1 / 3)


def test_events_become_what_is_shown() -> None:
    events = [
        (0.1, SpeechStarted(segment=0, start_s=0.0)),
        (0.5, Tentative(segment=0, text=" a", heard_s=0.4)),
        (0.6, Committed(segment=0, text=" a", words=(), language="en", heard_s=0.5)),
        (0.7, SegmentDone(segment=segment_of(" a"))),
        (0.8, StreamEnded()),
    ]
    assert shown_by(events) == [
        Shown(at_s=0.5, segment=0, tentative=" a", heard_s=0.4),
        Shown(at_s=0.6, segment=0, committed=" a", heard_s=0.5),
        Shown(at_s=0.7, segment=0, tentative=""),
    ]
    assert problems_of(events) == []


def test_a_stream_must_not_take_back_or_end_early() -> None:
    said = Committed(segment=0, text=" a", words=(), language="en", heard_s=0.5)
    done = SegmentDone(segment=segment_of(" b"))
    early = StreamEnded(error=CancelledError("stop"))
    assert problems_of([(1.0, said), (2.0, done)]) == ["segment 0 is ' b', but ' a' was committed"]
    assert problems_of([(1.0, said), (2.0, early)]) == [
        "it ended early: stop",
        "segment 0 was never done",
    ]


def test_a_track_that_is_begun_later_goes_on_with_its_beginning() -> None:
    track = track_of("one two three four")
    later = begun_later(track, 1.3)  # between "two", which ends at 1.2, and "three", from 1.5
    assert later.samples[0] == 13
    assert sorted(later.samples) == sorted(track.samples)
    assert [word.word for word in later.words] == [" three", " four", " one", " two"]
    assert later.reference.split() == ["three", "four", "one", "two"]
    assert later.words[0].start == pytest.approx(0.15)
    # 5 s long: its beginning is played after 3.65 s.
    assert later.words[2].start == pytest.approx(0.5 + 3.65)
    assert begun_later(track, 0.0) is track


def test_a_track_is_shortened_at_a_pause() -> None:
    track = track_of("one two three four")
    short = shortened(track, 1.9)
    assert [word.word for word in short.words] == [" one", " two"]
    assert short.reference == " one two"
    assert short.duration_s == pytest.approx(1.35)
    assert shortened(track, 60) is track
    (only,) = shortened(track_of("one"), 0.6).words
    assert only.word == " one"


def test_every_recording_is_played_and_no_two_streams_do_the_same() -> None:
    tracks = [track_of("one two three four"), track_of("a b c d")]
    assert [len(r) for r in tracks_of_rounds(tracks, 1, None)] == [1, 1]
    (together,) = tracks_of_rounds(tracks, 4, None)
    assert [one.words[0].word for one in together] == [" one", " a", " four", " d"]
    three = tracks_of_rounds([*tracks, track_of("x y z")], 2, 1.0)
    assert [len(r) for r in three] == [2, 2]
    assert {one.words[0].word for r in three for one in r} >= {" one", " a", " x"}
    assert max(one.duration_s for r in three for one in r) < 1.5
