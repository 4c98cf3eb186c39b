"""Requests to the numpy batches that go to the device, and what is read back to results."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import N_WINDOW_SAMPLES
from whisper_jax.decoding.loop import Prompts, Windows
from whisper_jax.decoding.rules import Rules
from whisper_jax.decoding.state import Report
from whisper_jax.engine.scheduler import Slot
from whisper_jax.requests import Decode, Decoded, Encode

_NO_LIMIT = np.iinfo(np.int32).max // 2


class BatchLayout:
    """Where the entries of a batch go: each shard's entries together, padded to one number.

    Attributes:
        n_entries: Entries of the whole batch, padding included.
        places: Place of each slot's entry in it.
        slots: int32 [n_entries], index within its shard; padding is beyond every slot.
    """

    def __init__(self, slots: Sequence[Slot], n_shards: int, smallest: int = 1) -> None:
        in_shard = [0] * n_shards
        ranks: list[int] = []
        for slot in slots:
            ranks.append(in_shard[slot.shard])
            in_shard[slot.shard] += 1
        each = max(smallest, 1 << (max(in_shard) - 1).bit_length())
        self.n_entries = each * n_shards
        self.places = [s.shard * each + rank for s, rank in zip(slots, ranks, strict=True)]
        self.slots = np.full(self.n_entries, np.iinfo(np.int32).max, np.int32)
        self.slots[self.places] = [slot.index for slot in slots]


def windows_batch(layout: BatchLayout, requests: Sequence[Encode], n_audio_ctx: int) -> Windows:
    """The windows of a call; padding entries are silence of one frame."""
    n = layout.n_entries
    samples = np.zeros((n, N_WINDOW_SAMPLES), np.float32)
    n_frames, peaks = np.ones(n, np.int32), np.full(n, -np.inf, np.float32)
    for place, request in zip(layout.places, requests, strict=True):
        samples[place, : request.samples.shape[0]] = request.samples
        n_frames[place] = request.n_frames
        peaks[place] = request.peak
    # The padding of a window to 30 s is heard, as in openai-whisper: every frame may be looked at.
    return Windows(layout.slots, samples, n_frames, np.full(n, n_audio_ctx, np.int32), peaks)  # pyright: ignore[reportArgumentType]


def prompts_batch(
    layout: BatchLayout, requests: Sequence[Decode], n_positions: int, n_vocab: int
) -> Prompts:
    """The prompts of a call; padding entries are prompts of one token."""
    n = layout.n_entries
    tokens, n_tokens = np.zeros((n, n_positions), np.int32), np.ones(n, np.int32)
    sot_index, max_tokens = np.zeros(n, np.int32), np.ones(n, np.int32)
    first, suppress = np.zeros((n, n_vocab), bool), np.zeros((n, n_vocab), bool)
    timestamps, latest = np.zeros(n, bool), np.full(n, _NO_LIMIT, np.int32)
    for place, request in zip(layout.places, requests, strict=True):
        text = request.prompt + request.prefix
        tokens[place, : len(text)] = text
        n_tokens[place], sot_index[place] = len(text), request.sot_index
        max_tokens[place] = request.max_tokens
        first[place, list(request.rules.suppress_first)] = True
        suppress[place, list(request.rules.suppress)] = True
        timestamps[place] = request.rules.timestamps
        if request.rules.max_initial_timestamp_index is not None:
            latest[place] = request.rules.max_initial_timestamp_index
    rules = Rules(suppress, timestamps, latest)  # pyright: ignore[reportArgumentType]
    return Prompts(layout.slots, tokens, n_tokens, sot_index, first, max_tokens, rules)  # pyright: ignore[reportArgumentType]


def decoded(report: Report, at: int) -> Decoded:
    """The text in the one row of a slot, from arrays that were read."""
    n_found = int(report.n_found[at, 0])
    return Decoded(
        tokens=_integers(report.tokens[at, 0, :n_found]),
        token_logprobs=_floats(report.logprobs[at, 0, :n_found]),
        sum_logprob=float(report.sum_logprob[at, 0]),
        no_speech_prob=float(report.no_speech_prob[at, 0]),
    )


def language_probabilities(
    logits: NDArray[np.float32], candidates: Sequence[int]
) -> tuple[float, ...]:
    """Softmax over the candidates' logits alone."""
    chosen = logits[list(candidates)].astype(np.float64)
    odds = np.exp(chosen - chosen.max())
    return _floats(odds / odds.sum())


def _integers(array: object) -> tuple[int, ...]:
    return tuple(np.asarray(array).tolist())


def _floats(array: object) -> tuple[float, ...]:
    return tuple(np.asarray(array).tolist())
