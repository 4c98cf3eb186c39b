"""Words in segments: what is asked, what comes of the answers, and what becomes of the times."""

from collections.abc import Sequence
from itertools import pairwise

import letters as fake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import at, said, words
from program_play import EN, SOT, TRANSCRIBE, of_kind, play

from whisper_jax.engine.fake import spread
from whisper_jax.requests import Align, Aligned, Clip, Decode, Decoded, Encode
from whisper_jax.types import Transcript, Word


def timed(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [
        (word.word, word.start, word.end)
        for segment in transcript.segments
        for word in segment.words or ()
    ]


def starting_at(*starts_s: float):
    """Answers with these starts of tokens, and the end of the last."""

    def align(_: Align) -> Aligned:
        frames = tuple(round(start / 0.02) for start in starts_s)
        return Aligned(starts=frames, probabilities=(0.5,) * (len(frames) - 1))

    return align


def hear_once(tokens: Sequence[int]):
    """A first window with this text, and nothing after it."""
    return lambda window, _: said(tokens if fake.first_second(window) == 0 else ())


def test_a_window_is_asked_once_for_all_its_segments() -> None:
    tokens = [at(0), *words(" one."), at(4), at(4), *words(" two"), at(7), at(7)]
    transcript, asked = play(
        7, hear_once(tokens), language="en", word_timestamps=True, align=spread
    )
    (request,) = of_kind(Align, asked)
    assert request.prompt == (SOT, EN, TRANSCRIBE, 50_363)
    assert request.tokens == tuple(words(" one. two"))
    assert request.n_frames == 700
    assert ["".join(word.word for word in segment.words or ()) for segment in transcript.segments]
    assert [word for word, _, _ in timed(transcript)] == [" one.", " two"]


def test_words_are_not_asked_for_unless_wanted() -> None:
    transcript, asked = play(5, hear_once([at(0), *words(" one"), at(4)]), language="en")
    assert not of_kind(Align, asked)
    assert transcript.segments[0].words is None


def test_segments_begin_and_end_with_their_words() -> None:
    tokens = [at(0), *words(" ab"), at(2)]
    transcript, _ = play(
        5,
        hear_once(tokens),
        language="en",
        word_timestamps=True,
        align=starting_at(0.3, 0.5, 0.7, 1.8),
    )
    (segment,) = transcript.segments
    assert (segment.start, segment.end) == (0.3, 1.8)
    assert segment.words == (Word(start=0.3, end=1.8, word=" ab", probability=0.5),)


def test_words_that_got_lost_are_brought_back_to_their_segment() -> None:
    tokens = [at(0.56), *words("a b c d"), at(1.4), at(1.4)]
    # The median is 0.4 s; a begins and d ends more than half a second outside.
    starts = starting_at(0, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0, 3.0)
    transcript, _ = play(10, hear_once(tokens), language="en", word_timestamps=True, align=starts)
    (segment,) = transcript.segments
    found = timed(transcript)
    assert found[0] == ("a", 0.2, 0.6)
    assert segment.start == 0.2
    assert found[-1] == (" d", 1.0, 1.4)
    assert segment.end == 1.4


def test_the_first_word_after_a_pause_holds_none_of_it() -> None:
    tokens = [at(0), *words("a b c d"), at(4)]
    starts = starting_at(0, 3.0, 3.0, 3.2, 3.2, 3.4, 3.4, 3.6)
    transcript, _ = play(10, hear_once(tokens), language="en", word_timestamps=True, align=starts)
    assert timed(transcript)[0] == ("a", 2.6, 3.0)


def test_words_leave_the_silences_that_voice_activity_found() -> None:
    tokens = [at(0), *words("a b c"), at(4)]
    # The pause from 1 to 2 s is given to b, that from 2.4 to 3 s to b's end.
    starts = starting_at(0.5, 1.1, 1.1, 2.9, 2.9, 3.4)
    clip = Clip(start=0, stop=400, speech=((50, 100), (200, 240), (300, 340)))
    options = {"language": "en", "word_timestamps": True, "align": starts}
    transcript, _ = play(4, hear_once(tokens), clips=[clip], **options)
    assert timed(transcript) == [("a", 0.5, 1.08), (" b", 1.92, 2.48), (" c", 2.92, 3.4)]
    transcript, _ = play(4, hear_once(tokens), **options)
    assert timed(transcript)[1][1] == 1.1, "nobody looked for speech"


def test_the_pause_between_sentences_belongs_to_no_word() -> None:
    tokens = [at(0), *words("a. b c"), at(4)]
    starts = starting_at(0, 0.2, 1.0, 2.0, 2.2, 2.2, 2.4)
    transcript, _ = play(10, hear_once(tokens), language="en", word_timestamps=True, align=starts)
    assert timed(transcript)[:2] == [("a.", 0, 0.2), (" b", 1.2, 2.2)]


def test_the_next_window_begins_where_the_last_word_ends() -> None:
    def hear(window: Encode, _: Decode) -> Decoded:
        if fake.first_second(window) == 0:
            return said([at(0), *words(" a"), at(20), at(20)])
        return said([at(0), *words(" b"), at(2)])

    options = {"language": "en", "word_timestamps": True, "long_form": "sequential"}
    _, asked = play(35, hear, align=starting_at(18, 19, 19.5), **options)
    assert [fake.first_second(window) for window in of_kind(Encode, asked)] == [0, 19.5]
    clip = Clip(start=0, stop=3500, speech=((0, 3500),))
    _, asked = play(35, hear, align=starting_at(18, 19, 19.5), clips=[clip], **options)
    assert fake.first_second(of_kind(Encode, asked)[1]) == 20, "voice activity decides"


@pytest.mark.parametrize(("script", "word"), [(None, "国"), ("traditional", "國")])
def test_words_are_in_the_script_of_their_text(script: str | None, word: str) -> None:
    pytest.importorskip("opencc")
    transcript, _ = play(
        5,
        hear_once([at(0), *words("中国"), at(2)]),
        language="zh",
        word_timestamps=True,
        chinese_script=script,
        align=spread,
    )
    assert [text for text, _, _ in timed(transcript)] == ["中", word]


SPANS = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(0, 1500), st.text("ab .?\"'", max_size=12)),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(SPANS, st.lists(st.integers(0, 1490), min_size=60, max_size=60))
def test_words_run_forward_within_their_segments(
    spans: list[tuple[int, int, str]], starts: list[int]
) -> None:
    tokens: list[int] = []
    for start, end, text in spans:
        tokens += [fake.TIME + start, *words(text), fake.TIME + end]
    rising = sorted(starts)

    def align(request: Align) -> Aligned:
        n = len(request.tokens)
        return Aligned(starts=tuple(rising[: n + 1]), probabilities=(0.5,) * n)

    transcript, _ = play(
        30, hear_once(tokens), language="en", word_timestamps=True, align=align, temperature=0
    )
    for segment in transcript.segments:
        assert segment.words is not None
        assert "".join(word.word for word in segment.words) == segment.text
        times = [segment.start, *(t for w in segment.words for t in (w.start, w.end)), segment.end]
        assert all(a <= b for a, b in pairwise(times))
