"""Raw audio from a network: encodings, rates, pieces of any size."""

from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.audio.wire import ENCODINGS, WireAudio
from whisper_jax.errors import OptionError

RATES = (8_000, 16_000, 24_000, 44_100)


def encoded(samples: np.ndarray, encoding: str) -> bytes:
    """What FFmpeg makes of samples."""
    name = {"pcm16": "pcm_s16le", "float32": "pcm_f32le", "mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}
    codec = av.CodecContext.create(name[encoding], "w")
    sample_format = "flt" if encoding == "float32" else "s16"
    codec.sample_rate, codec.layout, codec.format = 8000, "mono", sample_format
    whole = samples if encoding == "float32" else (samples * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(whole[None], sample_format, "mono")
    frame.sample_rate = 8000
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)).astype("f4")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_understood_as_ffmpeg_writes_it(encoding):
    samples = tone(16_000)
    wire = WireAudio(encoding, 16_000)
    found = np.concatenate([wire.feed(encoded(samples, encoding)), wire.flush()])
    assert found.dtype == np.float32
    # G.711's steps are an eighth of the level's power of two.
    tolerance = {"pcm16": 1e-4, "float32": 0.0}.get(encoding, 0.018)
    np.testing.assert_allclose(found, samples, rtol=0, atol=tolerance)


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_all_codes_of_g711_are_as_ffmpeg_reads_them(law):
    codec = av.CodecContext.create(f"pcm_{law}", "r")
    codec.sample_rate, codec.layout = 8000, "mono"
    codes = bytes(range(256))
    (frame,) = codec.decode(av.Packet(codes))
    expected = frame.to_ndarray()[0].astype(np.float32) / 32768
    np.testing.assert_array_equal(WireAudio(law, 16_000).feed(codes), expected)


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_becomes_16_khz(rate):
    wire = WireAudio("float32", rate)
    found = np.concatenate([wire.feed(tone(rate).tobytes()), wire.flush()])
    assert abs(len(found) - 16_000) <= 16
    middle = slice(1000, 15_000)
    np.testing.assert_allclose(found[middle], tone(16_000)[middle], atol=0.02)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=9_000),
    cuts=st.lists(st.integers(0, 9_000), max_size=12),
    encoding=st.sampled_from(ENCODINGS),
    rate=st.sampled_from(RATES),
)
def test_pieces_of_any_size_give_the_same_samples(data, cuts, encoding, rate):
    whole, pieces = WireAudio(encoding, rate), WireAudio(encoding, rate)
    expected = np.concatenate([whole.feed(data), whole.flush()])
    bounds = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [pieces.feed(data[start:end]) for start, end in pairwise(bounds)]
    np.testing.assert_array_equal(np.concatenate([*parts, pieces.flush()]), expected)
    assert np.isfinite(expected).all()
    # The resampler's filter may ring a little beyond full scale.
    assert np.abs(expected).max(initial=0) <= (1 if rate == 16_000 else 2)


def test_what_is_no_number_is_silence():
    wire = WireAudio("float32", 16_000)
    given = np.array([0.5, np.nan, np.inf, -np.inf, 7.0, -7.0], "<f4")
    np.testing.assert_array_equal(wire.feed(given.tobytes()), [0.5, 0, 0, 0, 1, -1])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_silence_is_next_to_nothing(encoding):
    wire = WireAudio(encoding, 16_000)
    assert len(wire.silence) == wire.bytes_per_sample
    assert abs(float(wire.feed(wire.silence)[0])) < 3e-4


def test_part_of_a_sample_can_be_dropped():
    wire = WireAudio("pcm16", 16_000)
    assert len(wire.feed(b"\x00\x40\x01")) == 1
    wire.drop_part()
    np.testing.assert_array_equal(wire.feed(b"\x00\x40"), [0.5])


@pytest.mark.parametrize(("encoding", "rate"), [("pcm24", 16_000), ("pcm16", 7_999), ("alaw", 0)])
def test_what_cannot_be_taken_is_refused(encoding, rate):
    with pytest.raises(OptionError):
        WireAudio(encoding, rate)
