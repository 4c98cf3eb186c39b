"""A recording's text is the same whatever shares its run, and however it comes: a real engine."""

from collections.abc import Iterator

import numpy as np
import pytest
import tiny
from numpy.typing import NDArray

from whisper_jax.transcribe import Whisper

# The tokenizer has a text for letters only, and a random model would end most texts at once.
BUT_LETTERS = tuple({*range(51_865)} - {*range(ord("a"), ord("z") + 1)})
# Some windows pass the threshold, the others are sampled.
OPTIONS = {
    "suppress_tokens": BUT_LETTERS,
    "without_timestamps": True,
    "vad_filter": False,
    "chunk_length": 3,
    "max_new_tokens": 8,
    "beam_size": 3,
    "best_of": 3,
    "temperature": (0.0, 0.7),
    "logprob_threshold": -1.4,
    "compression_ratio_threshold": None,
    "no_speech_threshold": None,
}
LENGTHS_S = (10.0, 3.0, 7.3, 1.0)


def recording(seed: int) -> NDArray[np.float32]:
    """Noise that swells and fades, so that there are places to cut."""
    n = round(LENGTHS_S[seed] * 16_000)
    swell = 1.1 + np.sin(np.arange(n) / (4_000 + 500 * seed))
    return (np.random.default_rng(seed).normal(0, 0.05, n) * swell).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Iterator[Whisper]:
    with tiny.whisper() as model:
        yield model


@pytest.mark.parametrize(
    "options",
    [
        {"language": "en"},
        {"language": None, "temperature": 0.7, "language_detection_segments": 2},
        {"language": "auto", "long_form": "sequential"},
        {"language": "en", "beam_size": 1, "best_of": 1},
    ],
    ids=str,
)
def test_texts_do_not_depend_on_what_shares_the_run(model: Whisper, options: dict) -> None:
    chosen = OPTIONS | options
    recordings = [recording(seed) for seed in range(len(LENGTHS_S))]
    alone = [model.transcribe(samples, **chosen) for samples in recordings]
    segments = [segment for transcript in alone for segment in transcript.segments]
    assert any(segment.retries for segment in segments) or chosen["temperature"] == 0.7
    assert not all(segment.retries for segment in segments)
    assert len({segment.text for segment in segments}) > len(segments) // 2
    together = model.transcribe_batch(recordings * 2, **chosen)
    assert together == alone * 2
    one_by_one = model.transcribe_batch(recordings, batch_size=1, **chosen)
    assert one_by_one == alone


def test_texts_do_not_depend_on_blocks(model: Whisper, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = OPTIONS | {"language": "en"}
    expected = model.transcribe(recording(0), **chosen)
    for size in (1234, 50_000):
        monkeypatch.setattr("whisper_jax.audio.decode.BLOCK_SAMPLES", size)
        assert model.transcribe(recording(0), **chosen) == expected


def test_another_seed_draws_other_texts(model: Whisper) -> None:
    chosen = OPTIONS | {"language": "en", "temperature": 0.7}
    first, again, other = (
        model.transcribe(recording(0), seed=seed, **chosen) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.text != other.text
