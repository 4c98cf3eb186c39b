"""What `encode_audio` writes is read back: the same length, and about the same sound."""

import numpy as np
import pytest

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.encode import ENCODINGS, encode_audio
from whisper_jax.audio.units import SAMPLE_RATE


@pytest.mark.parametrize("ending", ENCODINGS)
def test_a_tone_is_read_back(ending: str) -> None:
    time_s = np.arange(2 * SAMPLE_RATE + 77) / SAMPLE_RATE
    tone = (0.4 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    with open_audio(encode_audio(tone, ending)) as stream:
        read = np.concatenate(list(stream.blocks()))
    # Lossy codecs have a delay and pad their last frame.
    assert abs(len(read) - len(tone)) <= 0.1 * SAMPLE_RATE
    middle = read[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == 440
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.1)
