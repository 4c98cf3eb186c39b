"""Beams, samples and greedy texts over made-up language models, beside plain twins.

A made-up language model is a function from a text to logits, so the texts of a slot need no
network: the same steps that run on the device are driven from here.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from search_twin import LanguageModel, Text, Wanted, beam_search, log_softmax

from whisper_jax.decoding.choose import Draws, draw, likeliest, top_k
from whisper_jax.decoding.loop import ModelConfig, begin, grow, insert
from whisper_jax.decoding.rules import TokenIds
from whisper_jax.decoding.search import best_text
from whisper_jax.decoding.state import RowState, empty_pool
from whisper_jax.engine.batches import BatchLayout, wanted_batch
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.caches import empty_self_cache
from whisper_jax.model.dims import ModelDims
from whisper_jax.requests import Decode, DecodeRules

DIMS = ModelDims(
    n_audio_ctx=1,
    n_audio_state=4,
    n_audio_head=1,
    n_audio_layer=1,
    n_vocab=600,
    n_text_ctx=24,
    n_text_state=4,
    n_text_head=1,
    n_text_layer=1,
)
IDS = TokenIds(eot=500, no_speech=502, no_timestamps=503, timestamp_begin=504)
CONFIG = ModelConfig(
    dims=DIMS,
    ids=IDS,
    sot=501,
    compute_dtype="float32",
    cache_dtype="float32",
    cross_dtype="float32",
)
RULES = DecodeRules(timestamps=False)
N_SLOTS, N_ROWS = 4, 5


def made_up(seed: int, ending: float = 2.0, n_sayable: int = 40) -> LanguageModel:
    """Says some tokens at random, and ends with what ``ending`` adds to a logit."""

    @cache
    def logits(text: Text) -> NDArray[np.float32]:
        rng = np.random.default_rng((seed, *text))
        sayable = rng.choice(IDS.eot, n_sayable, replace=False)
        found = np.full(DIMS.n_vocab, -np.inf, np.float32)
        found[sayable] = rng.normal(0, 2, n_sayable)
        found[IDS.eot] = rng.normal(ending, 2)
        return found

    return logits


step = jax.jit(partial(grow, config=CONFIG))
start = jax.jit(partial(begin, config=CONFIG), static_argnames="n_rows")
put = jax.jit(insert)
best = jax.jit(lambda rows: best_text(rows.texts, rows.finished, rows.search))


def decode(
    models: Sequence[LanguageModel], requests: Sequence[Decode], n_rows: int = N_ROWS
) -> list[tuple[Text, NDArray[np.float32], float]]:
    """What the device's steps find: text without prefix, its log probabilities, their sum."""
    rows = empty_pool(DIMS, N_SLOTS, n_rows, DIMS.n_text_ctx, "float32", "float32").rows
    for index, (model, request) in enumerate(zip(models, requests, strict=True)):
        layout = BatchLayout([Slot(0, index)], 1)
        wanted = wanted_batch(layout, [request], DIMS)
        logits = jnp.asarray(model(request.prefix))[None]
        begun = start(wanted, logits, jnp.zeros(1), n_rows=n_rows)
        prompt = empty_self_cache(DIMS, 1, 1, 8, "float32")
        rows = put(rows, layout.slots, begun, prompt)
    while not np.asarray(rows.done).all():
        rows = step(rows, jnp.asarray(next_logits(models, rows)))
    found = jax.tree.map(np.asarray, best(rows))
    return [
        (
            tuple(found.tokens[i, len(request.prefix) : found.n_found[i]].tolist()),
            found.logprobs[i, : found.n_found[i]],
            float(found.sum_logprob[i]),
        )
        for i, request in enumerate(requests)
    ]


def next_logits(models: Sequence[LanguageModel], rows: RowState) -> NDArray[np.float32]:
    tokens, n_found = np.asarray(rows.texts.tokens), np.asarray(rows.texts.n_found)
    logits = np.zeros((*n_found.shape, DIMS.n_vocab), np.float32)
    for index, model in enumerate(models):
        for row in range(n_found.shape[1]):
            logits[index, row] = model(tuple(tokens[index, row, : n_found[index, row]].tolist()))
    return logits


def ask(**given: Any) -> Decode:
    return Decode(prompt=(501, 1, 2), sot_index=0, rules=RULES, **{"max_tokens": 12, **given})


def wanted(request: Decode) -> Wanted:
    return Wanted(
        eot=IDS.eot,
        max_tokens=request.max_tokens,
        beam_size=request.beam_size,
        patience=request.patience,
        length_penalty=request.length_penalty,
    )


