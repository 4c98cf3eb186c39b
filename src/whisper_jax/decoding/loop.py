"""The device programs of decoding: encode, language, prefill, and up to K steps in one loop.

Each is written for the slots of one shard and is pure; the engine lifts them over the shards,
jits them and donates the state. Entries that only pad a batch name a slot beyond the last: they
are computed and written nowhere.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from whisper_jax.audio.logmel import log_mel_window
from whisper_jax.decoding.rules import Rules, TokenIds, apply_rules, choose_greedily
from whisper_jax.decoding.state import Report, RowState
from whisper_jax.model.caches import CrossCache, SelfCache, empty_self_cache
from whisper_jax.model.decoder import decode_tokens, decoder_logits, encode_for_decoder
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.encoder import encode
from whisper_jax.model.params import WhisperParams

_pytree = jax.tree_util.register_dataclass


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What is fixed when a program is compiled; hashable, hence static under jit.

    Attributes:
        dims: Sizes of the model.
        ids: Its special tokens.
        sot: Its start-of-transcript token.
        compute_dtype: The type computed in.
        cache_dtype: The type of keys and values at rest.
        min_slots: See `whisper_jax.model.decoder.decode_tokens`.
    """

    dims: ModelDims
    ids: TokenIds
    sot: int
    compute_dtype: DTypeLike
    cache_dtype: DTypeLike
    min_slots: int = 1


@_pytree
@dataclass(frozen=True)
class Windows:
    """A batch of windows to encode."""

    slots: Array  # int32 [window]
    samples: Array  # float32 [window, sample], with margins
    n_frames: Array  # int32 [window], log-mel frames of content
    n_audio_frames: Array  # int32 [window], encoder frames that may be attended to
    peaks: Array  # float32 [window], highest log-mel level before


@_pytree
@dataclass(frozen=True)
class Prompts:
    """A batch of prompts to begin decoding with."""

    slots: Array  # int32 [prompt]
    tokens: Array  # int32 [prompt, position], padded at the end with anything
    n_tokens: Array  # int32 [prompt]
    sot_index: Array  # int32 [prompt]
    suppress_first: Array  # bool [prompt, vocab], not allowed as the first token
    max_tokens: Array  # int32 [prompt]
    rules: Rules  # of each prompt: [prompt] in place of [slot, row]


def encode_windows(
    params: WhisperParams,
    cross: CrossCache,
    windows: Windows,
    config: ModelConfig,
    masked: bool,
) -> tuple[CrossCache, Float[Array, " window"]]:
    """Log-mel, encoder and cross-attention K/V of each window, into its slot.

    ``masked`` (static) says that some window has fewer audio frames than there are.

    Returns:
        The cache with the windows in it, and the log-mel peak of each.
    """
    log_mel = jax.vmap(log_mel_window, in_axes=(0, 0, 0, None))
    mel, peaks = log_mel(windows.samples, windows.n_frames, windows.peaks, config.dims.n_mels)
    encoded = encode(
        params.encoder,
        config.dims,
        mel.astype(config.compute_dtype),
        windows.n_audio_frames if masked else None,
    )
    new = encode_for_decoder(
        params.decoder, config.dims, encoded, windows.n_audio_frames, config.cache_dtype
    )
    put = jax.tree.map(lambda old, n: old.at[windows.slots].set(n, mode="drop"), cross, new)
    return put, peaks


def language_logits(
    params: WhisperParams, cross: CrossCache, slots: Int[Array, " window"], config: ModelConfig
) -> Float[Array, "window vocab"]:
    """Logits after the start-of-transcript token alone: those of the language tokens tell."""
    own = _take_slots(cross, slots)
    cache = empty_self_cache(config.dims, slots.shape[0], 1, 1, config.cache_dtype)
    tokens = jnp.full((slots.shape[0], 1, 1), config.sot)
    hidden, _, _ = decode_tokens(
        params.decoder,
        config.dims,
        tokens,
        jnp.zeros((slots.shape[0], 1), jnp.int32),
        cache,
        own,
        config.compute_dtype,
    )
    return decoder_logits(params.decoder, hidden[:, 0, 0])


