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
from whisper_jax.decoding.choose import choose
from whisper_jax.decoding.rules import Rules, TokenIds
from whisper_jax.decoding.search import (
    Search,
    advance_beams,
    best_text,
    empty_texts,
    extend,
    nothing_finished,
    select,
)
from whisper_jax.decoding.state import Report, RowState
from whisper_jax.model.caches import AudioCache, SelfCache, empty_self_cache, fit_cross_cache
from whisper_jax.model.cross import encode_for_decoder
from whisper_jax.model.decoder import decode_tokens, decoder_logits
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.encoder import encode
from whisper_jax.model.layers import AttentionKind
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
        cache_dtype: The type of self-attention keys and values at rest.
        cross_dtype: The type of cross-attention keys and values at rest.
        min_slots: The fewest slots that products with weights are computed for; few have other
            last bits on a CPU.
        min_rows_wide: The fewest rows of such a product while slots have several.
        rounds_as_written: Numbers are rounded to the types that the program says, even where the
            compiler could do without.
        is_single_threaded: A program keeps to one thread of a CPU, whose other threads have
            programs of their own.
        attention: How the encoder attends.
    """

    dims: ModelDims
    ids: TokenIds
    sot: int
    compute_dtype: DTypeLike
    cache_dtype: DTypeLike
    cross_dtype: DTypeLike
    min_slots: int = 1
    min_rows_wide: int = 1
    rounds_as_written: bool = False
    is_single_threaded: bool = False
    attention: AttentionKind = "plain"

    def slots_computed(self, n_slots: int, n_rows: int) -> int:
        """How many slots of so many rows are computed, padding included."""
        if n_rows == 1:
            return max(n_slots, self.min_slots)
        fewest = max(n_slots, self.min_slots, -(-self.min_rows_wide // n_rows))
        return 1 << (fewest - 1).bit_length() if self.min_slots > 1 else fewest


@_pytree
@dataclass(frozen=True)
class Windows:
    """A batch of windows to encode."""

    samples: Array  # float32 [window, sample], with margins: as much as is to be heard
    n_frames: Array  # int32 [window], log-mel frames of content
    peaks: Array  # float32 [window], highest log-mel level before


@_pytree
@dataclass(frozen=True)
class Prompts:
    """A batch of prompts to begin decoding with; a prefix is read as part of the prompt."""

    tokens: Array  # int32 [prompt, position], padded at the end with anything
    n_tokens: Array  # int32 [prompt]: of these, what is not padding
    sot_index: Array  # int32 [prompt]


@_pytree
@dataclass(frozen=True)
class Wanted:
    """What is asked of the texts that go on from a batch of prompts."""

    prefix: Array  # int32 [prompt, found], with which the texts begin
    suppress_first: Array  # bool [prompt, vocab], not allowed as the first token found
    rules: Rules  # of each prompt
    search: Search  # of each prompt


@_pytree
@dataclass(frozen=True)
class Heard:
    """What prompts were answered with."""

    cache: SelfCache  # [prompt, 1]
    logits: Array  # float32 [prompt, vocab], of the first token
    no_speech_prob: Array  # float32 [prompt]


def encode_windows(
    params: WhisperParams, windows: Windows, config: ModelConfig
) -> tuple[AudioCache, Float[Array, " window"]]:
    """Log-mel, encoder and cross-attention K/V of each window.

    Returns:
        A cache of the windows alone, for `put_windows`, and the log-mel peak of each.
    """
    log_mel = jax.vmap(log_mel_window, in_axes=(0, 0, 0, None))
    mel, peaks = log_mel(windows.samples, windows.n_frames, windows.peaks, config.dims.n_mels)
    mel = mel.astype(config.compute_dtype)
    encoded = encode(params.encoder, config.dims, mel, config.attention)
    n_audio_frames = jnp.full(encoded.shape[0], encoded.shape[1], jnp.int32)
    new = encode_for_decoder(
        params.decoder, config.dims, encoded, n_audio_frames, config.cross_dtype
    )
    return new, peaks


def put_windows(cross: AudioCache, new: AudioCache, slots: Int[Array, " window"]) -> AudioCache:
    """Encoded windows into their slots; a program of its own, as `take_windows` is.

    So the large programs need not be compiled anew for every number of slots.
    """
    return jax.tree.map(lambda old, n: old.at[slots].set(n, mode="drop"), cross, new)


def take_windows(cross: AudioCache, slots: Int[Array, " window"], n_audio_ctx: int) -> AudioCache:
    """A cache of these slots' windows alone, with room for so many audio frames (static)."""
    own = jax.tree.map(lambda leaf: leaf.at[slots].get(mode="clip"), cross)
    return fit_cross_cache(own, n_audio_ctx)


