"""Beams and samples in the slots of a pool: their caches, their company, rows that come and go."""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from numpy.typing import NDArray
from search_twin import LanguageModel, Text, Wanted, beam_search

from whisper_jax.decoding.rules import Rules, apply_rules
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.requests import Decode, Decoded, Encode

SLOTS = [Slot(0, index) for index in range(16)]
LONG = tuple(range(1000, 1200))


def begin(pool: DevicePool, slot: Slot, window: Encode, decode: Decode) -> None:
    pool.encode([(slot, window)])
    pool.prefill([(slot, decode)])


def drain(pool: DevicePool, slots: Sequence[Slot]) -> dict[Slot, Decoded]:
    found: dict[Slot, Decoded] = {}
    while left := [slot for slot in slots if slot not in found]:
        found |= dict(pool.run(left))
    return found


def alone(window: Encode, decode: Decode) -> Decoded:
    pool = tiny.pool()
    pool.resize(2, [])
    begin(pool, SLOTS[0], window, decode)
    return drain(pool, SLOTS[:1])[SLOTS[0]]


def close(a: Decoded, b: Decoded) -> bool:
    return a.tokens == b.tokens and bool(np.isclose(a.sum_logprob, b.sum_logprob, atol=1e-3))


def heard(window: Encode, decode: Decode) -> LanguageModel:
    """What the network says after a text, in a full forward pass without a cache."""
    forward = jax.jit(teacher_forced_logits, static_argnums=1)
    mel, n_vocab = tiny.mel_of(window), tiny.DIMS.n_vocab
    rules = Rules(
        suppress=jnp.zeros((1, n_vocab), bool).at[:, jnp.array(decode.rules.suppress)].set(True),
        timestamps=jnp.ones(1, bool),
        max_initial_timestamp=jnp.full(1, decode.rules.max_initial_timestamp_index or 0),
        repetition_penalty=jnp.ones(1),
        no_repeat_ngram_size=jnp.zeros(1, jnp.int32),
    )

    def logits(text: Text) -> NDArray[np.float32]:
        read = [*decode.prompt, *text]
        tokens = np.zeros((1, 32), np.int32)
        tokens[0, : len(read)] = read
        found = np.zeros((1, 1, 32), np.int32)
        found[0, 0, : len(text)] = text
        every = forward(tiny.params(), tiny.DIMS, mel, jnp.asarray(tokens))
        last = every[:, None, len(read) - 1]
        if len(text) == len(decode.prefix):
            last = last.at[..., jnp.array(decode.rules.suppress_first)].set(-jnp.inf)
        n_found = jnp.full((1, 1), len(text))
        return np.asarray(apply_rules(last, rules, jnp.asarray(found), n_found, tiny.IDS)[0, 0])

    return logits


@pytest.mark.parametrize(
    ("beam_size", "prefix", "patience"), [(5, (), 1.0), (3, (tiny.IDS.timestamp_begin, 7), 2.0)]
)
def test_beams_share_caches_and_find_what_a_search_without_them_finds(
    beam_size: int, prefix: Text, patience: float
) -> None:
    window = tiny.window(1)
    decode = replace(
        tiny.decode(9, (5, 6, 7)), beam_size=beam_size, prefix=prefix, patience=patience
    )
    wanted = Wanted(eot=tiny.IDS.eot, max_tokens=9, beam_size=beam_size, patience=patience)
    text, score = beam_search(heard(window, decode), wanted, prefix)
    found = alone(window, decode)
    assert found.tokens == (*prefix, *text)
    assert found.sum_logprob == pytest.approx(score, abs=1e-3)
    assert (found.n_prefix, found.token_logprobs[: len(prefix)]) == (
        len(prefix),
        (0.0,) * len(prefix),
    )


def five_rows(seed: int) -> Decode:
    """A decode of five rows: beams and samples in turn, and greedy ones between them."""
    decode = tiny.decode(8 + 5 * seed, seed=seed)
    match seed % 3:
        case 0:
            return replace(decode, beam_size=5, length_penalty=0.5)
        case 1:
            return replace(decode, temperature=0.5, best_of=5, seed=seed)
        case _:
            return decode


