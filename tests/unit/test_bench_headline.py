import json
import wave
from pathlib import Path

import numpy as np
import pytest

from whisper_jax.bench.headline import headlines
from whisper_jax.bench.workload import repeated, workload_from_manifest
from whisper_jax.errors import OptionError

RATE = 16_000


def write_wav(path: Path, seconds: float, level: int) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(np.full(round(seconds * RATE), level, "<i2").tobytes())


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rows = []
    lengths_s = {"en": (1, 4, 2, 3), "de": (2, 5), "zh-CN": (1.5,), "zh+en": (9,)}
    for language, seconds in lengths_s.items():
        for i, each_s in enumerate(seconds):
            name = f"{language}{i}.wav"
            write_wav(tmp_path / name, each_s, 1000 * (len(rows) + 1))
            row = {"path": name, "set": language[:2], "language": language, "text": f"{name} said"}
            rows.append(json.dumps({**row, "duration_s": each_s}))
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(rows))
    return path


def names(headline) -> list[str]:
    return [recording.path.name for recording in headline.recordings]


def test_the_joined_recording_holds_what_its_reference_says(manifest, tmp_path):
    # 15 s: with a second after each, 2 + 5 + 3 + 4 = 14 s, and nothing fits into the last one.
    hour, _, _ = headlines(manifest, None, 0.25, tmp_path)
    (recording,) = hour.recordings
    assert (recording.language, recording.tag) == ("en", "en")
    assert recording.reference == "en0.wav said en1.wav said en2.wav said en3.wav said"
    samples = read_wav(recording.path)
    parts = [(1000, 1), (0, 1), (2000, 4), (0, 1), (3000, 2), (0, 1), (4000, 3), (0, 1)]
    expected = np.concatenate([np.full(seconds * RATE, level) for level, seconds in parts])
    assert (samples == expected).all()
    assert "0.2 minutes (4 joined, 4 of them different)" in hour.title


def test_recordings_are_joined_again_until_there_is_enough(manifest, tmp_path):
    hour, _, _ = headlines(manifest, ["en"], 0.5, tmp_path)
    (recording,) = hour.recordings
    # 14 s twice, and a last one of 2 s with its pause.
    assert recording.reference is not None
    assert recording.reference.count("en0.wav") == 3
    assert len(read_wav(recording.path)) == 30 * RATE
    assert "(9 joined, 4 of them different)" in hour.title


def test_the_batch_is_the_longest_of_one_language(manifest, tmp_path):
    _, batch, _ = headlines(manifest, None, None, tmp_path)
    assert names(batch) == ["en1.wav", "en3.wav", "en2.wav", "en0.wav"]
    assert {recording.language for recording in batch.recordings} == {"en"}
    # Of 20 s each may have a tenth.
    _, batch, _ = headlines(manifest, None, 20 / 60, tmp_path)
    assert names(batch) == ["en2.wav", "en0.wav"]


def test_every_system_detects_the_mixed_languages(manifest, tmp_path):
    _, _, mixed = headlines(manifest, None, None, tmp_path)
    assert names(mixed) == ["en1.wav", "de1.wav", "zh-CN0.wav"]
    assert {recording.language for recording in mixed.recordings} == {None}
    assert [recording.tag for recording in mixed.recordings] == ["en", "de", "zh-CN"]
    _, _, short = headlines(manifest, None, 0.01, tmp_path)
    assert names(short) == ["en0.wav", "de0.wav", "zh-CN0.wav"], "the shortest at least"


def test_mistakes_are_named(manifest, tmp_path):
    with pytest.raises(OptionError, match="minutes is 0"):
        headlines(manifest, None, 0, tmp_path)
    with pytest.raises(OptionError, match="no recordings in one language"):
        headlines(manifest, ["zh:zh+en"], None, tmp_path)


def test_a_set_may_be_one_language_of_it(manifest):
    def found(*sets: str) -> list[str]:
        return [one.path.name for one in workload_from_manifest(manifest, sets, "all")]

    assert found("zh") == ["zh-CN0.wav", "zh+en0.wav"]
    assert found("zh:zh") == ["zh-CN0.wav"]
    assert found("zh:zh+en", "d*") == ["de0.wav", "de1.wav", "zh+en0.wav"]
    with pytest.raises(OptionError, match="no set zh:de; there are: en, de, zh"):
        found("zh:de")


def test_recordings_may_be_repeated(manifest):
    once = workload_from_manifest(manifest, ["de"], "all")
    assert [one.path.name for one in repeated(once, 2)] == ["de0.wav", "de1.wav"] * 2
    with pytest.raises(OptionError, match="repeat is 0"):
        repeated(once, 0)