def language_logits(
    params: WhisperParams, own: AudioCache, config: ModelConfig
) -> Float[Array, "window vocab"]:
    """Logits after the start-of-transcript token alone: those of the language tokens tell."""
    n_windows = own.n_audio_frames.shape[0]
    cache = empty_self_cache(config.dims, n_windows, 1, 1, config.cache_dtype)
    tokens = jnp.full((n_windows, 1, 1), config.sot)
    hidden, _, _ = decode_tokens(
        params.decoder,
        config.dims,
        tokens,
        jnp.zeros((n_windows, 1), jnp.int32),
        cache,
        own,
        config.compute_dtype,
    )
    return decoder_logits(params.decoder, hidden[:, 0, 0])


def prefill(params: WhisperParams, own: AudioCache, prompts: Prompts, config: ModelConfig) -> Heard:
    """Read the prompts, each once, however many texts are to begin with it.

    Args:
        params: The model's weights.
        own: The window of each prompt.
        prompts: What to read.
        config: The model.
    """
    n_prompts, n_positions = prompts.tokens.shape
    hidden, cache, _ = decode_tokens(
        params.decoder,
        config.dims,
        prompts.tokens[:, None],
        jnp.zeros((n_prompts, 1), jnp.int32),
        empty_self_cache(config.dims, n_prompts, 1, n_positions, config.cache_dtype),
        own,
        config.compute_dtype,
    )
    wanted = jnp.stack([prompts.n_tokens - 1, prompts.sot_index], axis=1)
    at_wanted = jnp.take_along_axis(hidden[:, 0], wanted[..., None], axis=1)
    logits = decoder_logits(params.decoder, at_wanted)
    no_speech_prob = jax.nn.softmax(logits[:, 1], axis=-1)[:, config.ids.no_speech]
    return Heard(cache, logits[:, 0], no_speech_prob)


def begin(
    wanted: Wanted,
    logits: Float[Array, "prompt vocab"],
    no_speech_prob: Float[Array, " prompt"],
    n_rows: int,
    config: ModelConfig,
) -> RowState:
    """The texts of each prompt with their first tokens: rows [prompt, row] for `insert`.

    Args:
        wanted: What is asked of them.
        logits: Of their first tokens.
        no_speech_prob: Of each prompt.
        n_rows: Rows of a slot (static).
        config: The model.
    """
    fresh = _fresh_rows(wanted, no_speech_prob, n_rows, config)
    first = jnp.where(wanted.suppress_first, -jnp.inf, logits)
    first = jnp.broadcast_to(first[:, None], (first.shape[0], n_rows, first.shape[-1]))
    return grow(fresh, first, config)


def insert(
    rows: RowState, slots: Int[Array, " prompt"], begun: RowState, prompt: SelfCache
) -> RowState:
    """Put the texts of `begin` into their slots, with the cache of their prompts.

    A program of its own, which compiles soon: the large ones need not be compiled anew for every
    size of the state. The prompt is written into row 0 of the cache, where the other rows look it
    up.
    """

    def put(old: Array, new: Array) -> Array:
        return old.at[slots].set(new, mode="drop")

    n_positions, ancestry = prompt.n_positions, rows.cache.ancestry
    cache = SelfCache(
        keys=tuple(
            old.at[slots, 0, ..., :n_positions].set(new[:, 0], mode="drop")
            for old, new in zip(rows.cache.keys, prompt.keys, strict=True)
        ),
        values=tuple(
            old.at[slots, 0, ..., :n_positions, :].set(new[:, 0], mode="drop")
            for old, new in zip(rows.cache.values, prompt.values, strict=True)
        ),
        ancestry=None if ancestry is None else ancestry.at[slots].set(0, mode="drop"),
    )
    # The caches differ in size, so they are left out of the tree that is put as a whole.
    put_rest = jax.tree.map(put, replace(rows, cache=None), replace(begun, cache=None))
    return replace(put_rest, cache=cache)


