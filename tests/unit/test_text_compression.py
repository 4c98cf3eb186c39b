import zlib

from whisper_jax.text import compression_ratio


def test_a_loop_compresses_well_and_speech_does_not():
    speech = " And so my fellow Americans, ask not what your country can do for you."
    assert compression_ratio(speech) < 1.5
    assert compression_ratio(" I'm going." * 20) > 2.4


def test_bytes_are_counted_not_characters():
    text = "你好" * 10
    assert compression_ratio(text) == 60 / len(zlib.compress(text.encode()))


def test_nothing_has_ratio_nought():
    assert compression_ratio("") == 0
