"""What is not a recording, or only part of one: clear errors, and all that can be decoded."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from audio_media import FailingPipe, Pipe, decode, loudest_hz, noise, wav_bytes, write_media
from numpy.typing import NDArray

from whisper_jax.audio.decode import AudioInput, open_audio
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(10, np.int32), "array of int32; give float32, float64 or int16"),
        (np.zeros(10, np.complex64), "array of complex64"),
        (np.zeros((2, 2, 2), np.float32), r"shape \(2, 2, 2\); give \[samples\]"),
        (np.zeros((16_000, 2), np.float32), r"shape \(16000, 2\); .*\[channels, samples\]"),
        (np.zeros((), np.float32), r"shape \(\)"),
        (np.array([0.0, np.nan], np.float32), "NaN"),
        (np.array([0.0, np.inf], np.float64), "infinite"),
        (np.array([0.0, 1e300], np.float64), "too large"),
    ],
)
def test_wrong_arrays(array: NDArray[Any], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        open_audio(array)


@pytest.mark.parametrize(
    "source", [noise(100).reshape(2, -1), wav_bytes(noise(100).reshape(2, -1))]
)
@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_that_is_not_there(source: AudioInput, channel: int) -> None:
    with pytest.raises(AudioError, match=rf"no channel {channel} in .*: it has 2"):
        open_audio(source, channel=channel)


def test_video_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        container.mux(picture.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(picture.encode(None))
    with pytest.raises(AudioError, match=r"silent.mp4' has no audio stream"):
        open_audio(path)


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.wav").write_text("It is a truth universally acknowledged.\n" * 100)
    Path("empty.wav").touch()
    Path("folder").mkdir()
    for path, message in (
        ("x.mp3", "no such file: 'x.mp3'"),
        ("text.wav", "cannot open 'text.wav': it is not audio or video of a known format"),
        ("empty.wav", "'empty.wav' is empty"),
        ("folder", "'folder' is a folder; give the files in it"),
        ("text.wav/x.wav", "cannot open 'text.wav/x.wav': Not a directory"),
        ("nul\0.wav", "cannot open"),
    ):
        for source in (path, Path(path)):
            with pytest.raises(AudioError) as failure:
                open_audio(source)
            assert str(failure.value).startswith(message)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(AudioError, match=r"no permission to read 'text.wav'; change"):
        open_audio("text.wav")


def text_file() -> object:
    return io.StringIO("hello")


def closed_file() -> object:
    file = io.BytesIO(wav_bytes(noise(10)))
    file.close()
    return file


@pytest.mark.parametrize(
    ("make_source", "message"),
    [
        (lambda: b"", "'audio' is empty"),
        (lambda: io.BytesIO(), "'audio' is empty"),
        (lambda: Pipe(b""), "'audio' is empty"),
        (lambda: noise(5000).tobytes(), "not audio or video of a known format"),
        (lambda: wav_bytes(noise(5000))[:20], "not audio or video of a known format"),
        (text_file, "open it in binary"),
        (closed_file, "closed file"),
        (lambda: 17, "cannot read audio from int: give a path"),
        (lambda: [0.0, 1.0], "cannot read audio from list"),
    ],
)
def test_sources_that_are_not_audio(make_source: Callable[[], Any], message: str) -> None:
    with pytest.raises(AudioError, match=message):
        open_audio(make_source())


def test_a_recording_without_samples() -> None:
    with (
        open_audio(wav_bytes(noise(0))) as stream,
        pytest.raises(AudioError, match="nothing in 'audio' can be decoded"),
    ):
        next(stream.blocks())


def test_a_playlist_may_not_name_files_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.wav").write_bytes(wav_bytes(noise(1000)))
    playlist = b"ffconcat version 1.0\nfile secret.wav\n"
    for source in (playlist, Pipe(playlist)):
        with pytest.raises(AudioError, match="cannot open 'audio'"):
            open_audio(source)


@pytest.mark.parametrize(
    "suffix_codec", [("mp3", "mp3", "fltp"), ("wv", "wavpack", "s16p"), ("flac", "flac", "s16")]
)
def test_a_truncated_file_gives_what_there_is(
    tmp_path: Path, suffix_codec: tuple[str, str, str]
) -> None:
    suffix, codec, sample_format = suffix_codec
    path = write_media(tmp_path / f"tones.{suffix}", codec, sample_format, 44_100, duration_s=4.0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 5 // 8])
    assert 1.9 * SAMPLE_RATE < len(decode(path)) < 2.6 * SAMPLE_RATE


def test_a_truncated_mp4_gives_what_there_is(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "tones.mp4", "aac", "fltp", 48_000, options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    assert 0.5 * SAMPLE_RATE < len(decode(path)) < 1.8 * SAMPLE_RATE


@pytest.mark.parametrize("suffix_codec", [("mp3", "mp3", "fltp"), ("flac", "flac", "s16")])
def test_damage_in_the_middle_is_skipped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix_codec: tuple[str, str, str]
) -> None:
    suffix, codec, sample_format = suffix_codec
    path = write_media(tmp_path / f"tones.{suffix}", codec, sample_format, 44_100, duration_s=4.0)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = noise(1000).tobytes()
    path.write_bytes(data)
    samples = decode(path, channel=1)
    assert len(samples) > 3.2 * SAMPLE_RATE
    assert loudest_hz(samples[-9000:-1000]) == pytest.approx(1000, abs=3)
    assert capfd.readouterr().err == ""  # FFmpeg would complain of the damage


class Unseekable(io.BytesIO):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        raise RuntimeError("it says it can, and cannot")


def test_a_file_object_that_lies() -> None:
    with pytest.raises(AudioError, match="seeking in 'audio' failed: it says it can, and cannot"):
        open_audio(Unseekable(wav_bytes(noise(1000))))


def test_no_room_for_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", FullDisk)
    with pytest.raises(AudioError, match=r"cannot copy .*: .*No space left"):
        open_audio(Pipe(b"\0\0\0\x18ftypisom" * 100))


def test_a_file_object_that_fails_gives_what_came_before() -> None:
    samples = noise(3_000_000)
    received: list[NDArray[np.float32]] = []
    with open_audio(FailingPipe(wav_bytes(samples))) as stream:
        failure = None
        try:
            received.extend(stream.blocks())
        except AudioError as error:
            failure = error
    assert str(failure) == "reading 'audio' failed: the stick was pulled out"
    read = np.concatenate(received)
    assert 1_995_000 < len(read) < 2_000_000
    np.testing.assert_array_equal(read, samples[: len(read)] / np.float32(32768))