def run_steps(
    params: WhisperParams,
    cross: AudioCache,
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
    params: WhisperParams, cross: AudioCache, rows: RowState, config: ModelConfig
) -> RowState:
    """Find one more token for every row that is not done."""
    n_slots, n_rows = rows.done.shape
    last = jnp.maximum(rows.texts.n_found - 1, 0)
    tokens = jnp.take_along_axis(rows.texts.tokens, last[..., None], axis=-1)
    hidden, cache, _ = decode_tokens(
        params.decoder,
        config.dims,
        tokens,
        rows.search.n_prompt[:, None] + last,
        rows.cache,
        cross,
        config.compute_dtype,
        min_slots=config.slots_computed(n_slots, n_rows),
    )
    logits = decoder_logits(params.decoder, hidden[:, :, 0])[:n_slots]
    return grow(replace(rows, cache=cache), logits, config)


def grow(rows: RowState, logits: Float[Array, "slot row vocab"], config: ModelConfig) -> RowState:
    """Choose the next tokens, and write them down in the rows that are not done."""
    search, texts, active = rows.search, rows.texts, ~rows.done
    choice = choose(
        logits, texts.tokens, texts.n_found, active, rows.rules, search.draws, config.ids
    )
    longer, done = extend(texts, choice, active, config.ids.eot)
    finished, cache, ancestry = rows.finished, rows.cache, rows.cache.ancestry
    if ancestry is not None:  # else there is one row: no beams
        beams, reached, source = advance_beams(texts, choice, finished, search, config.ids.eot)
        advances = search.is_beam & jnp.any(active, axis=1)
        longer = select(advances, beams, longer)
        finished = select(advances, reached, finished)
        # Nor does a search go on when nothing possible is left to say.
        is_over = (finished.count >= search.max_finished) | (longer.sum_logprob[:, 0] == -jnp.inf)
        done = jnp.where(advances[:, None], is_over[:, None], done)
        own = jnp.arange(source.shape[1])
        source = jnp.where(advances[:, None], source, own)
        cache = replace(cache, ancestry=jnp.take_along_axis(ancestry, source[..., None], 1))
    # The last token found need not fit into the context: nothing is asked of it.
    n_positions = search.n_prompt[:, None] + longer.n_found
    is_full = (longer.n_found >= search.max_found[:, None]) | (n_positions > config.dims.n_text_ctx)
    return replace(
        rows, texts=longer, done=rows.done | done | is_full, finished=finished, cache=cache
    )


def _fresh_rows(
    wanted: Wanted, no_speech_prob: Array, n_rows: int, config: ModelConfig
) -> RowState:
    """Rows [prompt, row] that begin with their prefix and have found nothing."""
    n_prompts, row = no_speech_prob.shape[0], jnp.arange(n_rows)
    search, max_found = wanted.search, config.dims.n_text_ctx
    texts = empty_texts((n_prompts, n_rows), max_found)
    # All beams are the same at first: one is enough to go on from.
    is_copy = search.is_beam[:, None] & (row > 0)
    texts = replace(
        texts,
        tokens=jnp.broadcast_to(wanted.prefix[:, None], texts.tokens.shape),
        n_found=jnp.broadcast_to(search.n_prefix[:, None], texts.n_found.shape),
        sum_logprob=jnp.where(is_copy, -jnp.inf, 0.0),
    )
    return RowState(
        texts=texts,
        done=row >= search.n_rows[:, None],
        finished=nothing_finished(n_prompts, max_found),
        no_speech_prob=no_speech_prob,
        search=search,
        rules=wanted.rules,
        cache=empty_self_cache(config.dims, n_prompts, n_rows, 1, config.cache_dtype),
    )


def _report(rows: RowState, n_steps: Array, n_active_row_steps: Array) -> Report:
    longest = jnp.max(rows.texts.n_found, axis=1)
    return Report(
        best=best_text(rows.texts, rows.finished, rows.search),
        n_prefix=rows.search.n_prefix,
        no_speech_prob=rows.no_speech_prob,
        done=jnp.all(rows.done, axis=1),
        n_positions=rows.search.n_prompt + longest,
        n_steps=n_steps[None],
        n_active_row_steps=n_active_row_steps[None],
    )
