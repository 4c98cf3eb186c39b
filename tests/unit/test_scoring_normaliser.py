import pytest

from whisper_jax.scoring import (
    is_code_switched,
    is_scored_by_characters,
    normalise,
    primary_languages,
    strip_brackets,
)


@pytest.mark.parametrize(
    ("tag", "languages"),
    [
        ("en", ("en",)),
        ("sv-SE", ("sv",)),
        ("zh_Hant", ("zh",)),
        ("ZH-CN+en", ("zh", "en")),
        ("", ()),
    ],
)
def test_a_tag_is_reduced_to_its_languages(tag, languages):
    assert primary_languages(tag) == languages


@pytest.mark.parametrize(
    ("text", "language", "normalised"),
    [
        ("Mr. Smith won't pay twenty-five dollars.", "en", "mister smith will not pay $25"),
        ("The colour, um, of it!", "en-GB", "the color of it"),
        ("À l'École — 25 élèves.", "fr", "à l école 25 élèves"),
        ("Mr. Smith won't", "de", "mr smith won t"),
        ("軟體，發現。", "zh-TW", "软 体 发 现"),
        ("软件 OPA", "zh", "软 件 o p a"),
        ("漢字です。", "ja", "漢 字 で す"),
        ("你好, Hello!", "zh+en", "你 好 hello"),
        ("我won't去twenty-one層樓。", "en+zh", "我 will not 去 21 层 楼"),
        ("カメラ、zwei 漢字 Bücher", "ja+de", "カ メ ラ zwei 漢 字 bücher"),
        ("好(音乐)的 [no]", "zh+en", "好 的"),
        ("Won't. Über", "en+de", "won t über"),
        ("And then I went to...", "en", "and then i went to"),
        ("It is 2.5.", "en", "it is 2.5"),
        ("  ... ", "en", ""),
    ],
)
def test_text_is_normalised_by_the_rules_of_its_language(text, language, normalised):
    assert normalise(text, language) == normalised


def test_japanese_keeps_its_characters_where_chinese_has_simpler_ones():
    assert normalise("発見と發見", "ja") == "発 見 と 發 見"


@pytest.mark.parametrize("language", ["zh", "ja", "th", "lo", "my", "km", "yue-HK"])
def test_languages_without_spaces_are_scored_by_characters(language):
    assert is_scored_by_characters(language)


@pytest.mark.parametrize("language", ["en", "ko", "en+de+fr", "vi", "zh+en", "zh+ja"])
def test_other_languages_and_mixtures_are_not_scored_by_characters_alone(language):
    assert not is_scored_by_characters(language)


def test_several_languages_are_code_switched():
    assert is_code_switched("zh-CN+en")
    assert not is_code_switched("zh-CN")
    assert not is_code_switched("en+")


def test_brackets_go_and_their_words_stay():
    assert normalise(strip_brackets("a (which was) printed [twice]"), "en") == (
        "a which was printed twice"
    )
    assert normalise("a (which was) printed [twice]", "en") == "a printed"
