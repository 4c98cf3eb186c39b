"""Where tokens are heard: the way through a matrix, the filter, and the whole on a tiny model."""

import itertools
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from whisper_jax.decoding.align import median_filter
from whisper_jax.decoding.warping import first_frames
from whisper_jax.engine.compute import NumberTypes
from whisper_jax.engine.fake import spread
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.model.dims import PUBLISHED
from whisper_jax.requests import Align, Aligned


def cost_of(distances: NDArray[np.float64], firsts: tuple[int, ...]) -> float:
    """What a way costs that begins its rows at these frames and leaves them as early as it may."""
    n_frames = distances.shape[1]
    total = 0.0
    for row, first in enumerate(firsts):
        if row == len(firsts) - 1:
            total += distances[row, first:n_frames].sum()
        else:
            # A row ends where the next begins, or a frame before it, whichever costs less.
            ends = {firsts[row + 1] - 1, firsts[row + 1]}
            total += min(distances[row, first : end + 1].sum() for end in ends if end >= first)
    return total


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 1000))
def test_no_way_costs_less(n_rows: int, n_frames: int, seed: int) -> None:
    distances = np.random.default_rng(seed).normal(size=(n_rows, n_frames))
    found = tuple(first_frames(distances.astype(np.float32)).tolist())
    assert found[0] == 0
    assert list(found) == sorted(found)
    ways = itertools.combinations_with_replacement(range(n_frames), n_rows - 1)
    best = min(cost_of(distances, (0, *way)) for way in ways)
    assert cost_of(distances, found) == pytest.approx(best, abs=1e-5)


def test_a_hidden_way_is_found() -> None:
    starts = [0, 3, 4, 11, 11, 30]
    distances = np.full((len(starts), 40), 1.0, np.float32)
    for row, (start, stop) in enumerate(itertools.pairwise([*starts, 40])):
        distances[row, start : max(stop, start + 1)] = 0
    assert first_frames(distances).tolist() == starts


@pytest.mark.parametrize("n", [1, 3, 4, 5, 12, 30])
def test_the_median_is_of_seven_neighbours_within_the_window(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(2, 3, 30)).astype(np.float32)
    expected = x[..., :n]
    if n > 3:
        padded = np.pad(expected, [(0, 0), (0, 0), (3, 3)], mode="reflect")
        expected = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7, axis=-1), axis=-1)
    filtered = median_filter(jnp.asarray(x), jnp.asarray(n))
    np.testing.assert_array_equal(np.asarray(filtered)[..., :n], expected)


def aligned(seeds: tuple[int, ...], requests: tuple[Align, ...]) -> list[Aligned]:
    pool = tiny.pool()
    slots = [Slot(0, index) for index in range(len(seeds))]
    pool.resize(4, [])
    for slot, seed in zip(slots, seeds, strict=True):
        pool.encode([(slot, tiny.window(seed))])
    return pool.align(list(zip(slots, requests, strict=True)))


def text(seed: int, n: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(0, tiny.IDS.eot, n).tolist())


PROMPT = (*tiny.PROMPT, tiny.IDS.no_timestamps)


def test_a_text_is_aligned_the_same_alone_and_among_others() -> None:
    requests = tuple(
        Align(prompt=PROMPT, tokens=text(k, 5 + 9 * k), n_frames=3000 - 700 * k) for k in range(3)
    )
    together = aligned((0, 1, 2), requests)
    alone = [aligned((k,), (requests[k],))[0] for k in range(3)]
    for one, other, request in zip(together, alone, requests, strict=True):
        assert one.starts == other.starts
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-4)
        assert len(one.starts) == len(request.tokens) + 1
        assert one.starts[0] == 0
        assert one.starts[-1] < request.n_frames // 2
        assert list(one.starts) == sorted(one.starts)


def test_probabilities_are_those_of_text_tokens_after_the_text_before() -> None:
    request = Align(prompt=PROMPT, tokens=text(0, 12), n_frames=3000)
    (found,) = aligned((4,), (request,))
    tokens = jnp.asarray([[*PROMPT, *request.tokens]])
    logits = teacher_forced_logits(tiny.params(), tiny.DIMS, tiny.mel_of(tiny.window(4)), tokens)
    among_text = np.asarray(logits)[0, len(PROMPT) - 1 : -1, : tiny.IDS.eot].astype(np.float64)
    odds = np.exp(among_text - among_text.max(axis=-1, keepdims=True))
    expected = odds[np.arange(12), request.tokens] / odds.sum(axis=-1)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-7)


def test_probabilities_are_told_only_to_those_who_ask() -> None:
    request = Align(prompt=PROMPT, tokens=text(0, 12), n_frames=3000)
    silent = replace(request, wants_probabilities=False)
    (found,) = aligned((4,), (request,))
    assert aligned((4,), (silent,)) == [replace(found, probabilities=())]
    assert len(found.probabilities) == 12


@pytest.mark.parametrize("types", [tiny.FLOAT32, tiny.BFLOAT16])
def test_how_much_room_a_short_window_has_changes_nothing(types: NumberTypes) -> None:
    # The pool grows and moves its windows in between: the long one is looked at whole.
    request = Align(prompt=PROMPT, tokens=text(1, 20), n_frames=1000)
    short, long = Slot(0, 0), Slot(0, 1)
    found: list[list[Aligned]] = []
    for buckets in ((1500, 3000), (3000,)):
        pool = tiny.pool(replace(CPU, attended_buckets=buckets), types=types)
        pool.resize(2, [])
        pool.encode([(short, replace(tiny.window(1, 1000), n_heard=1500))])
        pool.encode([(long, replace(tiny.window(2), n_heard=3000))])
        pool.resize(4, [(short, long), (long, short)])
        found.append([pool.align([(slot, request)])[0] for slot in (short, long)])
    for one, other in zip(*found, strict=True):
        assert one.starts == other.starts
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-2)
    assert found[0][0].probabilities != found[0][1].probabilities


def test_published_models_have_their_own_heads_and_others_the_upper_layers() -> None:
    assert alignment_heads(PUBLISHED["large-v3-turbo"]) == (
        *((2, 4), (2, 11), (3, 3)),
        *((3, 6), (3, 11), (3, 14)),
    )
    assert alignment_heads(PUBLISHED["large-v1"]) == alignment_heads(PUBLISHED["large-v2"])
    assert len(alignment_heads(PUBLISHED["large-v1"], "large-v1")) == 9
    for dims in PUBLISHED.values():
        heads = alignment_heads(dims)
        assert len(set(heads)) == len(heads) > 0
        assert all(layer < dims.n_text_layer and head < dims.n_text_head for layer, head in heads)
    assert alignment_heads(PUBLISHED["distil-large-v3"]) == tuple((1, head) for head in range(20))
    assert alignment_heads(tiny.DIMS) == tuple((1, head) for head in range(8))


def test_a_made_up_engine_spreads_texts() -> None:
    request = Align(prompt=PROMPT, tokens=(1, 2, 3, 4), n_frames=80)
    assert spread(request) == Aligned(starts=(0, 10, 20, 30, 40), probabilities=(1.0,) * 4)
