"""The rules on rows written by hand, and on any text: something can always be said."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.decoding.choose import likeliest
from whisper_jax.decoding.repetition import apply_repetition_rules
from whisper_jax.decoding.rules import Rules, TokenIds, apply_rules

IDS = TokenIds(eot=10, no_speech=12, no_timestamps=13, timestamp_begin=14)
N_VOCAB = 14 + 20
T = IDS.timestamp_begin


def allowed(found: list[int], max_initial: int = 5, suppress: tuple[int, ...] = ()) -> set[int]:
    """Which tokens have a finite logit, when text is far likelier than time."""
    logits = np.zeros((1, 1, N_VOCAB), np.float32)
    logits[..., :T] = 50
    return {
        int(token)
        for token in np.flatnonzero(np.isfinite(ruled(logits, found, max_initial, suppress)))
    }


def ruled(logits, found, max_initial=5, suppress=(), timestamps=True):
    padded = np.zeros((1, 1, 12), np.int32)
    padded[0, 0, : len(found)] = found
    mask = np.zeros((1, N_VOCAB), bool)
    mask[..., list(suppress)] = True
    rules = Rules(
        suppress=jnp.asarray(mask),
        timestamps=jnp.array([timestamps]),
        max_initial_timestamp=jnp.array([max_initial]),
        repetition_penalty=jnp.ones(1),
        no_repeat_ngram_size=jnp.zeros(1, jnp.int32),
    )
    n_found = jnp.array([[len(found)]])
    return np.asarray(
        apply_rules(jnp.asarray(logits), rules, jnp.asarray(padded), n_found, IDS)[0, 0]
    )


TEXT = set(range(T)) - {IDS.no_timestamps}
TIMES = set(range(T, N_VOCAB))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], set(range(T, T + 6))),
        ([T], TEXT),
        ([T + 3, 1], TEXT | set(range(T + 4, N_VOCAB))),
        ([T, 1, T + 4], (TEXT - set(range(10))) | set(range(T + 4, N_VOCAB))),
        ([T, 1, T + 4, T + 4], TEXT),
        ([T, 1, T + 4, T + 4, 2], TEXT | set(range(T + 5, N_VOCAB))),
        ([1, 2], TEXT | TIMES),
    ],
)
def test_what_may_follow(found: list[int], expected: set[int]) -> None:
    assert allowed(found) == expected


def test_time_wins_if_all_times_together_are_likelier_than_any_text() -> None:
    logits = np.zeros((1, 1, N_VOCAB), np.float32)
    logits[..., 3] = 2.0
    after = ruled(logits, [T, 1])
    assert np.isfinite(after[T + 1 :]).all()
    assert not np.isfinite(after[:T]).any(), "exp(2) is less than nineteen times exp(0)"
    logits[..., 3] = 4.0
    assert np.isfinite(ruled(logits, [T, 1])[3])


def test_without_timestamps_only_what_is_suppressed_is_forbidden() -> None:
    logits = np.zeros((1, 1, N_VOCAB), np.float32)
    after = ruled(logits, [], suppress=(1, 20), timestamps=False)
    assert set(np.flatnonzero(~np.isfinite(after))) == {1, 20}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, N_VOCAB - 1), max_size=11),
    st.sets(st.integers(0, 9), max_size=9),
    st.integers(0, 19),
)
def test_something_can_always_be_said(found: list[int], banned: set[int], latest: int) -> None:
    rng = np.random.default_rng(len(found))
    logits = rng.normal(0, 5, (1, 1, N_VOCAB)).astype(np.float32)
    after = ruled(logits, found, latest, tuple(banned))
    assert np.isfinite(after).any()
    assert not np.isnan(after).any()


def without_repetition(logits, found, penalty=1.0, size=0):
    padded = np.zeros((1, 1, 40), np.int32)
    padded[0, 0, : len(found)] = found
    rules = Rules(
        suppress=jnp.zeros((1, N_VOCAB), bool),
        timestamps=jnp.zeros(1, bool),
        max_initial_timestamp=jnp.zeros(1, jnp.int32),
        repetition_penalty=jnp.full(1, penalty),
        no_repeat_ngram_size=jnp.full(1, size),
    )
    n_found = jnp.array([[len(found)]])
    arguments = jnp.asarray(logits)[None, None], rules, jnp.asarray(padded), n_found, IDS
    return np.asarray(apply_repetition_rules(*arguments)[0, 0])


texts = st.lists(st.one_of(st.integers(0, 4), st.integers(T, T + 2)), max_size=30)


@settings(max_examples=100, deadline=None)
@given(texts, st.floats(0.5, 3))
def test_what_was_said_is_penalised_once(found: list[int], penalty: float) -> None:
    logits = np.random.default_rng(len(found)).normal(0, 3, N_VOCAB).astype(np.float32)
    expected = logits.copy()
    for token in {token for token in found if token < IDS.eot}:
        factor = 1 / penalty if logits[token] > 0 else penalty
        expected[token] = logits[token] * factor
    np.testing.assert_allclose(without_repetition(logits, found, penalty), expected, rtol=1e-5)


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(0, 6))
def test_no_run_is_said_twice_but_for_timestamps(found: list[int], size: int) -> None:
    runs = {tuple(found[at : at + size]) for at in range(len(found) - size + 1)} if size else set()
    expected = {
        token
        for token in range(IDS.eot)
        if size <= len(found) + 1 and (*found[len(found) - size + 1 :], token) in runs
    }
    after = without_repetition(np.zeros(N_VOCAB, np.float32), found, size=size)
    assert set(np.flatnonzero(~np.isfinite(after))) == expected


def test_a_run_of_three_by_hand() -> None:
    after = without_repetition(np.zeros(N_VOCAB, np.float32), [1, 2, 3, T, 1, 2], size=3)
    assert set(np.flatnonzero(~np.isfinite(after))) == {3}


def test_the_first_of_equals_is_chosen_with_its_probability() -> None:
    logits = jnp.log(jnp.array([[[0.1, 0.4, 0.1, 0.4]]]))
    choice = likeliest(logits, 1)
    assert int(choice.tokens[0, 0, 0]) == 1
    assert float(choice.logprobs[0, 0, 0]) == pytest.approx(np.log(0.4), abs=1e-6)
