"""A script for the earlier whisper-jax runs as it is, but for the model's size."""

import goldens
import numpy as np
import pytest

from whisper_jax.scoring import normalise


@pytest.mark.weights
def test_a_script_of_the_original() -> None:
    import jax.numpy as jnp

    from whisper_jax import FlaxWhisperPipline

    pipeline = FlaxWhisperPipline("openai/whisper-base", dtype=jnp.float32, batch_size=4)
    outputs = pipeline(str(goldens.clip_path("jfk")), task="transcribe", return_timestamps=True)
    text, chunks = outputs["text"], outputs["chunks"]
    assert normalise(text, "en") == normalise(goldens.clips()["jfk"]["text"], "en")
    assert "".join(chunk["text"] for chunk in chunks) == text
    assert chunks[0]["timestamp"][0] < chunks[-1]["timestamp"][1] <= 11.0
    samples = goldens.samples("jfk")
    assert pipeline({"array": samples, "sampling_rate": 16_000}) == {"text": text}
    # Every other sample, said to be at half the rate, is the same recording without its highs.
    half = {"array": np.ascontiguousarray(samples[::2]), "sampling_rate": 8000}
    assert "your country" in pipeline(half, language="english", batch_size=2)["text"]
    pipeline.model.close()