beams = st.builds(
    ask,
    beam_size=st.integers(2, N_ROWS),
    patience=st.sampled_from([0.4, 1.0, 1.5, 3.0]),
    length_penalty=st.sampled_from([None, 0.0, 0.6, 1.0, 2.0]),
    max_tokens=st.integers(1, 14),
    prefix=st.sampled_from([(), (7,), (7, 8, 9)]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(beams, min_size=N_SLOTS, max_size=N_SLOTS),
    st.integers(0, 10**6),
    st.floats(-2, 6),
    st.sampled_from([1, 3, 40]),
)
def test_beams_are_those_of_a_search_with_dictionaries(
    requests: list[Decode], seed: int, ending: float, n_sayable: int
) -> None:
    models = [made_up(seed + index, ending, n_sayable) for index in range(N_SLOTS)]
    for (text, logprobs, total), model, request in zip(
        decode(models, requests), models, requests, strict=True
    ):
        expected, score = beam_search(model, wanted(request), request.prefix)
        assert text == expected
        assert total == pytest.approx(score, abs=1e-4)
        own = [
            log_softmax(model((*request.prefix, *text[:at])))[token]
            for at, token in enumerate(text)
        ]
        np.testing.assert_allclose(logprobs, [0] * len(request.prefix) + own, atol=1e-4)


def test_a_beam_of_one_is_greedy_and_stands_beside_beams() -> None:
    models = [made_up(seed) for seed in range(N_SLOTS)]
    requests = [ask(), ask(beam_size=3), ask(), ask(beam_size=5)]
    mixed = decode(models, requests)
    for (text, _, total), model, request in zip(mixed, models, requests, strict=True):
        expected, score = beam_search(model, wanted(request))
        assert (text, total) == (expected, pytest.approx(score, abs=1e-4))
    alone = decode(models, [ask()] * N_SLOTS, n_rows=1)
    assert [alone[at][0] for at in (0, 2)] == [mixed[at][0] for at in (0, 2)]


def test_beams_find_what_greedy_decoding_misses() -> None:
    """The likeliest first token leads nowhere; the second one goes on with certainty."""

    def model(text: Text) -> NDArray[np.float32]:
        logits = np.full(DIMS.n_vocab, -np.inf, np.float32)
        match text:
            case ():
                logits[[1, 2]] = np.log([0.6, 0.4])
            case (1,):
                logits[3:33] = 0.0
            case _:
                logits[[IDS.eot, 40]] = np.log([0.99, 0.01])
        return logits

    requests = [ask(), ask(beam_size=2)] * 2
    texts = [text for text, _, _ in decode([model] * N_SLOTS, requests)]
    assert texts[0][0] == 1
    assert texts[1] == (2,)


@pytest.mark.parametrize("n_rows", [1, N_ROWS])
def test_a_sampled_text_depends_on_its_seed_alone(n_rows: int) -> None:
    model = made_up(0, ending=1.0)
    request = ask(temperature=0.8, best_of=n_rows, seed=3)

    def text(mates: list[Decode], at: int) -> Any:
        requests = [*mates[:at], request, *mates[at:]]
        text, logprobs, total = decode([model] * N_SLOTS, requests, n_rows)[at]
        return text, logprobs.tolist(), total

    first = text([ask()] * 3, 0)
    assert text([ask(temperature=1.0, seed=9)] * 3, 2) == first
    other = {text([replace(request, seed=seed)] * 3, 0)[0] for seed in range(5)}
    assert (
        len({decode([model] * 4, [replace(request, seed=s)] * 4, n_rows)[0][0] for s in range(5)})
        > 2
    )
    assert other == {first[0]}


def test_the_sample_with_the_best_rank_is_taken() -> None:
    model = made_up(5, ending=1.0)
    for penalty in (None, 0.5):
        every = [
            decode(
                [model] * N_SLOTS,
                [
                    ask(temperature=1.0, best_of=n, seed=11, length_penalty=penalty)
                    for n in (1, 2, 3, 5)
                ],
            )
        ][0]
        ranks = []
        for text, logprobs, total in every:
            ended = log_softmax(model(text))[IDS.eot] if len(text) < 12 else 0.0
            assert total == pytest.approx(logprobs.sum() + ended, abs=1e-4)
            ranks.append(
                total / (max(len(text), 1) if penalty is None else ((5 + len(text)) / 6) ** penalty)
            )
        assert ranks == sorted(ranks), "with more samples the best can only become better"


def test_draws_follow_the_tempered_probabilities() -> None:
    """Chi-square over 20,000 draws of a vocabulary of 600, of which some cannot be said."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 600).astype(np.float32)
    logits[rng.choice(600, 100, replace=False)] = -np.inf
    n_slots, temperature = 4000, 0.7
    everywhere = jnp.broadcast_to(jnp.asarray(logits), (n_slots, 5, 600))
    draws = Draws(jnp.full(n_slots, temperature), jnp.arange(n_slots, dtype=jnp.uint32))
    drawn = jax.jit(draw)(everywhere, likeliest(everywhere, 6), jnp.full((n_slots, 5), 7), draws)
    tokens = np.asarray(drawn.tokens[..., 0]).ravel()
    expected = np.exp(log_softmax(logits / np.float32(temperature)))
    counts = np.bincount(tokens, minlength=600)
    assert not counts[expected == 0].any()
    often = expected * tokens.size > 5
    chi_square = (
        (counts - expected * tokens.size)[often] ** 2 / (expected * tokens.size)[often]
    ).sum()
    n = often.sum()
    assert abs(chi_square - n) < 4 * np.sqrt(2 * n)
    np.testing.assert_allclose(
        np.asarray(drawn.logprobs[..., 0]).ravel(), log_softmax(logits)[tokens], atol=1e-5
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([51_864, 51_865, 600, 200]), st.integers(2, 9))
def test_the_top_by_blocks_is_the_top(seed: int, n_vocab: int, k: int) -> None:
    # Few different numbers: many are equal, and the first of them is to come first.
    x = np.random.default_rng(seed).integers(0, 1 + seed % 3000, (1, 2, n_vocab)).astype(np.float32)
    values, index = top_k(jnp.asarray(x), k)
    expected_values, expected_index = jax.lax.top_k(jnp.asarray(x), k)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(index, expected_index)
