"""Where the cutter cuts, over made-up probabilities of speech. A step is 32 ms, a frame 10 ms."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from whisper_jax.options import TranscribeOptions
from whisper_jax.speech.levels import HopLevels
from whisper_jax.speech.regions import (
    MAX_PAUSE_FRAMES,
    CutOptions,
    Region,
    RegionCutter,
    cut_options,
)

DEFAULT = cut_options(TranscribeOptions())
KEEPING = replace(DEFAULT, keep_silence=True)
MAX_PAUSE_STEPS = MAX_PAUSE_FRAMES * 160 // 512
type Floats = NDArray[np.float32]


def steps(*runs: tuple[float, float]) -> Floats:
    """Probabilities from pairs of seconds and a probability."""
    return np.concatenate([np.full(round(s * 31.25), p, np.float32) for s, p in runs])


def flat_levels(probabilities: Floats) -> Floats:
    return np.ones(-(-len(probabilities) * 512 // 160), np.float32)


def cut(
    probabilities: Floats,
    levels: Floats | None = None,
    options: CutOptions = DEFAULT,
    n_samples: int | None = None,
) -> list[Region]:
    cutter = RegionCutter(options)
    regions = cutter.push(probabilities, flat_levels(probabilities) if levels is None else levels)
    return regions + cutter.finish(len(probabilities) * 512 if n_samples is None else n_samples)


def extents(regions: list[Region]) -> list[tuple[int, int]]:
    return [(region.start, region.stop) for region in regions]


def test_defaults_are_those_of_the_options():
    assert (
        CutOptions(
            threshold=0.5,
            neg_threshold=0.35,
            min_speech_steps=1,
            min_silence_steps=5,
            pad_frames=40,
            max_frames=3000,
        )
        == DEFAULT
    )
    assert cut_options(TranscribeOptions(vad_filter=False)).keep_silence
    assert cut_options(TranscribeOptions(vad_threshold=0.1)).neg_threshold == 0.01
    assert cut_options(TranscribeOptions(vad_min_speech_duration_ms=33)).min_speech_steps == 2
    assert cut_options(TranscribeOptions(chunk_length=1)).pad_frames == 25


def test_speech_is_padded_and_pauses_are_heard_within_a_region():
    found = cut(steps((2.08, 0.1), (3.2, 0.9), (1.6, 0.1), (0.96, 0.9), (9.6, 0.1)))
    assert found == [Region(start=168, stop=824, speech=((208, 528), (688, 784)))]


def test_nothing_said_is_no_region():
    assert cut(np.zeros(0, np.float32)) == []
    assert cut(steps((100, 0.49))) == []


def test_speech_ends_below_the_lower_threshold_and_after_silence():
    between = cut(steps((3.2, 0.9), (3.2, 0.4), (6.4, 0.1)))
    assert [region.speech for region in between] == [((0, 640),)]
    short_pause = steps((3.2, 0.9), (0.128, 0.1), (3.2, 0.9), (6.4, 0.1))
    assert [region.speech for region in cut(short_pause)] == [((0, 653),)]
    long_pause = steps((3.2, 0.9), (0.16, 0.1), (3.2, 0.9), (6.4, 0.1))
    assert [region.speech for region in cut(long_pause)] == [((0, 320), (336, 656))]


def test_short_speech_is_dropped():
    options = replace(DEFAULT, min_speech_steps=10)
    assert cut(steps((1.6, 0.1), (0.288, 0.9), (1.6, 0.1)), options=options) == []
    kept = cut(steps((1.6, 0.1), (0.32, 0.9), (1.6, 0.1)), options=options)
    assert [region.speech for region in kept] == [((160, 192),)]


def test_long_pause_ends_a_region():
    pause_s = (MAX_PAUSE_STEPS + 2) / 31.25
    found = cut(steps((3.2, 0.9), (pause_s, 0.1), (3.2, 0.9)))
    assert [region.speech[0][0] for region in found] == [0, round(320 + pause_s * 100)]
    shorter = cut(steps((3.2, 0.9), ((MAX_PAUSE_STEPS - 2) / 31.25, 0.1), (3.2, 0.9)))
    assert len(shorter) == 1


def test_cut_is_at_the_longest_silence_of_the_second_half():
    probabilities = steps(
        (8, 0.9),
        (1.92, 0.1),  # the longest, but in the first half
        (8, 0.9),
        (0.64, 0.1),  # the longest in the second half
        (6.4, 0.9),
        (0.32, 0.1),
        (16, 0.9),
    )
    first, second = cut(probabilities)
    assert (first.start, first.stop) == (0, 1824)
    assert first.speech == ((0, 800), (992, 1792))
    assert (second.start, second.stop) == (1824, 4128)
    assert second.speech == ((1856, 2496), (2528, 4128))
    assert extents(cut(probabilities, options=KEEPING)) == [(0, 1824), (1824, 4128)]


def test_padding_ends_in_the_middle_of_a_silence():
    first, second = cut(steps((20, 0.9), (0.4, 0.1), (20, 0.9)))
    assert first.stop == second.start == (first.speech[-1][1] + second.speech[0][0]) // 2
    first, second = cut(steps((20, 0.9), (2.4, 0.1), (20, 0.9)))
    assert first.stop == first.speech[-1][1] + 40
    assert second.start == second.speech[0][0] - 40


def test_speech_without_silence_is_cut_at_its_quietest_100_ms():
    probabilities = steps((40, 0.9))
    levels = flat_levels(probabilities)
    levels[1000:1010] = 0.01  # not in the second half
    levels[2345:2355] = 0.1
    levels[2500:2509] = 0.05  # quieter, but too short
    levels[2509:2512] = 2
    assert extents(cut(probabilities, levels)) == [(0, 2350), (2350, 4000)]
    assert extents(cut(probabilities, levels, KEEPING)) == [(0, 2350), (2350, 4000)]
    assert [r.speech for r in cut(probabilities, levels)] == [((0, 2350),), ((2350, 4000),)]


@pytest.mark.parametrize("options", [DEFAULT, KEEPING])
def test_what_just_fits_is_not_cut(options: CutOptions):
    probabilities = np.ones(938, np.float32)  # 30.016 s, of which 30 s were recorded
    found = cut(probabilities, np.ones(3000, np.float32), options, n_samples=480_000)
    assert found == [Region(start=0, stop=3000, speech=((0, 3000),))]
    assert len(cut(probabilities, np.ones(3001, np.float32), options, n_samples=480_001)) == 2


def test_silence_for_hours_costs_nothing():
    cutter = RegionCutter(DEFAULT)
    silence = np.zeros(31250, np.float32)
    for _ in range(10):
        assert cutter.push(silence, flat_levels(silence)) == []
    held = sum(len(value) for value in vars(cutter).values() if hasattr(value, "__len__"))
    assert held < 10
    (region,) = cutter.push(steps((1.6, 0.9), (6.4, 0.1)), np.ones(800, np.float32))
    assert (region.start, region.stop) == (1_000_000 - 40, 1_000_000 + 160 + 40)


@pytest.mark.parametrize("options", [DEFAULT, KEEPING])
@pytest.mark.parametrize("probability", [0.0, 0.4, 1.0])
def test_hours_of_the_same_are_cut_into_whole_regions(probability: float, options: CutOptions):
    hours = np.full(3 * 3600 * 31, probability, np.float32)
    found = cut(hours, options=options)
    if probability < 0.5 and not options.keep_silence:
        assert found == []
    else:
        n_frames = 3000 if probability < 0.5 else 2995
        assert len(found) > 300
        assert all(region.stop - region.start == n_frames for region in found[:-2])


def test_endless_silence_is_not_waited_for():
    cutter = RegionCutter(KEEPING)
    silence = steps((44, 0.0))
    assert cutter.push(silence, flat_levels(silence)) == []
    assert extents(cutter.push(steps((2, 0.0)), np.ones(200, np.float32))) == [(0, 3000)]


def test_levels_may_come_late():
    probabilities = steps((40, 0.9))
    levels = flat_levels(probabilities)
    levels[2345:2355] = 0.1
    cutter = RegionCutter(DEFAULT)
    assert cutter.push(probabilities, levels[:2000]) == []
    assert extents(cutter.push(probabilities[:0], levels[2000:])) == [(0, 2350)]


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Floats, Floats, int]:
    """Probabilities, levels and the number of samples of up to four minutes."""
    run = st.tuples(st.integers(1, 900), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]))
    runs = draw(st.lists(run, min_size=1, max_size=25))
    probabilities = np.concatenate([np.full(n, p, np.float32) for n, p in runs])
    n_samples = len(probabilities) * 512 - draw(st.integers(0, 511))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = rng.integers(0, 50, -(-n_samples // 160)).astype(np.float32)
    return probabilities, levels, n_samples


@st.composite
def cut_choices(draw: st.DrawFn) -> CutOptions:
    threshold = draw(st.sampled_from([0.0, 0.3, 0.5, 1.0]))
    options = TranscribeOptions(
        vad_filter=draw(st.booleans()),
        vad_threshold=threshold,
        vad_neg_threshold=draw(st.sampled_from([None, 0.0, threshold])),
        vad_min_speech_duration_ms=draw(st.sampled_from([0, 32, 250, 2000, 10_000])),
        vad_min_silence_duration_ms=draw(st.sampled_from([0, 160, 500, 2000, 10_000])),
        vad_speech_pad_ms=draw(st.sampled_from([0, 30, 400, 2000])),
        chunk_length=draw(st.sampled_from([1.0, 2.5, 10.0, 29.99, 30.0])),
    )
    return cut_options(options)


def spans_of(probabilities: Floats, options: CutOptions, n_frames: int) -> list[tuple[int, int]]:
    """What speech is, worked out with the whole recording at hand."""
    loud = np.flatnonzero(probabilities >= options.threshold)
    quiet = np.flatnonzero(probabilities < min(options.neg_threshold, options.threshold))
    spans: list[tuple[int, int]] = []
    for step in loud.tolist():
        after = quiet[quiet > step]
        stop = int(after[0]) if len(after) > 0 else len(probabilities)
        if spans and step - spans[-1][1] < options.min_silence_steps:
            spans[-1] = (spans[-1][0], stop)
        else:
            spans.append((step, stop))
    return [
        (start * 16 // 5, min(-(-stop * 16 // 5), n_frames))
        for start, stop in spans
        if stop - start >= options.min_speech_steps
    ]


@settings(max_examples=100, deadline=None)
@given(recordings(), cut_choices())
def test_regions_hold_all_speech_in_order_and_are_short_enough(
    recording: tuple[Floats, Floats, int], options: CutOptions
):
    probabilities, levels, n_samples = recording
    n_frames = len(levels)
    found = cut(*recording[:2], options=options, n_samples=n_samples)
    assert all(0 <= r.start < r.stop <= n_frames for r in found)
    assert all(r.stop - r.start <= options.max_frames for r in found)
    assert all(a.stop <= b.start for a, b in pairwise(found))
    spoken = np.zeros(n_frames, bool)
    for start, stop in spans_of(probabilities, options, n_frames):
        spoken[start:stop] = True
    heard = np.zeros(n_frames, bool)
    for region in found:
        assert options.keep_silence or region.speech
        for start, stop in region.speech:
            assert region.start <= start < stop <= region.stop
            heard[start:stop] = True
    np.testing.assert_array_equal(heard, spoken)
    if options.keep_silence:
        assert [0, *(r.stop for r in found)] == [*(r.start for r in found), n_frames]


@settings(max_examples=60, deadline=None)
@given(recordings(), cut_choices())
def test_speech_is_cut_only_where_there_is_no_silence(
    recording: tuple[Floats, Floats, int], options: CutOptions
):
    probabilities, levels, n_samples = recording
    spans = spans_of(probabilities, options, len(levels))
    found = cut(probabilities, levels, options, n_samples)
    for region in found[:-1]:
        half, limit = region.start + options.max_frames // 2, region.start + options.max_frames
        if any(start < region.stop < stop for start, stop in spans):
            assert any(start <= half and limit <= stop for start, stop in spans)


@settings(max_examples=60, deadline=None)
@given(recordings(), cut_choices())
def test_regions_are_as_long_as_they_may_be(
    recording: tuple[Floats, Floats, int], options: CutOptions
):
    probabilities, levels, n_samples = recording
    spans = spans_of(probabilities, options, len(levels))
    silence = options.min_silence_steps * 16 // 5
    max_pause = max(MAX_PAUSE_FRAMES, 2 * options.pad_frames, silence)
    for region in cut(probabilities, levels, options, n_samples)[:-1]:
        if options.keep_silence:
            n_least = options.max_frames // 2 - options.pad_frames
            assert region.stop - region.start >= n_least
            continue
        run = [span for span in spans if span[1] > region.start]
        stop = next((a[1] for a, b in pairwise(run) if b[0] - a[1] > max_pause), run[-1][1])
        goes_on = stop > region.start + options.max_frames
        assert goes_on or region.speech[-1][1] == stop


@settings(max_examples=60, deadline=None)
@given(recordings(), cut_choices(), st.integers(0, 2**32 - 1))
def test_size_of_blocks_changes_nothing(
    recording: tuple[Floats, Floats, int], options: CutOptions, seed: int
):
    probabilities, levels, n_samples = recording
    sizes = np.random.default_rng(seed).integers(0, [400, 1300], (50, 2))
    cutter = RegionCutter(options)
    found: list[Region] = []
    for n_steps, n_levels in sizes:
        found += cutter.push(probabilities[:n_steps], levels[:n_levels])
        probabilities, levels = probabilities[n_steps:], levels[n_levels:]
    found += cutter.push(probabilities, levels) + cutter.finish(n_samples)
    assert found == cut(*recording[:2], options=options, n_samples=n_samples)


@settings(max_examples=100, deadline=None)
@given(recordings(), cut_choices(), st.integers(0, 7000))
def test_what_follows_changes_nothing_and_nothing_waits_longer_than_a_minute(
    recording: tuple[Floats, Floats, int], options: CutOptions, n_steps: int
):
    probabilities, levels, n_samples = recording
    n_steps = min(n_steps, len(levels) * 160 // 512)
    n_levels = -(-n_steps * 512 // 160)
    given_by_then = RegionCutter(options).push(probabilities[:n_steps], levels[:n_levels])
    found = cut(probabilities, levels, options, n_samples)
    assert given_by_then == found[: len(given_by_then)]
    assert all(region.stop > n_steps * 3.2 - 6000 for region in found[len(given_by_then) :])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=20), st.integers(0, 2**32 - 1))
def test_levels_do_not_depend_on_blocks(sizes: list[int], seed: int):
    samples = np.random.default_rng(seed).standard_normal(5000).astype(np.float32)
    levels = HopLevels()
    parts = [levels.push(block) for block in np.split(samples, np.cumsum(sizes)[: len(sizes)])]
    found = np.concatenate([*parts, levels.finish()])
    whole = HopLevels()
    np.testing.assert_array_equal(found, np.concatenate([whole.push(samples), whole.finish()]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[3], np.mean(samples[480:640] ** 2), rtol=1e-5)
    np.testing.assert_allclose(found[31], np.mean(samples[4960:] ** 2), rtol=1e-5)
