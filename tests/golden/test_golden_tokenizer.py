"""The tokenizers of published checkpoints beside openai-whisper's."""

import json
from pathlib import Path

import goldens
import pytest

from whisper_jax.text import WhisperTokenizer, load_tokenizer
from whisper_jax.text.special import special_tokens


@pytest.fixture(params=["multilingual", "english"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer(kind: str, base_folder: Path, tiny_en_folder: Path) -> WhisperTokenizer:
    if kind == "english":
        return load_tokenizer(tiny_en_folder, 51_864)
    return load_tokenizer(base_folder, 51_865)


def test_encoding_and_decoding(kind: str, tokenizer: WhisperTokenizer) -> None:
    golden = goldens.tokens()[kind]
    for example in golden["encoded"]:
        assert tokenizer.encode(example["text"]) == example["tokens"], example["text"]
    for example in golden["decoded"]:
        timed = tokenizer.decode_with_timestamps(example["tokens"])
        assert timed == example["text_with_timestamps"]


def test_special_tokens_and_sequences(kind: str, tokenizer: WhisperTokenizer) -> None:
    golden = goldens.tokens()[kind]
    expected = {name: token for name, token in golden["special"].items() if name != "timestamp_end"}
    assert {name: getattr(tokenizer.special, name) for name in expected} == expected
    assert dict(tokenizer.special.languages) == golden["language_tokens"]
    assert list(tokenizer.non_speech_tokens) == golden["non_speech_tokens"]
    for example in golden.get("sot_sequences", []):
        found = tokenizer.sot_sequence(example["language"], example["task"])
        assert list(found) == example["tokens"]


def test_the_checkpoints_own_list_of_suppressed_tokens(
    base_folder: Path, tokenizer: WhisperTokenizer, kind: str
) -> None:
    if kind != "multilingual":
        return
    config = json.loads((base_folder / "config.json").read_text())
    special = tokenizer.special
    control = {special.sot, special.sot_prev, special.sot_lm, special.translate}
    ours = {*tokenizer.non_speech_tokens, *control, special.transcribe}
    assert set(config["suppress_ids"]) - {special.no_speech, special.eot} == ours - {special.eot}
    assert config["suppress_ids_begin"] == list(tokenizer.blank_tokens)


def test_the_hundred_languages_of_large_v3() -> None:
    golden = goldens.tokens()["large-v3"]
    ours = special_tokens(golden["n_vocab"])
    expected = {name: token for name, token in golden["special"].items() if name != "timestamp_end"}
    assert {name: getattr(ours, name) for name in expected} == expected
    assert dict(ours.languages) == golden["language_tokens"]
