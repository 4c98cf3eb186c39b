"""The network on random weights: shapes, masks, named heads, kinds of weights."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from whisper_jax.model.caches import (
    CrossCache,
    Int8CrossCache,
    empty_cross_cache,
    empty_self_cache,
)
from whisper_jax.model.cross import MOST_COLUMNS, encode_for_decoder
from whisper_jax.model.decoder import decode_tokens, decoder_logits
from whisper_jax.model.dims import PUBLISHED, ModelDims
from whisper_jax.model.encoder import encode
from whisper_jax.model.layers import attend, attend_to_all, gelu, sinusoids
from whisper_jax.model.params import Leaf, initialise, is_leaf, n_bytes, spec
from whisper_jax.model.weights import (
    Int8Weight,
    LoraWeight,
    dequantise,
    logits,
    matmul,
    quantise,
    round_to_int8,
)

# From the model card of openai-whisper, in millions.
PARAMETERS = {
    "tiny": 39,
    "base": 74,
    "small": 244,
    "medium": 769,
    "large-v2": 1550,
    "large-v3-turbo": 809,
    "distil-large-v3": 756,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_shape_can_be_made_and_run(name: str) -> None:
    dims = PUBLISHED[name]
    params = jax.eval_shape(lambda: initialise(dims, jax.random.key(0)))
    shapes = jax.tree.map(lambda leaf: leaf.shape, params)
    wanted = jax.tree.map(lambda leaf: leaf.shape, spec(dims), is_leaf=is_leaf)
    assert shapes == wanted

    def run(params, mel, tokens):
        encoded = encode(params.encoder, dims, mel)
        cross = encode_for_decoder(params.decoder, dims, encoded, jnp.array([1500]), mel.dtype)
        cache = empty_self_cache(dims, 1, 1, 8, mel.dtype)
        start = jnp.zeros((1, 1), jnp.int32)
        hidden, _, _ = decode_tokens(params.decoder, dims, tokens, start, cache, cross, mel.dtype)
        return decoder_logits(params.decoder, hidden)

    for dtype in (jnp.float32, jnp.bfloat16):
        typed = jax.tree.map(lambda leaf, t=dtype: jax.ShapeDtypeStruct(leaf.shape, t), params)
        mel = jax.ShapeDtypeStruct((1, 3000, dims.n_mels), dtype)
        out = jax.eval_shape(run, typed, mel, jax.ShapeDtypeStruct((1, 1, 4), jnp.int32))
        assert (out.shape, out.dtype) == ((1, 1, 4, dims.n_vocab), jnp.float32)
    if name in PARAMETERS:
        millions = n_bytes(dims, np.int8) / 1e6
        assert millions == pytest.approx(PARAMETERS[name], rel=0.05)


def test_every_leaf_has_a_logical_name_for_each_axis() -> None:
    for leaf in jax.tree.leaves(spec(PUBLISHED["base"]), is_leaf=is_leaf):
        assert isinstance(leaf, Leaf)
        assert len(leaf.axes) == len(leaf.shape)


@pytest.fixture(scope="module")
def mel() -> jax.Array:
    return tiny.mel_of(tiny.window(0))


def hidden_after_prompt(
    encoded: jax.Array, dims: ModelDims, dtype: str, n_copies: int = 1
) -> tuple[jax.Array, jax.Array]:
    """Hidden states of a prompt read once, or several times over, and weights of all heads."""
    params = tiny.params()
    n_audio_frames = jnp.array([encoded.shape[1]])
    cross = encode_for_decoder(params.decoder, dims, encoded, n_audio_frames, dtype)
    tokens = jnp.array([[tiny.PROMPT * n_copies]])
    cache = empty_self_cache(dims, 1, 1, tokens.shape[-1], jnp.float32)
    start = jnp.zeros((1, 1), jnp.int32)
    heads = tuple((layer, head) for layer in range(2) for head in range(8))
    hidden, _, weights = decode_tokens(
        params.decoder, dims, tokens, start, cache, cross, jnp.float32, heads
    )
    assert weights is not None
    return hidden, weights


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_room_for_longer_windows_changes_nothing(mel: jax.Array, dtype: str) -> None:
    encoded = encode(tiny.params().encoder, tiny.DIMS, mel[:, :1000])
    assert encoded.shape[1] == 500
    roomy, weights = hidden_after_prompt(encoded, tiny.DIMS, dtype)
    exact, _ = hidden_after_prompt(encoded, replace(tiny.DIMS, n_audio_ctx=500), dtype)
    np.testing.assert_allclose(roomy, exact, atol=1e-5)
    assert weights.shape[-1] == 1500
    assert not np.asarray(weights[..., 500:]).any(), "nothing is heard where there is nothing"


@pytest.mark.parametrize("n_copies", [1, 12])
def test_int8_keys_and_values_are_nearly_the_float_ones(mel: jax.Array, n_copies: int) -> None:
    # A few queries are looked up in whole numbers, many in the float numbers these stand for.
    n_columns = 8 * len(tiny.PROMPT) * n_copies
    assert (n_columns <= MOST_COLUMNS) == (n_copies == 1)
    encoded = encode(tiny.params().encoder, tiny.DIMS, mel)
    plain, plain_weights = hidden_after_prompt(encoded, tiny.DIMS, "float32", n_copies)
    rounded, weights = hidden_after_prompt(encoded, tiny.DIMS, "int8", n_copies)
    assert np.abs(rounded - plain).max() < 0.05 * np.abs(plain).max()
    np.testing.assert_allclose(weights, plain_weights, atol=0.02)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_int8_audio_has_a_scale_for_each_channel(mel: jax.Array) -> None:
    encoded = encode(tiny.params().encoder, tiny.DIMS, mel)
    frames = jnp.array([1500])
    plain = encode_for_decoder(tiny.params().decoder, tiny.DIMS, encoded, frames, "float32")
    whole = encode_for_decoder(tiny.params().decoder, tiny.DIMS, encoded, frames, "int8")
    assert isinstance(plain, CrossCache)
    assert isinstance(whole, Int8CrossCache)
    assert jax.tree.map(jnp.shape, whole) == jax.tree.map(
        jnp.shape, empty_cross_cache(tiny.DIMS, 1, 1500, "int8")
    )
    values = np.asarray(plain.values[0][0]).transpose(1, 0, 2).reshape(1500, -1)
    np.testing.assert_allclose(
        np.asarray(whole.values[0][0]).T * whole.value_scales[0][0],
        values,
        atol=float(np.abs(values).max()) / 250,
    )
    np.testing.assert_array_equal(whole.value_sums[0][0], whole.values[0][0].sum(-1))


def test_weights_of_named_heads_can_be_had(mel: jax.Array) -> None:
    params = tiny.params()
    encoded = encode(params.encoder, tiny.DIMS, mel)
    n_audio_frames = jnp.array([700])
    cross = encode_for_decoder(params.decoder, tiny.DIMS, encoded, n_audio_frames, jnp.float32)
    cache = empty_self_cache(tiny.DIMS, 1, 1, 8, jnp.float32)
    arguments = (
        params.decoder,
        tiny.DIMS,
        jnp.array([[tiny.PROMPT]]),
        jnp.zeros((1, 1), jnp.int32),
        cache,
        cross,
        jnp.float32,
    )
    plain, _, none = decode_tokens(*arguments)
    hidden, _, weights = decode_tokens(*arguments, heads=((1, 3), (0, 2)))
    assert none is None
    assert weights is not None
    assert weights.shape == (1, 1, 2, 3, 1500)
    np.testing.assert_array_equal(hidden, plain)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not np.asarray(weights[..., 700:]).any(), "what is masked has no weight"
    # The first layer's query does not depend on the heads asked for: compute its weights by hand.
    first = decode_tokens(*arguments, heads=((0, 2),))[2]
    assert first is not None
    np.testing.assert_array_equal(first[:, :, 0], weights[:, :, 1])


def test_attention_is_a_softmax_over_what_is_not_masked() -> None:
    rng = np.random.default_rng(0)
    shapes = ((2, 3, n, 4) for n in (5, 7, 7))
    query, keys, values = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in shapes)
    mask = rng.random((2, 1, 5, 7)) < 0.7
    mask[..., 0] = True
    mixed, weights = attend(query, keys.swapaxes(-1, -2), values, jnp.asarray(mask))
    scores = np.where(mask, query @ keys.swapaxes(-1, -2) / 2, -np.inf)
    expected = np.asarray(jax.nn.softmax(scores, axis=-1))
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    np.testing.assert_allclose(mixed, expected @ values, atol=1e-6)


def test_attention_to_everything_is_attention_without_a_mask() -> None:
    rng = np.random.default_rng(0)
    shape = (2, 3, 50, 8)
    query, keys, values = (jnp.asarray(rng.normal(size=shape), jnp.float32) for _ in range(3))
    keys = keys.swapaxes(-1, -2)
    expected, _ = attend(query, keys, values, None)
    np.testing.assert_allclose(attend_to_all(query, keys, values), expected, atol=1e-5)
    low = [array.astype(jnp.bfloat16) for array in (query, keys, values)]
    mixed = attend_to_all(*low)
    assert mixed.dtype == jnp.bfloat16
    np.testing.assert_allclose(mixed.astype(jnp.float32), expected, atol=0.03)


def test_gelu_is_the_exact_one() -> None:
    x = jnp.linspace(-6, 6, 1001)
    np.testing.assert_allclose(gelu(x), jax.nn.gelu(x, approximate=False), atol=1e-6)


def test_positions_are_sines_then_cosines() -> None:
    table = sinusoids(10, 8)
    np.testing.assert_allclose(table[3, 0], np.sin(3), atol=1e-6)
    np.testing.assert_allclose(table[3, 3], np.sin(3e-4), atol=1e-6)
    np.testing.assert_allclose(
        table[3, 4:], np.cos(np.arcsin(table[3, :4])) * [-1, 1, 1, 1], atol=1e-5
    )


def test_the_weight_algebra() -> None:
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 3, 16), (16, 8)))
    quantised = quantise(w)
    assert quantised.quantised.dtype == jnp.int8
    np.testing.assert_allclose(dequantise(quantised), w, atol=float(jnp.abs(w).max()) / 127)
    exact = x @ dequantise(quantised)
    np.testing.assert_allclose(matmul(x, quantised), exact, atol=0.02 * float(jnp.abs(exact).max()))
    whole, step = round_to_int8(x, axis=-1)
    np.testing.assert_allclose(
        matmul(x, quantised), (whole * step) @ dequantise(quantised), rtol=1e-5, atol=1e-5
    )
    turned = quantise(w, turn=True)
    assert turned.quantised.shape == (8, 16)
    np.testing.assert_array_equal(dequantise(turned), dequantise(quantised))
    np.testing.assert_array_equal(matmul(x, turned), matmul(x, quantised))
    assert matmul(x.astype(jnp.bfloat16), w).dtype == jnp.float32
    zero = quantise(jnp.zeros((16, 8)))
    assert not np.asarray(matmul(x, zero)).any()

    a, b = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((16, 2), (2, 8)))
    for base in (w, quantised):
        tuned = LoraWeight(base, a, b, alpha=8.0)
        expected = matmul(x, base) + 4 * x @ a @ b
        np.testing.assert_allclose(matmul(x, tuned), expected, atol=1e-4)
        untouched = replace(tuned, b=jnp.zeros_like(b))
        np.testing.assert_array_equal(matmul(x, untouched), matmul(x, base))
    assert isinstance(jax.tree.map(lambda leaf: leaf, tuned), LoraWeight)
    assert isinstance(tuned.base, Int8Weight)


def test_logits_are_float32_whatever_is_computed_in() -> None:
    x, table = jnp.ones((2, 4), jnp.bfloat16), jnp.ones((10, 4), jnp.float32)
    found = logits(x, table)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, np.full((2, 10), 4))
