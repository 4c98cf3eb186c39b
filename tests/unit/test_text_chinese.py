"""Chinese in one script."""

import sys

import pytest
from letters import at, letter_tokenizer, said, words
from program_play import mostly, play

from whisper_jax.errors import OptionError
from whisper_jax.options import TranscribeOptions
from whisper_jax.programs import check_options
from whisper_jax.text.chinese import chinese_converter


def test_scripts() -> None:
    assert chinese_converter("simplified")("我們說漢語 and English, 日本のカナ") == (
        "我们说汉语 and English, 日本のカナ"
    )
    assert chinese_converter("traditional")("我们说汉语") == "我們說漢語"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"language": "zh", "chinese_script": "simplified"}, "汉语"),
        ({"language": "zh", "chinese_script": "traditional"}, "漢語"),
        ({"language": "zh"}, "漢語"),
        ({"language": "ja", "chinese_script": "simplified"}, "漢語"),
        ({"chinese_script": "simplified"}, "汉语"),
        ({"language": "auto", "chinese_script": "simplified"}, "汉语"),
        ({"language": "zh", "chinese_script": "simplified", "task": "translate"}, "漢語"),
    ],
)
def test_only_chinese_text_is_converted_and_tokens_stay(options: dict, expected: str) -> None:
    tokens = (at(0), *words(" 漢語"), at(2))
    transcript, _ = play(5, lambda *_: said(tokens), speak=lambda _: mostly("zh"), **options)
    (segment,) = transcript.segments
    assert segment.text.strip() == transcript.text.strip() == expected
    assert segment.tokens == tokens


def test_a_missing_package_is_named_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chinese_converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    options = TranscribeOptions(chinese_script="simplified")
    with pytest.raises(OptionError, match=r"needs the package opencc; .*whisper-jax\[chinese\]"):
        check_options(letter_tokenizer(), options)
    check_options(letter_tokenizer(), TranscribeOptions())
