"""Recordings whose channels are speakers."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from audio_media import wav_bytes
from fake_whisper import whisper
from letters import at, said, words
from numpy.typing import NDArray

from whisper_jax.errors import AudioError, OptionError
from whisper_jax.requests import Decode, Decoded, Encode
from whisper_jax.transcribe import Whisper

RATE = 16_000
OPTIONS = {"language": "en", "channels": "split", "chunk_length": 10}


def hear(window: Encode, _: Decode) -> Decoded:
    """Says the loudness of a window in tenths, after as many seconds; silence says nothing."""
    loudness = round(10 * float(np.median(window.samples[1000:-1000])))
    if loudness == 0:
        return said([at(0), at(10), at(10)])
    return said([at(loudness), *words(f" {loudness}"), at(10), at(10)])


@pytest.fixture
def model() -> Whisper:
    return whisper(hear)


def call(*sides: list[float]) -> NDArray[np.int16]:
    """A recording [channels, samples]: of each side how loud it is in each ten seconds."""
    channels = [np.repeat(np.array(side), 10 * RATE) for side in sides]
    return (np.stack(channels) * 32_767).astype(np.int16)


TWO_SIDES = call([0.2, 0.4, 0.0], [0.1, 0.3, 0.5])
SPOKEN = [
    (1.0, "Speaker 2", " 1"),
    (2.0, "Speaker 1", " 2"),
    (13.0, "Speaker 2", " 3"),
    (14.0, "Speaker 1", " 4"),
    (25.0, "Speaker 2", " 5"),
]


@pytest.mark.parametrize("long_form", ["parallel", "sequential"])
def test_sides_are_put_together_by_time(model: Whisper, long_form: str):
    with model:
        result = model.transcribe(TWO_SIDES, long_form=long_form, **OPTIONS)
    assert [(s.start, s.speaker, s.text) for s in result.segments] == SPOKEN
    assert [s.id for s in result.segments] == [0, 1, 2, 3, 4]
    assert result.text == " 1 2 3 4 5"
    assert (result.duration, result.language) == (30.0, "en")


def sources(tmp_path: Path) -> dict[str, Callable[[], str | bytes | BinaryIO]]:
    content = wav_bytes(TWO_SIDES)
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    return {
        "path": lambda: str(path),
        "bytes": lambda: content,
        "file": lambda: io.BytesIO(content),
    }


@pytest.mark.parametrize("kind", ["path", "bytes", "file"])
@pytest.mark.parametrize("long_form", ["parallel", "sequential"])
def test_any_kind_of_recording(model: Whisper, tmp_path: Path, kind: str, long_form: str):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        source = sources(tmp_path)[kind]()
        with model:
            result = model.transcribe(source, long_form=long_form, **OPTIONS)
    assert [(s.start, s.speaker, s.text) for s in result.segments] == SPOKEN
    assert list(scratch.iterdir()) == [], "no copy is left"


def test_segments_come_in_order_and_progress_rises(model: Whisper):
    with model:
        assert [s.text for s in model.segments(TWO_SIDES, **OPTIONS)] == [t for _, _, t in SPOKEN]
        told: list[tuple[float, bool]] = []
        model.transcribe(
            TWO_SIDES, on_progress=lambda p: told.append((p.position_s, p.done)), **OPTIONS
        )
    assert told == sorted(told)
    assert told[-1] == (30.0, True)
    assert [done for _, done in told].count(True) == 1


def test_recordings_of_a_batch_keep_their_places(model: Whisper, tmp_path: Path):
    mono = call([0.7])[0]
    with model:
        results = model.transcribe_batch(
            [TWO_SIDES, tmp_path / "missing.wav", mono, b"no audio", TWO_SIDES], **OPTIONS
        )
    texts = [result.text for result in results]
    assert texts == [" 1 2 3 4 5", "", " 7", "", " 1 2 3 4 5"]
    assert [type(result.error) for result in results] == [
        type(None),
        AudioError,
        type(None),
        AudioError,
        type(None),
    ]
    assert results[2].segments[0].speaker == "Speaker 1", "one channel is one speaker"


def test_a_silent_side_says_nothing(model: Whisper):
    with model:
        result = model.transcribe(call([0.0, 0.0], [0.1, 0.2]), **OPTIONS)
        silent = model.transcribe(call([0.0], [0.0]), **OPTIONS)
    assert [s.speaker for s in result.segments] == ["Speaker 2", "Speaker 2"]
    assert (silent.segments, silent.error, silent.duration) == ((), None, 10.0)


def test_a_file_that_cannot_be_copied_fails_alone(model: Whisper):
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("the line went dead")

    with model:
        broken, whole = model.transcribe_batch([Broken(b"x"), TWO_SIDES], **OPTIONS)
    assert "the line went dead" in str(broken.error)
    assert whole.text == " 1 2 3 4 5"


def test_without_splitting_nobody_is_named(model: Whisper):
    with model:
        result = model.transcribe(TWO_SIDES, **{**OPTIONS, "channels": "mix"})
    assert {segment.speaker for segment in result.segments} == {None}


def test_one_channel_and_all_of_them_are_not_asked_for_at_once(model: Whisper):
    with model, pytest.raises(OptionError, match="channel is 1 and channels 'split'; give one"):
        model.transcribe(TWO_SIDES, channel=1, **OPTIONS)
    with model, pytest.raises(OptionError, match="channels is 'both'; use 'mix' or 'split'"):
        model.transcribe(TWO_SIDES, channels="both")
