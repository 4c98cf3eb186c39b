"""Decoding: every kind of source and container, exact samples, bounded memory."""

import io
import os
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from audio_media import (
    TONES_HZ,
    Pipe,
    as_frames,
    decode,
    loudest_hz,
    noise,
    tones,
    wav_bytes,
    write_media,
)
from numpy.typing import NDArray

from whisper_jax.audio.decode import BLOCK_SAMPLES, open_audio
from whisper_jax.audio.units import SAMPLE_RATE

# suffix, codec, sample format, rate, with a picture
CONTAINERS = [
    ("wav", "pcm_s16le", "s16", 16_000, False),
    ("wav", "pcm_alaw", "s16", 8_000, False),
    ("wav", "pcm_f32le", "flt", 44_100, False),
    ("flac", "flac", "s32", 44_100, False),
    ("mp3", "mp3", "fltp", 44_100, False),
    ("m4a", "aac", "fltp", 44_100, False),
    ("ogg", "libopus", "flt", 48_000, False),
    ("webm", "libopus", "flt", 48_000, False),
    ("mp4", "aac", "fltp", 48_000, True),
    ("mkv", "flac", "s16", 22_050, True),
]


# Prints the samples read, the largest block and how many bytes the process grew by meanwhile.
READ_ALL = """
import resource, sys
from whisper_jax.audio.decode import open_audio
unit = 1 if sys.platform == "darwin" else 1024
with open_audio(sys.argv[1]) as stream:
    blocks = stream.blocks()
    n_largest = n_samples = len(next(blocks))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for block in blocks:
        n_samples += len(block)
        n_largest = max(n_largest, len(block))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(n_samples, n_largest, (after - before) * unit)
"""


@pytest.mark.parametrize(("suffix", "codec", "sample_format", "rate", "with_picture"), CONTAINERS)
def test_containers(
    tmp_path: Path, suffix: str, codec: str, sample_format: str, rate: int, with_picture: bool
) -> None:
    path = write_media(
        tmp_path / f"tones.{suffix}", codec, sample_format, rate, with_picture=with_picture
    )
    with open_audio(path) as stream:
        assert stream.name == str(path)
        assert stream.duration_s == pytest.approx(2.0, abs=0.1)
    for channel, tone_hz in enumerate(TONES_HZ):
        samples = decode(path, channel=channel)
        assert len(samples) == pytest.approx(2 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
        assert loudest_hz(samples[4000:28000]) == pytest.approx(tone_hz, abs=2)
        assert np.abs(samples[4000:28000]).max() == pytest.approx(0.4, abs=0.05)
    mix = decode(path)
    levels = np.abs(np.fft.rfft(mix[4000:20000] * np.hanning(16000)))
    assert levels[440] == pytest.approx(levels[1000], rel=0.1)
    # The same bytes give the same samples however they come.
    data = path.read_bytes()
    np.testing.assert_array_equal(decode(data), mix)
    with path.open("rb") as file:
        np.testing.assert_array_equal(decode(file), mix)
        assert not file.closed


@pytest.mark.parametrize("suffix_codec", [("flac", "flac", "s16"), ("mp4", "aac", "fltp")])
def test_a_pipe_gives_what_the_file_gives(
    tmp_path: Path, suffix_codec: tuple[str, str, str]
) -> None:
    suffix, codec, sample_format = suffix_codec
    path = write_media(tmp_path / f"tones.{suffix}", codec, sample_format, 48_000, duration_s=0.5)
    np.testing.assert_array_equal(decode(Pipe(path.read_bytes())), decode(path))


def test_a_file_object_is_read_from_its_beginning() -> None:
    samples = noise(3000)
    file = io.BytesIO(wav_bytes(samples))
    file.seek(1000)
    assert len(decode(file)) == 3000


def test_a_name_that_looks_like_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("call:1 %d.wav").write_bytes(wav_bytes(noise(500)))
    assert len(decode("call:1 %d.wav")) == 500


@pytest.mark.parametrize("n_samples", [1, 100, 16_000, 16_001, 100_000])
def test_16_khz_wav_is_exact(n_samples: int) -> None:
    samples = noise(n_samples)
    np.testing.assert_array_equal(decode(wav_bytes(samples)), samples / np.float32(32768))


@pytest.mark.parametrize("n_channels", [2, 3, 6, 8, 9, 12])
def test_a_channel_is_exact(n_channels: int) -> None:
    samples = noise(n_channels * 5000).reshape(n_channels, -1)
    data = wav_bytes(samples)
    for channel in (0, n_channels - 1):
        np.testing.assert_array_equal(
            decode(data, channel=channel), samples[channel] / np.float32(32768)
        )
    assert len(decode(data)) == 5000


def test_the_mix_of_two_channels_is_ffmpegs() -> None:
    samples = noise(10_000).reshape(2, -1)
    expected = samples.astype(np.float32).sum(axis=0) / (32768 * np.sqrt(2))
    np.testing.assert_allclose(decode(wav_bytes(samples)), expected, atol=1e-6)


def test_the_mix_of_nine_channels_is_their_mean() -> None:
    samples = noise(9 * 5000).reshape(9, -1)
    mean = samples.astype(np.float32).mean(axis=0) / 32768
    np.testing.assert_allclose(decode(wav_bytes(samples)), mean, atol=1e-6)


def test_resampling_is_pyavs() -> None:
    data = wav_bytes(noise(44_100 * 4).reshape(2, -1), rate=44_100)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(io.BytesIO(data)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    expected = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    np.testing.assert_array_equal(decode(data), expected)


def test_a_stream_that_changes_its_rate_is_read_on() -> None:
    def mp3(rate: int) -> bytes:
        file = io.BytesIO()
        with av.open(file, "w", format="mp3", options={"write_xing": "0"}) as container:
            sound = container.add_stream("mp3", rate=rate, layout="stereo")
            for frame in as_frames(tones(1.0, rate), "fltp", rate):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        return file.getvalue()

    data = mp3(44_100) + mp3(32_000)
    frames: list[av.AudioFrame] = []
    with av.open(io.BytesIO(data)) as container:
        for packet in container.demux(audio=0):
            with suppress(av.error.InvalidDataError):  # where one begins within the other
                frames += packet.decode()
    expected: list[NDArray[np.float32]] = []
    for _, alike in groupby(frames, key=lambda frame: frame.sample_rate):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in [*alike, None]:
            expected += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    samples = decode(data)
    assert round(loudest_hz(samples[-9000:-1000]), -1) in TONES_HZ
    np.testing.assert_array_equal(samples, np.concatenate(expected))


def test_what_needs_no_resampling_is_exact(tmp_path: Path) -> None:
    path = write_media(tmp_path / "tones.wav", "pcm_f32le", "flt", SAMPLE_RATE)
    np.testing.assert_array_equal(decode(path, channel=1), tones(2.0, SAMPLE_RATE)[1])
    mono = tmp_path / "mono.mkv"
    with av.open(str(mono), "w") as container:
        sound = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tones(2.0, SAMPLE_RATE)[:1], "flt", "mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    np.testing.assert_array_equal(decode(mono), tones(2.0, SAMPLE_RATE)[0])


def test_pictures_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mjpeg", rate=10, options={"qmin": "1", "qmax": "1"})
        picture.width, picture.height, picture.pix_fmt = 640, 480, "yuvj420p"
        sound = container.add_stream("aac", rate=48_000, layout="stereo")
        grain = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
        container.mux(picture.encode(av.VideoFrame.from_ndarray(grain)))
        for frame in as_frames(tones(2.0, 48_000), "fltp", 48_000):
            container.mux(sound.encode(frame))
        for _ in range(15):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(grain)))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))

    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.n_read += len(data)
            return data

    file = Counting(path.read_bytes())
    assert len(decode(file)) == pytest.approx(2 * SAMPLE_RATE, abs=800)
    assert file.n_read < path.stat().st_size / 2


