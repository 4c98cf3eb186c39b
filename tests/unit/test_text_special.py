import pytest

from whisper_jax.errors import CheckpointError
from whisper_jax.text import LANGUAGES
from whisper_jax.text.special import special_token_names, special_tokens


@pytest.mark.parametrize(
    ("n_vocab", "eot", "translate", "no_speech", "timestamp_begin"),
    [
        (51_864, 50256, 50357, 50361, 50363),
        (51_865, 50257, 50358, 50362, 50364),
        (51_866, 50257, 50359, 50363, 50365),
    ],
)
def test_ids_follow_from_the_size(n_vocab, eot, translate, no_speech, timestamp_begin):
    special = special_tokens(n_vocab)
    assert (special.eot, special.sot) == (eot, eot + 1)
    assert (special.translate, special.transcribe) == (translate, translate + 1)
    assert (special.sot_lm, special.sot_prev) == (translate + 2, translate + 3)
    assert (special.no_speech, special.no_timestamps) == (no_speech, no_speech + 1)
    assert special.timestamp_begin == timestamp_begin


def test_languages_are_numbered_in_order():
    languages = special_tokens(51_866).languages
    assert list(languages) == list(LANGUAGES)
    assert list(languages.values()) == list(range(50259, 50359))
    assert "yue" not in special_tokens(51_865).languages
    assert special_tokens(51_865).languages["su"] == 50357


def test_the_layout_ends_with_30_seconds():
    names = special_token_names(51_865)
    assert names[-1501] == "<|0.00|>"
    assert names[-1501 + 54] == "<|1.08|>"
    assert names[-1] == "<|30.00|>"
    assert len(set(names)) == 51_865 - 50_257


@pytest.mark.parametrize("n_vocab", [0, 50_257, 51_863, 51_867])
def test_another_size_is_refused(n_vocab):
    with pytest.raises(CheckpointError, match=rf"{n_vocab} tokens is not Whisper's"):
        special_tokens(n_vocab)
