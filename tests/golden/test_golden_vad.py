"""Voice activity beside Silero's own network. Goldens: scripts/golden/make_vad_goldens.py."""

import numpy as np
import pytest
from goldens import arrays, samples

from whisper_jax.speech.vad import VoiceActivity

CASES = [name for name in arrays("silero_vad") if name != "about"]


@pytest.mark.parametrize("name", CASES)
def test_probabilities_are_those_of_the_published_network(name: str):
    clip, factor = name.split("/")
    activity = VoiceActivity()
    heard = np.float32(float(factor)) * samples(clip)
    found = np.concatenate([activity.push(heard), activity.finish()])
    expected = arrays("silero_vad")[name]
    assert len(found) == len(expected)
    # float32 through a recurrence of minutes: 6e-6 was measured at most, 1e-3 is asked for.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5)


def test_goldens_hold_speech_and_silence():
    assert len(CASES) == 6
    everything = np.concatenate([arrays("silero_vad")[name] for name in CASES])
    assert np.mean(everything > 0.9) > 0.3
    assert np.mean(everything < 0.1) > 0.05
