"""The level of a recording: measured where it can be read twice, and read twice only if need be."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_media import Pipe, wav_bytes

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.mel import peak_level
from whisper_jax.driver import level
from whisper_jax.errors import AudioError

SAMPLES = np.random.default_rng(0).normal(0, 3000, 40_000).astype(np.int16)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was opened, in order."""
    seen: list[object] = []

    def open_and_note(source: Any, **options: Any) -> AudioStream:
        seen.append(source)
        return open_audio(source, **options)

    monkeypatch.setattr(level, "open_audio", open_and_note)
    return seen


def samples_of(stream: AudioStream) -> np.ndarray:
    with stream:
        return np.concatenate(list(stream.blocks()))


def test_a_short_recording_is_opened_once(opened: list[object], tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(SAMPLES))
    expected = samples_of(open_audio(path))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes()), expected):
        opened.clear()
        stream, peak = level.open_with_level(source, channel=None, n_mels=80)
        assert stream.duration_s == 2.5
        np.testing.assert_array_equal(samples_of(stream), expected)
        assert peak == peak_level([expected], 80)
        assert len(opened) == 1


def test_a_long_one_is_opened_again_and_measured_at_its_beginning(opened: list[object]) -> None:
    quiet = np.full(700 * 16_000, 1e-3, np.float32)
    quiet[::2] *= -1
    quiet[-16_000:] = np.sin(np.arange(16_000))  # loud, after eleven minutes
    stream, peak = level.open_with_level(quiet, channel=None, n_mels=80)
    assert peak == peak_level([quiet[: 600 * 16_000]], 80) < peak_level([quiet], 80)
    assert len(opened) == 2
    assert len(samples_of(stream)) == len(quiet)


def test_a_pipe_is_opened_once_and_its_level_is_unknown(opened: list[object]) -> None:
    stream, peak = level.open_with_level(
        Pipe(wav_bytes(SAMPLES)),  # pyright: ignore[reportArgumentType]
        channel=None,
        n_mels=80,
    )
    assert peak == float("-inf")
    assert len(samples_of(stream)) == len(SAMPLES)
    assert len(opened) == 1


def test_a_recording_that_breaks_off_does_so_when_it_is_read() -> None:
    class Scratched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError("a scratch")
            return super().read(size)

    source = Scratched(wav_bytes(np.zeros(3_000_000, np.int16)))
    stream, _ = level.open_with_level(source, channel=None, n_mels=80)
    with pytest.raises(AudioError, match="a scratch"):
        samples_of(stream)
    with pytest.raises(AudioError, match="no such file"):
        level.open_with_level("missing.wav", channel=None, n_mels=80)


def test_an_empty_recording_has_no_level() -> None:
    stream, peak = level.open_with_level(np.zeros(0, np.float32), channel=None, n_mels=80)
    assert list(stream.blocks()) == []
    assert peak == float("-inf")
