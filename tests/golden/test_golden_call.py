"""A telephone call with a side in each channel, made of two clips."""

import io
import wave

import goldens
import numpy as np

import whisper_jax
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.formats import render


def two_sides() -> bytes:
    """A stereo file: a question on the left, and an answer on the right once it is over."""
    left, right = goldens.samples("jfk"), goldens.samples("lj")
    pause = np.zeros(SAMPLE_RATE, np.float32)
    sides = [
        np.concatenate([left, pause, np.zeros_like(right)]),
        np.concatenate([np.zeros_like(left), pause, right]),
    ]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes((32_767 * np.stack(sides, axis=1)).astype("<i2").tobytes())
    return file.getvalue()


def test_each_side_is_a_speaker(base_model: whisper_jax.Whisper) -> None:
    result = base_model.transcribe(two_sides(), channels="split", language="en", beam_size=1)
    speakers = [segment.speaker for segment in result.segments]
    assert speakers == sorted(speakers, key=str), "the answer comes after the question"
    said = {
        speaker: "".join(s.text for s in result.segments if s.speaker == speaker)
        for speaker in ("Speaker 1", "Speaker 2")
    }
    assert "ask not what your country can do for you" in said["Speaker 1"]
    assert "first importance" in said["Speaker 2"]
    assert "importance" not in said["Speaker 1"]
    question_end = len(goldens.samples("jfk")) / SAMPLE_RATE
    first_answer = next(s for s in result.segments if s.speaker == "Speaker 2")
    assert first_answer.start > question_end
    assert "<v Speaker 2>" in render(result, "vtt")
