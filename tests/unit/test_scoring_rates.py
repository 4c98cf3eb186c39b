import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_jax.scoring import (
    ErrorRate,
    KeptUnits,
    code_switched_rate,
    error_rate,
    unit_of,
)


def counts(score: ErrorRate) -> tuple[int, int, int, int]:
    return score.substitutions, score.deletions, score.insertions, score.n_reference


def test_errors_are_counted_by_kind():
    score = error_rate(["The cat sat down."], ["the bat sat right now down"], "de")
    assert score.unit == "WER"
    assert counts(score) == (1, 0, 2, 4)
    assert score.errors == 3
    assert score.rate == 0.75


def test_utterances_are_pooled_not_averaged():
    score = error_rate(["a", "b c d e f g h i j"], ["x", "b c d e f g h i j"], "de")
    assert score.rate == 0.1


def test_each_utterance_is_aligned_alone():
    assert counts(error_rate(["a b", "c d"], ["a", "b c d"], "de")) == (0, 1, 1, 4)


def test_characters_are_counted_where_there_are_no_words():
    score = error_rate(["軟體發現"], ["软件发现了"], "zh-TW")
    assert score.unit == "CER"
    assert counts(score) == (1, 0, 1, 4)


def test_spaces_between_characters_are_not_scored():
    assert error_rate(["我 在 OPA 店"], ["我在 O P A店"], "zh").errors == 0


def test_both_scripts_of_chinese_are_one():
    assert error_rate(["發現", "发现"], ["发现", "發現"], "zh").errors == 0


def test_a_reference_in_brackets_is_spoken_and_a_bracketed_noise_is_not():
    score = error_rate(["the bible (printed there)"], ["The Bible printed there [NOISE]"], "en")
    assert counts(score) == (0, 0, 0, 4)


def test_an_empty_reference_counts_insertions():
    score = error_rate([""], ["thank you"], "en")
    assert counts(score) == (0, 0, 2, 0)
    assert score.rate == 2


def test_silence_against_nothing_is_perfect():
    assert error_rate([""], [" ... "], "en").rate == 0
    assert error_rate([], [], "ja") == ErrorRate(
        unit="CER", substitutions=0, deletions=0, insertions=0, n_reference=0
    )


def test_an_empty_hypothesis_is_all_deletions():
    assert counts(error_rate(["a b c"], [""], "en")) == (0, 3, 0, 3)


def test_as_many_hypotheses_as_references_are_wanted():
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        error_rate(["a", "b"], ["a"], "en")


def test_words_and_characters_do_not_add_up():
    with pytest.raises(ValueError, match="WER and CER cannot be pooled"):
        error_rate(["a"], ["a"], "en") + error_rate(["a"], ["a"], "zh")
    assert [unit_of(tag) for tag in ("de-AT", "zh-TW", "zh+en")] == ["WER", "CER", "MER"]


def test_code_switched_speech_is_counted_in_words_and_characters():
    score = error_rate(["你好 my friend 再見"], ["您好 my friends 再见 now"], "zh+en")
    assert score.unit == "MER"
    assert counts(score) == (2, 0, 1, 6)


SWITCHED = [("zh-CN", "你好吗？"), ("en", "I won't (go)."), ("zh-TW", "再見")]


def test_what_is_kept_is_told_for_each_language():
    score, kept = code_switched_rate(SWITCHED, "你好吗 I will not")
    assert score.unit == "MER"
    assert counts(score) == (0, 3, 0, 9)
    assert [(own.language, own.n_kept, own.n_reference) for own in kept] == [
        ("zh", 3, 5),
        ("en", 3, 4),
    ]
    assert kept[0].share == 0.6


def test_a_language_that_is_translated_is_not_kept():
    _, kept = code_switched_rate(SWITCHED, "How are you? I won't go. See you")
    assert [own.n_kept for own in kept] == [0, 4]


def test_right_words_in_the_wrong_place_are_wrong():
    score, kept = code_switched_rate(
        [("en", "one"), ("de", "zwei drei vier")], "zwei drei vier one"
    )
    assert counts(score) == (0, 1, 1, 4)
    assert [own.n_kept for own in kept] == [0, 3]


def test_shares_are_pooled_by_language():
    first = KeptUnits(language="zh", n_kept=1, n_reference=4)
    second = KeptUnits(language="zh", n_kept=3, n_reference=4)
    assert (first + second).share == 0.5
    with pytest.raises(ValueError, match="zh and en cannot be pooled"):
        first + KeptUnits(language="en", n_kept=0, n_reference=0)


WORDS = st.lists(st.sampled_from(["ein", "zwei", "drei"])).map(" ".join)


@given(pairs=st.lists(st.tuples(WORDS, WORDS)))
def test_counts_agree_with_the_lengths(pairs):
    score = error_rate([pair[0] for pair in pairs], [pair[1] for pair in pairs], "de")
    n_hypothesis = sum(len(pair[1].split()) for pair in pairs)
    assert score.n_reference == sum(len(pair[0].split()) for pair in pairs)
    assert score.n_reference - score.deletions + score.insertions == n_hypothesis
    assert (score.errors == 0) == all(reference == written for reference, written in pairs)