def test_an_mp3_with_a_cover_picture(tmp_path: Path) -> None:
    cover = io.BytesIO()
    with av.open(cover, "w", format="mjpeg") as container:
        picture = container.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuvj420p"
        container.mux(picture.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(picture.encode(None))
    jpeg = cover.getvalue()
    body = b"\0image/jpeg\0\x03\0" + jpeg
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = len(frame)
    tag = b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame
    path = write_media(tmp_path / "plain.mp3", "mp3", "fltp", 44_100, duration_s=1.0)
    with_cover = path.with_name("cover.mp3")
    with_cover.write_bytes(tag + path.read_bytes())
    with av.open(str(with_cover)) as container:
        assert len(container.streams.video) == 1
    assert loudest_hz(decode(with_cover, channel=1)[2000:14000]) == pytest.approx(1000, abs=3)


def test_three_hours_are_read_in_bounded_memory(tmp_path: Path) -> None:
    n_bytes = 3 * 3600 * SAMPLE_RATE
    header = bytearray(wav_bytes(np.zeros(0, np.uint8)))
    header[4:8] = (36 + n_bytes).to_bytes(4, "little")
    header[40:44] = n_bytes.to_bytes(4, "little")
    path = tmp_path / "hours.wav"
    path.write_bytes(header)
    os.truncate(path, len(header) + n_bytes)  # a hole: no room on the disk is used
    # A process of its own: the peak of this one may be anything.
    run = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(path)], capture_output=True, text=True, check=True
    )
    n_samples, n_largest, growth_bytes = map(int, run.stdout.split())
    assert n_samples == 3 * 3600 * SAMPLE_RATE
    assert n_largest <= BLOCK_SAMPLES
    assert growth_bytes < 8_000_000  # the file has 173 MB, its samples 691 MB


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0.5, -1.0], np.float32), [0.5, -1.0]),
        (np.array([0.5, -1.0], np.float64), [0.5, -1.0]),
        (np.array([16384, -32768], np.int16), [0.5, -1.0]),
        (np.array([16384, -32768], ">i2"), [0.5, -1.0]),
        (np.array([[0.5, -1.0], [0.25, 0.0]], np.float32), [0.375, -0.5]),
        (np.array([[16384, -32768], [16384, 0]], np.int16), [0.5, -0.5]),
        (np.empty(0, np.float32), []),
    ],
)
def test_arrays(array: NDArray[Any], expected: list[float]) -> None:
    before = array.copy()
    assert decode(array).tolist() == expected
    np.testing.assert_array_equal(array, before)


def test_an_array_knows_its_duration_and_channels() -> None:
    array = np.stack([np.zeros(40_000), np.full(40_000, 0.25)])
    with open_audio(array, channel=1) as stream:
        assert stream.duration_s == 2.5
        assert np.concatenate(list(stream.blocks())).tolist() == [0.25] * 40_000


def test_a_closed_stream_gives_nothing_more() -> None:
    for source in (wav_bytes(noise(100_000)), noise(100_000)):
        with open_audio(source) as stream:
            blocks = stream.blocks()
            next(blocks)
        with pytest.raises(ValueError, match="has been closed"):
            next(blocks)


def test_streams_run_on_threads_of_their_own() -> None:
    recordings = [noise(200_000, seed=seed) for seed in range(4)]
    decoded: dict[int, NDArray[np.float32]] = {}

    def work(index: int) -> None:
        decoded[index] = decode(wav_bytes(recordings[index]))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, recording in enumerate(recordings):
        np.testing.assert_array_equal(decoded[index], recording / np.float32(32768))
