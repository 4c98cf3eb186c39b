"""Every fast path beside its plain twin: cached and full, many slots and few, loop and Python."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from whisper_jax.decoding.choose import likeliest
from whisper_jax.decoding.rules import Rules, apply_rules
from whisper_jax.engine.compute import NumberTypes
from whisper_jax.engine.device import DevicePool
from whisper_jax.engine.policy import CPU
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.decoder import teacher_forced_logits
from whisper_jax.requests import Decode, Decoded, DetectLanguage, Encode

SLOTS = [Slot(0, index) for index in range(16)]


def drain(pool: DevicePool, slots: list[Slot]) -> dict[Slot, Decoded]:
    found: dict[Slot, Decoded] = {}
    for _ in range(1000):
        left = [slot for slot in slots if slot not in found]
        if not left:
            return found
        found |= dict(pool.run(left))
    raise AssertionError("some rows never finished")


def decode_alone(window: Encode, decode: Decode, types: NumberTypes = tiny.FLOAT32) -> Decoded:
    pool = tiny.pool(types=types)
    pool.resize(2, [])
    pool.encode([(SLOTS[0], window)])
    pool.prefill([(SLOTS[0], decode)])
    return drain(pool, [SLOTS[0]])[SLOTS[0]]


def decode_plainly(window: Encode, decode: Decode) -> Decoded:
    """A Python loop over full forward passes: no cache, no batch, no device loop."""
    forward = jax.jit(teacher_forced_logits, static_argnums=1)
    mel = tiny.mel_of(window)
    n_prompt, found, logprobs, total = len(decode.prompt), [], [], 0.0
    rules = Rules(
        suppress=jnp.zeros((1, tiny.DIMS.n_vocab), bool)
        .at[..., jnp.array(decode.rules.suppress)]
        .set(True),
        timestamps=jnp.array([decode.rules.timestamps]),
        max_initial_timestamp=jnp.array([decode.rules.max_initial_timestamp_index]),
        repetition_penalty=jnp.ones(1),
        no_repeat_ngram_size=jnp.zeros(1, jnp.int32),
    )
    no_speech_prob = 0.0
    while len(found) < decode.max_tokens:
        tokens = np.zeros((1, 64), np.int32)
        tokens[0, : n_prompt + len(found)] = [*decode.prompt, *found]
        every = forward(tiny.params(), tiny.DIMS, mel, jnp.asarray(tokens))
        logits = every[:, None, n_prompt + len(found) - 1]
        if not found:
            logits = logits.at[..., jnp.array(decode.rules.suppress_first)].set(-jnp.inf)
            at_sot = jax.nn.softmax(every[0, decode.sot_index])
            no_speech_prob = float(at_sot[tiny.IDS.no_speech])
        padded = np.zeros((1, 1, 64), np.int32)
        padded[0, 0, : len(found)] = found
        ruled = apply_rules(logits, rules, jnp.asarray(padded), jnp.array([[len(found)]]), tiny.IDS)
        choice = likeliest(ruled, 1)
        token, logprob = int(choice.tokens[0, 0, 0]), float(choice.logprobs[0, 0, 0])
        total += logprob
        if token == tiny.IDS.eot:
            break
        found.append(token)
        logprobs.append(logprob)
    return Decoded(
        tokens=tuple(found),
        token_logprobs=tuple(logprobs),
        sum_logprob=total,
        no_speech_prob=no_speech_prob,
    )


def same(a: Decoded, b: Decoded) -> bool:
    return (
        a.tokens == b.tokens
        and np.allclose(a.token_logprobs, b.token_logprobs, atol=1e-4)
        and np.isclose(a.sum_logprob, b.sum_logprob, atol=1e-3)
        and np.isclose(a.no_speech_prob, b.no_speech_prob, rtol=1e-3)
    )


CONTEXTS = [(), tuple(range(300, 312)), tuple(range(500, 540))]


@pytest.mark.parametrize("context", CONTEXTS, ids=len)
def test_cached_decoding_in_slots_equals_a_python_loop_without_a_cache(
    context: tuple[int, ...],
) -> None:
    window, decode = tiny.window(1), tiny.decode(12, context)
    assert same(decode_alone(window, decode), decode_plainly(window, decode))


@pytest.mark.parametrize("types", [tiny.FLOAT32, tiny.BFLOAT16], ids=lambda types: types.floats)
def test_text_and_scores_do_not_depend_on_slots_company_or_steps_a_call(
    types: NumberTypes,
) -> None:
    """Bit for bit: whatever shares the batch, wherever the window lies."""
    windows = [tiny.window(seed, 3000 - 100 * seed) for seed in range(12)]
    decodes = [tiny.decode(8 + 5 * seed, CONTEXTS[seed % 3], seed=seed) for seed in range(12)]
    alone = [decode_alone(w, d, types) for w, d in zip(windows, decodes, strict=True)]
    assert len({decoded.tokens for decoded in alone}) > 6, "the windows must differ in text"
    for max_steps, stop_after, order in ((1, 1, 1), (7, 3, -1)):
        policy = replace(CPU, max_steps=max_steps, stop_after=stop_after)
        pool = tiny.pool(policy, types=types)
        pool.resize(16, [])
        slots = SLOTS[:12][::order]
        for slot, window, decode in zip(slots, windows, decodes, strict=True):
            pool.encode([(slot, window)])
            pool.prefill([(slot, decode)])
        found = drain(pool, slots)
        assert [found[slot] for slot in slots] == alone


def test_rows_that_join_late_and_a_pool_that_changes_size_change_nothing() -> None:
    windows = [tiny.window(seed) for seed in range(3)]
    decodes = [tiny.decode(40, seed=seed) for seed in range(3)]
    alone = [decode_alone(w, d) for w, d in zip(windows, decodes, strict=True)]
    policy = replace(CPU, max_steps=3)
    pool = tiny.pool(policy)
    pool.resize(2, [])
    pool.encode([(SLOTS[1], windows[0])])
    pool.prefill([(SLOTS[1], decodes[0])])
    found = dict(pool.run([SLOTS[1]]))
    pool.resize(4, [(SLOTS[1], SLOTS[3])])
    pool.encode([(SLOTS[0], windows[1])])
    pool.encode([(SLOTS[2], windows[2])])
    pool.prefill([(SLOTS[0], decodes[1])])
    assert not found
    found |= dict(pool.run([SLOTS[3], SLOTS[0]]))
    pool.prefill([(SLOTS[2], decodes[2])])
    found |= drain(pool, [slot for slot in (SLOTS[0], SLOTS[2], SLOTS[3]) if slot not in found])
    assert [found[SLOTS[3]], found[SLOTS[0]], found[SLOTS[2]]] == alone


def test_reading_late_gives_the_same_texts() -> None:
    windows = [tiny.window(seed) for seed in range(4)]
    decodes = [tiny.decode(4 + 9 * seed, seed=seed) for seed in range(4)]
    alone = [decode_alone(w, d) for w, d in zip(windows, decodes, strict=True)]
    pool = tiny.pool(replace(CPU, reads_late=True, max_steps=5))
    pool.resize(4, [])
    for slot, window, decode in zip(SLOTS, windows, decodes, strict=False):
        pool.encode([(slot, window)])
        pool.prefill([(slot, decode)])
    found = drain(pool, SLOTS[:4])
    assert [found[slot] for slot in SLOTS[:4]] == alone
    # A finished slot may be decoded again at once, and is not answered with the old text.
    pool.prefill([(SLOTS[0], decodes[1])])
    again = drain(pool, [SLOTS[0]])[SLOTS[0]]
    assert again == decode_alone(windows[0], decodes[1])


def test_a_prompt_that_fills_the_context_ends_at_its_edge() -> None:
    decode = replace(tiny.decode(224), prompt=(*range(1000, 1440), *tiny.PROMPT), sot_index=440)
    found = decode_alone(tiny.window(3), decode)
    assert 0 < len(found.tokens) <= 448 - 443 + 1


def test_language_scores_are_a_softmax_over_the_candidates() -> None:
    pool = tiny.pool()
    pool.resize(2, [])
    window = tiny.window(4)
    pool.encode([(SLOTS[1], window)])
    candidates = tuple(range(50_259, 50_358))
    (scores,) = pool.detect_language([(SLOTS[1], DetectLanguage(language_tokens=candidates))])
    tokens = jnp.array([[tiny.SOT, 0]])
    logits = teacher_forced_logits(tiny.params(), tiny.DIMS, tiny.mel_of(window), tokens)[0, 0]
    expected = jax.nn.softmax(logits[jnp.array(candidates)])
    assert np.allclose(scores.probabilities, expected, atol=1e-5)


def test_occupancy_counts_active_rows_over_executed_rows() -> None:
    pool = tiny.pool(replace(CPU, max_steps=4))
    pool.resize(4, [])
    pool.encode([(SLOTS[0], tiny.window(1))])
    pool.prefill([(SLOTS[0], tiny.decode(9))])
    found = drain(pool, [SLOTS[0]])[SLOTS[0]]
    n_steps = pool.counts.row_steps // 4
    assert pool.counts.active_row_steps == n_steps
    assert n_steps in (len(found.tokens) - 1, len(found.tokens))
    assert pool.counts.occupancy == 0.25


def test_a_mixed_workload_compiles_a_short_list_of_programs() -> None:
    pool = DevicePool(tiny.new_programs(), replace(CPU, max_steps=8))

    def serve(seed: int, n_windows: int) -> None:
        rng = np.random.default_rng(seed)
        slots = SLOTS[:n_windows]
        pool.resize(next(size for size in (2, 4, 8) if size >= n_windows), [])
        for slot in slots:
            pool.encode([(slot, tiny.window(seed, int(rng.integers(1, 3001))))])
            context = tuple(range(int(rng.integers(0, 60))))
            pool.prefill([(slot, tiny.decode(int(rng.integers(2, 30)), context))])
        drain(pool, slots)

    def workload() -> int:
        for seed, n_windows in enumerate((1, 3, 7, 2, 4, 8, 1)):
            serve(seed, n_windows)
        return pool.programs.n_compiled

    workload()
    n_compiled = workload()
    # For each number of slots: encode, prefill with prompts of 8 and of 64; and for each room
    # for tokens, 128 or 256: run, insert both, resize from each of the others, stretch.
    assert n_compiled <= 3 * (1 + 2 + 2 * (1 + 2 + 3 + 1)) + 1
    assert workload() == n_compiled


def test_batched_calls_give_the_same_texts() -> None:
    """On devices where windows and prompts share calls: equal but for the last bits of scores."""
    windows = [tiny.window(seed) for seed in range(4)]
    decodes = [tiny.decode(12, CONTEXTS[seed % 2], seed=seed) for seed in range(4)]
    alone = [decode_alone(w, d) for w, d in zip(windows, decodes, strict=True)]
    pool = tiny.pool(replace(CPU, min_numbers=1))
    pool.resize(4, [])
    pool.encode(list(zip(SLOTS, windows, strict=False)))
    pool.prefill(list(zip(SLOTS, decodes, strict=False)))
    found = drain(pool, SLOTS[:4])
    assert all(same(found[slot], text) for slot, text in zip(SLOTS, alone, strict=False))