def test_texts_and_scores_do_not_depend_on_company() -> None:
    """Bit for bit, in float32, while the slots have as many rows: beams, samples and greedy."""
    windows, decodes = [tiny.window(s) for s in range(6)], [five_rows(s) for s in range(6)]
    wide = replace(tiny.decode(60), beam_size=5)
    by_two = []
    for window, decode in zip(windows, decodes, strict=True):
        pool = tiny.pool()
        pool.resize(2, [])
        begin(pool, SLOTS[0], window, decode)
        begin(pool, SLOTS[1], windows[0], wide)
        by_two.append(drain(pool, SLOTS[:1])[SLOTS[0]])
    assert len({decoded.tokens for decoded in by_two}) > 4, "the windows must differ in text"
    pool = tiny.pool(replace(CPU, max_steps=7, stop_after=2))
    pool.resize(16, [])
    slots = SLOTS[6:0:-1]
    for slot, window, decode in zip(slots, windows, decodes, strict=True):
        begin(pool, slot, window, decode)
    # Its prompt asks for room that the others do not need.
    begin(pool, SLOTS[15], windows[5], replace(wide, prompt=(*LONG, *tiny.PROMPT), sot_index=200))
    found = drain(pool, slots)
    assert [found[slot] for slot in slots] == by_two


def test_rows_come_and_go_with_those_who_need_them() -> None:
    greedy, beams = tiny.decode(40, seed=2), replace(tiny.decode(6, seed=3), beam_size=5)
    windows = [tiny.window(2), tiny.window(3)]
    pool = tiny.pool(replace(CPU, max_steps=3))
    pool.resize(2, [])

    def n_rows() -> int:
        return pool._pool.rows.cache.n_rows

    begin(pool, SLOTS[0], windows[0], greedy)
    found = dict(pool.run(SLOTS[:1]))
    assert n_rows() == 1
    begin(pool, SLOTS[1], windows[1], beams)
    assert n_rows() == 5
    while SLOTS[1] not in found:
        found |= dict(pool.run(SLOTS[:2]))
    assert SLOTS[0] not in found
    found |= drain(pool, SLOTS[:1])
    assert n_rows() == 1
    assert close(found[SLOTS[0]], alone(windows[0], greedy))
    assert close(found[SLOTS[1]], alone(windows[1], beams))
    # Whoever is forgotten needs no rows.
    begin(pool, SLOTS[1], windows[1], beams)
    pool.forget(SLOTS[1])
    begin(pool, SLOTS[0], windows[0], greedy)
    assert n_rows() == 1


def test_reading_late_gives_the_same_texts() -> None:
    windows, decodes = [tiny.window(s) for s in range(4)], [five_rows(s) for s in range(4)]
    found = []
    for late in (False, True):
        pool = tiny.pool(replace(CPU, reads_late=late, max_steps=5))
        pool.resize(4, [])
        for slot, window, decode in zip(SLOTS, windows, decodes, strict=False):
            begin(pool, slot, window, decode)
        texts = drain(pool, SLOTS[:4])
        # A slot that has finished may be decoded again at once.
        pool.prefill([(SLOTS[1], decodes[0])])
        found.append((texts, drain(pool, SLOTS[1:2])))
    (texts, again), (late_texts, late_again) = found
    assert all(close(texts[slot], late_texts[slot]) for slot in SLOTS[:4])
    assert close(again[SLOTS[1]], late_again[SLOTS[1]])


def test_a_prefix_is_given_back_and_not_scored() -> None:
    window = tiny.window(2)
    decode = tiny.decode(20)
    free = alone(window, decode)
    forced = alone(window, replace(decode, prefix=free.tokens[:3], max_tokens=17))
    assert forced.tokens == free.tokens
    assert forced.n_prefix == 3
    assert forced.token_logprobs == (0.0, 0.0, 0.0, *forced.token_logprobs[3:])
    left = free.sum_logprob - sum(free.token_logprobs[:3])
    assert forced.sum_logprob == pytest.approx(left, abs=1e-3)
    long = alone(window, replace(decode, prefix=tuple(range(300, 300 + 230)), max_tokens=3))
    assert (len(long.tokens), long.n_prefix) == (233, 230)


def test_samples_are_those_of_their_seed_and_mean_what_they_say() -> None:
    window, decode = tiny.window(4), replace(tiny.decode(12), temperature=0.9, best_of=2)
    first = alone(window, replace(decode, seed=1))
    assert alone(window, replace(decode, seed=1)) == first
    assert alone(window, replace(decode, seed=2)).tokens != first.tokens
    model = heard(window, decode)
    logprobs = []
    for at, token in enumerate(first.tokens):
        logits = model(first.tokens[:at])
        logprobs.append(float(logits[token] - jax.nn.logsumexp(jnp.asarray(logits))))
    assert first.token_logprobs == pytest.approx(logprobs, abs=1e-3)
