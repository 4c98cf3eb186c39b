"""The device programs before they are lifted: what each computes for one shard, and from what."""

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any, NamedTuple

from whisper_jax.decoding import align as alignment
from whisper_jax.decoding import loop
from whisper_jax.decoding.loop import ModelConfig
from whisper_jax.decoding.state import empty_pool, fit_rows, resize_pool
from whisper_jax.model.decoder import Head


class Lies(Enum):
    """Where an input lies; all that comes out is `SPLIT`."""

    WEIGHTS = auto()
    """On every shard, shared by its devices."""
    SPLIT = auto()
    """Each shard has its part."""
    WHOLE = auto()
    """On every device."""


class Body(NamedTuple):
    """A program before it is compiled.

    Attributes:
        name: What it is called.
        function: What it computes, for one shard.
        takes: Where its inputs lie.
        donates: Inputs whose memory it may use for its result.
        static: What else it depends on, besides the model and the shapes.
    """

    name: str
    function: Callable[..., Any]
    takes: tuple[Lies, ...]
    donates: tuple[int, ...] = ()
    static: object = None


_WEIGHTS, _SPLIT, _WHOLE = Lies.WEIGHTS, Lies.SPLIT, Lies.WHOLE

PUT = Body("put", loop.put_windows, (_SPLIT, _SPLIT, _SPLIT), donates=(0,))
"""From cache, encoded windows and slots to the cache."""


INSERT = Body("insert", loop.insert, (_SPLIT, _SPLIT, _SPLIT, _SPLIT), donates=(0,))
"""From rows, slots, rows that have begun and the cache of their prompts to the rows."""


def take(n_audio_ctx: int) -> Body:
    """From cache and slots to a cache of these windows, with room for so many audio frames."""
    function = partial(loop.take_windows, n_audio_ctx=n_audio_ctx)
    return Body("take", function, (_SPLIT, _SPLIT), static=n_audio_ctx)


def encode(config: ModelConfig) -> Body:
    """From weights and windows to a cache of these windows, and peaks."""
    return Body("encode", partial(loop.encode_windows, config=config), (_WEIGHTS, _SPLIT))


def language(config: ModelConfig) -> Body:
    """From weights and a cache of windows to logits."""
    return Body("language", partial(loop.language_logits, config=config), (_WEIGHTS, _SPLIT))


def prefill(config: ModelConfig) -> Body:
    """From weights, a cache of windows and prompts to what was heard."""
    return Body("prefill", partial(loop.prefill, config=config), (_WEIGHTS, _SPLIT, _SPLIT))


def align(config: ModelConfig, heads: tuple[Head, ...]) -> Body:
    """From weights, a cache of windows and texts to what was attended to."""
    function = partial(alignment.align, config=config, heads=heads)
    return Body("align", function, (_WEIGHTS, _SPLIT, _SPLIT), static=heads)


def probabilities(config: ModelConfig) -> Body:
    """From weights, hidden states of texts and the texts to how likely their tokens are."""
    function = partial(alignment.probabilities, config=config)
    return Body("probabilities", function, (_WEIGHTS, _SPLIT, _SPLIT))


def begin(config: ModelConfig, n_rows: int) -> Body:
    """From what is wanted, logits and probabilities of no speech to rows that have begun."""
    function = partial(loop.begin, n_rows=n_rows, config=config)
    return Body("begin", function, (_SPLIT, _SPLIT, _SPLIT), static=n_rows)


def run(config: ModelConfig) -> Body:
    """From weights, cache, rows, slots to run and limits to the rows and a report."""
    takes = (_WEIGHTS, _SPLIT, _SPLIT, _SPLIT, _WHOLE)
    return Body("run", partial(loop.run_steps, config=config), takes, donates=(2,))


def resize(n_positions: int) -> Body:
    """From a state and the old slot of each new one to another state."""
    function = partial(resize_pool, n_positions=n_positions)
    return Body("resize", function, (_SPLIT, _SPLIT), static=n_positions)


def fit(n_rows: int, n_positions: int) -> Body:
    """From rows to rows with other room."""
    function = partial(fit_rows, n_rows=n_rows, n_positions=n_positions)
    return Body("fit", function, (_SPLIT,), static=(n_rows, n_positions))


def empty(config: ModelConfig, n_slots: int, n_rows: int, n_positions: int) -> Body:
    """From nothing to a state with nothing in it."""
    sizes = (n_slots, n_rows, n_positions)
    types = config.cache_dtype, config.cross_dtype
    return Body("empty", partial(empty_pool, config.dims, *sizes, *types), (), static=sizes)
