"""Pieces of a recording: their samples, margins and positions; little memory; the end exactly."""

from collections.abc import Iterator

import driver_play as play
import numpy as np
import pytest
from driver_play import SECOND, Script, Source
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.driver.cutting import Cutter, Cutting
from whisper_jax.driver.pieces import Piece, read_pieces
from whisper_jax.driver.plan import look_back_frames
from whisper_jax.errors import AudioError
from whisper_jax.options import TranscribeOptions
from whisper_jax.requests import Read
from whisper_jax.speech.cutting import Cutting as SpeechCutting
from whisper_jax.speech.regions import Region, RegionCutter, cut_options


def cutting(
    source: Source | AudioStream,
    make_cutter: Script | type[Cutter],
    ranges: tuple[tuple[int, int | None], ...] = ((0, None),),
    *,
    look_back_frames: int = 20_000,
    tells_speech: bool = True,
) -> Cutting:
    return Cutting(
        source.stream if isinstance(source, Source) else source,
        ranges,
        make_cutter,
        look_back_frames=look_back_frames,
        tells_speech=tells_speech,
    )


def all_pieces(cut: Cutting) -> list[Piece]:
    pieces: list[Piece] = []
    while not cut.is_done:
        pieces += cut.step()
    return pieces


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Regions in order, apart or adjoining, each known at its end or later."""
    edges = sorted(draw(st.lists(st.integers(0, 900), min_size=2, max_size=12, unique=True)))
    regions, after = [], []
    for start, stop in zip(edges[:-1:2], edges[1::2], strict=False):
        regions.append(Region(start=start, stop=stop, speech=((start, stop),)))
        after.append(max(stop, *after, 0) + draw(st.integers(0, 300)))
    return Script(tuple(regions), tuple(after))


@settings(deadline=None)
@given(
    scripts(),
    st.integers(0, 150_000),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=5),
    st.sampled_from([((0, None),), ((7, 300),), ((3, 200), (200, 450), (600, None))]),
)
def test_pieces_have_the_recordings_samples_whatever_the_blocks(
    script: Script,
    n_samples: int,
    block_sizes: list[int],
    ranges: tuple[tuple[int, int | None], ...],
) -> None:
    source = Source(n_samples, block_sizes)
    cut = cutting(source, script, ranges)
    found = all_pieces(cut)
    expected = []
    for start, stop in ranges:
        end = min(n_samples // 160, stop or 1 << 30)
        for region in script.regions:
            a, b = start + region.start, min(start + region.stop, n_samples // 160)
            # The script knows nothing of a stretch's end: a region in time is given whole.
            known = script.after[script.regions.index(region)] <= end - start
            if a < min(b, end) or (known and a < b):
                expected.append((a, b))
    assert [piece.span for piece in found] == expected
    for piece in found:
        first = max(0, piece.start * 160 - 200)
        last = min(n_samples, max(piece.stop * 160 + 40, 201))
        assert piece.first_sample == first
        np.testing.assert_array_equal(piece.samples, np.arange(first, last, dtype=np.float32))
        assert piece.speech == (piece.span,)
    assert [piece.is_first for piece in found] == [i == 0 for i in range(len(found))]
    last_stop = ranges[-1][1]
    assert cut.n_samples == min(n_samples, last_stop * 160 if last_stop else n_samples)
    assert source.n_closed > 0


def test_nothing_behind_the_last_range_is_read() -> None:
    source = Source(3600 * SECOND)
    found = all_pieces(cutting(source, lambda: play.CutEach(100), ((100, 200), (300, 500))))
    assert [piece.span for piece in found] == [(100, 200), (300, 400), (400, 500)]
    assert source.n_given == 6 * SECOND, "the block with the margin"


def test_speech_is_not_told_unless_asked_for() -> None:
    found = all_pieces(cutting(Source(SECOND), lambda: play.CutEach(50), tells_speech=False))
    assert [piece.speech for piece in found] == [None, None]


def test_a_step_ends_without_pieces_so_that_others_have_a_turn() -> None:
    source = Source(100 * SECOND)
    cut = cutting(source, Script((), ()))
    assert cut.step() == []
    assert source.n_given == 30 * SECOND
    assert not cut.is_done


def test_a_recording_that_breaks_off_is_cut_up_to_there() -> None:
    cut = cutting(play.broken(5 * SECOND + 1), lambda: play.CutEach(200))
    assert [piece.span for piece in all_pieces(cut)] == [(0, 200), (200, 400), (400, 500)]
    assert isinstance(cut.failure, AudioError)
    assert cut.n_samples == 5 * SECOND + 1


def test_memory_is_bounded_for_recordings_of_any_length() -> None:
    n_alive, n_most = 0, 0

    class Counted(np.ndarray):
        counts = False

        def __del__(self) -> None:
            nonlocal n_alive
            n_alive -= len(self) * self.counts

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal n_alive, n_most
        for _ in range(5 * 3600):
            block = np.zeros(SECOND, np.float32).view(Counted)
            block.counts = True
            n_alive += SECOND
            n_most = max(n_most, n_alive)
            yield block

    stream = AudioStream(name="zeros", duration_s=None, blocks=blocks())
    cut = cutting(stream, lambda: play.CutEach(3000, n_late=6000), look_back_frames=9000)
    n_pieces = 0
    while not cut.is_done:
        n_pieces += len(cut.step())
    assert n_pieces == 5 * 120
    assert n_most <= 92 * SECOND

    n_most = 0
    stream = AudioStream(name="zeros", duration_s=None, blocks=blocks())
    assert all_pieces(cutting(stream, Script((), ()), look_back_frames=1000)) == []
    assert n_most <= 12 * SECOND, "silence is not held"


def test_a_region_whose_samples_are_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="held from"):
        all_pieces(
            cutting(
                Source(100 * SECOND), lambda: play.CutEach(100, n_late=5000), look_back_frames=9
            )
        )


@pytest.mark.parametrize("vad_filter", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_length": 1},
        {"vad_min_silence_duration_ms": 10_000, "vad_speech_pad_ms": 2000},
        {"vad_min_speech_duration_ms": 10_000, "vad_min_silence_duration_ms": 10_000},
    ],
)
def test_the_real_cutter_looks_back_no_farther_than_is_held(
    options: dict, vad_filter: bool
) -> None:
    chosen = TranscribeOptions(vad_filter=vad_filter, **options)
    rng = np.random.default_rng(0)
    for mean_steps in (10, 100, 1000, 4000):
        cutter = RegionCutter(cut_options(chosen))
        lengths = 1 + rng.exponential(mean_steps, 20_000 // mean_steps).astype(int)
        speaks = np.arange(len(lengths)) % 2
        probabilities = np.repeat(speaks, lengths).astype(np.float32)[:20_000]
        n_found = 0
        for first in range(0, len(probabilities), 32):
            heard = (first + 32) * 512 // 160
            levels = rng.random(heard - first * 512 // 160, np.float32)
            for region in cutter.push(probabilities[first : first + 32], levels):
                n_found += 1
                assert heard - region.start + 128 <= look_back_frames(chosen)
        assert n_found > 0


def test_real_regions_do_not_depend_on_the_blocks() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 40 * SECOND).astype(np.float32)
    options = TranscribeOptions(vad_filter=False, chunk_length=5)
    found = []
    for size in (SECOND, 777):
        blocks = iter(samples[i : i + size] for i in range(0, len(samples), size))
        stream = AudioStream(name="noise", duration_s=None, blocks=blocks)
        cut = cutting(
            stream,
            lambda: SpeechCutting(options),
            ((50, 2000), (2200, None)),
            look_back_frames=look_back_frames(options),
        )
        found.append([(p.span, p.first_sample, p.samples.tolist()) for p in all_pieces(cut)])
    assert found[0] == found[1]
    spans = [span for span, _, _ in found[0]]
    assert (spans[0][0], spans[-1][1]) == (50, 4000)
    assert {2000, 2200} <= {edge for span in spans for edge in span}
    assert all(0 < stop - start <= 500 for start, stop in spans)


def test_reading_pieces() -> None:
    pieces = all_pieces(cutting(Source(10 * SECOND + 77), lambda: play.CutEach(300)))
    whole = read_pieces(pieces, Read(start=-200, stop=300 * 160 + 40))
    assert (whole.start, len(whole.samples), whole.ended) == (0, 300 * 160 + 40, False)
    within = read_pieces(pieces, Read(start=350 * 160 - 200, stop=400 * 160 + 40))
    assert (within.start, within.ended) == (350 * 160 - 200, False)
    assert within.samples[0] == 350 * 160 - 200
    last = read_pieces(pieces, Read(start=900 * 160 - 200, stop=1000 * 160 + 40))
    assert (last.samples[-1], last.ended) == (1000 * 160 + 39, False)
    with pytest.raises(ValueError, match="frame 300 is in none"):
        read_pieces(pieces[:1], Read(start=300 * 160 - 200, stop=400 * 160))