def prefill(
    params: WhisperParams, cross: CrossCache, prompts: Prompts, config: ModelConfig
) -> RowState:
    """Read the prompts and find the first token of each: rows [prompt, 1], for `insert`."""
    n_prompts, n_positions = prompts.tokens.shape
    hidden, cache, _ = decode_tokens(
        params.decoder,
        config.dims,
        prompts.tokens[:, None],
        jnp.zeros((n_prompts, 1), jnp.int32),
        empty_self_cache(config.dims, n_prompts, 1, n_positions, config.cache_dtype),
        _take_slots(cross, prompts.slots),
        config.compute_dtype,
    )
    wanted = jnp.stack([prompts.n_tokens - 1, prompts.sot_index], axis=1)
    at_wanted = jnp.take_along_axis(hidden[:, 0], wanted[..., None], axis=1)
    logits = decoder_logits(params.decoder, at_wanted)
    no_speech_prob = jax.nn.softmax(logits[:, 1], axis=-1)[:, config.ids.no_speech]

    fresh = _fresh_rows(prompts, cache, no_speech_prob, config.dims.n_text_ctx // 2)
    first = jnp.where(prompts.suppress_first, -jnp.inf, logits[:, 0])[:, None]
    return _append(fresh, first, config)


def insert(rows: RowState, fresh: RowState, slots: Int[Array, " prompt"]) -> RowState:
    """Let every row of each slot begin as the fresh one; the cache is written up to its prompt.

    A program of its own: `prefill` need not be compiled anew for every size of the state.
    """
    n_positions = fresh.cache.n_positions

    def put(old: Array, new: Array) -> Array:
        return old.at[slots].set(new, mode="drop")

    cache = SelfCache(
        keys=tuple(
            old.at[slots, ..., :n_positions].set(new, mode="drop")
            for old, new in zip(rows.cache.keys, fresh.cache.keys, strict=True)
        ),
        values=tuple(
            old.at[slots, ..., :n_positions, :].set(new, mode="drop")
            for old, new in zip(rows.cache.values, fresh.cache.values, strict=True)
        ),
    )
    # The caches differ in length, so they are left out of the tree that is put as a whole.
    put_rest = jax.tree.map(put, replace(rows, cache=None), replace(fresh, cache=None))
    return replace(put_rest, cache=cache)


def run_steps(
    params: WhisperParams,
    cross: CrossCache,
    rows: RowState,
    running: Array,
    limits: tuple[Array, Array],
    config: ModelConfig,
) -> tuple[RowState, Report]:
    """Find tokens until enough slots have finished, nobody is left, or the steps are used up.

    Args:
        params: The model's weights.
        cross: The windows.
        rows: The texts so far; donated by the caller.
        running: bool [slot], slots whose rows are to be continued.
        limits: The most steps, and how many slots are to finish before the call ends early.
        config: The model.
    """
    max_steps, stop_after = limits
    rows = replace(rows, done=rows.done | ~running[:, None])
    n_open_at_start = jnp.sum(~jnp.all(rows.done, axis=1))

    def proceed(carry: tuple[Array, Array, RowState]) -> Array:
        step, _, state = carry
        n_open = jnp.sum(~jnp.all(state.done, axis=1))
        return (step < max_steps) & (n_open > 0) & (n_open_at_start - n_open < stop_after)

    def advance(carry: tuple[Array, Array, RowState]) -> tuple[Array, Array, RowState]:
        step, n_active, state = carry
        n_active = n_active + jnp.sum(~state.done).astype(jnp.int32)
        return step + 1, n_active, decode_step(params, cross, state, config)

    zero = jnp.zeros((), jnp.int32)
    step, n_active, rows = lax.while_loop(proceed, advance, (zero, zero, rows))
    return rows, _report(rows, step, n_active)


def decode_step(
    params: WhisperParams, cross: CrossCache, rows: RowState, config: ModelConfig
) -> RowState:
    """Find one more token for every row that is not done."""
    last = jnp.maximum(rows.n_found - 1, 0)
    tokens = jnp.take_along_axis(rows.tokens, last[..., None], axis=-1)
    hidden, cache, _ = decode_tokens(
        params.decoder,
        config.dims,
        tokens,
        rows.n_prompt + last,
        rows.cache,
        cross,
        config.compute_dtype,
        min_slots=config.min_slots,
    )
    logits = decoder_logits(params.decoder, hidden[:, :, 0])[: tokens.shape[0]]
    return _append(replace(rows, cache=cache), logits, config)


def _append(
    rows: RowState, logits: Float[Array, "slot row vocab"], config: ModelConfig
) -> RowState:
    """Apply the rules, choose, and write the choice down in the rows that are not done."""
    ruled = apply_rules(logits, rows.rules, rows.tokens, rows.n_found, config.ids)
    token, logprob = choose_greedily(ruled)
    active = ~rows.done
    is_text = active & (token != config.ids.eot)
    here = is_text[..., None] & (jnp.arange(rows.tokens.shape[-1]) == rows.n_found[..., None])
    n_found = rows.n_found + is_text
    # The last token found need not fit into the context: nothing is asked of it.
    is_full = (n_found >= rows.max_tokens) | (rows.n_prompt + n_found > config.dims.n_text_ctx)
    return replace(
        rows,
        tokens=jnp.where(here, token[..., None], rows.tokens),
        logprobs=jnp.where(here, logprob[..., None], rows.logprobs),
        n_found=n_found,
        sum_logprob=rows.sum_logprob + jnp.where(active, logprob, 0.0),
        done=rows.done | ~is_text | is_full,
    )


def _take_slots(cross: CrossCache, slots: Int[Array, " window"]) -> CrossCache:
    return jax.tree.map(lambda leaf: leaf.at[slots].get(mode="clip"), cross)


def _fresh_rows(
    prompts: Prompts, cache: SelfCache, no_speech_prob: Array, max_found: int
) -> RowState:
    """Rows [prompt, 1] that have read their prompt and found nothing."""
    lead = (prompts.slots.shape[0], 1)
    return RowState(
        tokens=jnp.zeros((*lead, max_found), jnp.int32),
        logprobs=jnp.zeros((*lead, max_found), jnp.float32),
        n_found=jnp.zeros(lead, jnp.int32),
        n_prompt=prompts.n_tokens[:, None],
        max_tokens=prompts.max_tokens[:, None],
        sum_logprob=jnp.zeros(lead, jnp.float32),
        no_speech_prob=no_speech_prob[:, None],
        done=jnp.zeros(lead, bool),
        rules=jax.tree.map(lambda leaf: leaf[:, None], prompts.rules),
        cache=cache,
    )


def _report(rows: RowState, n_steps: Array, n_active_row_steps: Array) -> Report:
    return Report(
        tokens=rows.tokens,
        logprobs=rows.logprobs,
        n_found=rows.n_found,
        n_prompt=rows.n_prompt,
        sum_logprob=rows.sum_logprob,
        no_speech_prob=rows.no_speech_prob,
        done=rows.done,
        n_steps=n_steps[None],
        n_active_row_steps=n_active_row_steps[None],
    )
