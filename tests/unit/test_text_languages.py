import pytest

from whisper_jax.errors import OptionError
from whisper_jax.text import LANGUAGES, language_code
from whisper_jax.text.languages import ALIASES


def test_there_are_100_languages_with_cantonese_last():
    assert len(LANGUAGES) == 100
    assert list(LANGUAGES)[:4] == ["en", "zh", "de", "es"]
    assert list(LANGUAGES)[-2:] == ["su", "yue"]
    assert len(set(LANGUAGES.values())) == 100


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("en", "en"),
        ("English", "en"),
        (" DE ", "de"),
        ("haitian creole", "ht"),
        ("Mandarin", "zh"),
        ("castilian", "es"),
        ("cantonese", "yue"),
    ],
)
def test_a_language_has_a_code_and_names(given, code):
    assert language_code(given) == code


def test_every_name_leads_back_to_its_code():
    assert all(language_code(name) == code for code, name in LANGUAGES.items())
    assert all(language_code(alias) in LANGUAGES for alias in ALIASES)
    assert not set(ALIASES) & set(LANGUAGES.values())


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("germna", r"did you mean 'german' \(de\)"),
        ("pt-BR", r"use 'pt' \(portuguese\)"),
        ("zh_Hant", r"use 'zh'"),
        ("klingon", "give a code such as 'en'"),
        ("", "give a code such as 'en'"),
    ],
)
def test_an_unknown_language_is_refused_with_a_hint(given, hint):
    with pytest.raises(OptionError, match=hint):
        language_code(given)
