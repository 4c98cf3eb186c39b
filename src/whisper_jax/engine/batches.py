"""Requests to the numpy batches that go to the device, and what is read back to results."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import FRAMES_PER_TIMESTAMP, HOP, MARGIN_AFTER, MARGIN_BEFORE
from whisper_jax.decoding.align import Texts
from whisper_jax.decoding.choose import Draws
from whisper_jax.decoding.loop import Prompts, Wanted, Windows
from whisper_jax.decoding.rules import Rules
from whisper_jax.decoding.search import Search
from whisper_jax.decoding.state import Report
from whisper_jax.decoding.warping import first_frames
from whisper_jax.engine.scheduler import Slot
from whisper_jax.model.dims import ModelDims
from whisper_jax.requests import Align, Aligned, Decode, Decoded, Encode

_NO_LIMIT = np.iinfo(np.int32).max // 2


class BatchLayout:
    """Where the entries of a batch go: each shard's entries together, padded to one number.

    Attributes:
        windows: The slots that it is for.
        n_entries: Entries of the whole batch, padding included.
        places: Place of each slot's entry in it.
        slots: int32 [n_entries], index within its shard; padding is beyond every slot.
    """

    def __init__(self, slots: Sequence[Slot], n_shards: int, smallest: int = 1) -> None:
        self.windows = slots
        in_shard = [0] * n_shards
        ranks: list[int] = []
        for slot in slots:
            ranks.append(in_shard[slot.shard])
            in_shard[slot.shard] += 1
        each = max(smallest, padded_entries(max(in_shard)))
        self.n_entries = each * n_shards
        self.places = [s.shard * each + rank for s, rank in zip(slots, ranks, strict=True)]
        self.slots = np.full(self.n_entries, np.iinfo(np.int32).max, np.int32)
        self.slots[self.places] = [slot.index for slot in slots]


def padded_entries(n: int) -> int:
    """Entries of a batch of ``n``: the power of two that holds them."""
    return 1 << (n - 1).bit_length()


def windows_batch(layout: BatchLayout, requests: Sequence[Encode], n_heard: int) -> Windows:
    """The windows of a call, of each ``n_heard`` frames; padding entries are silence."""
    n = layout.n_entries
    samples = np.zeros((n, MARGIN_BEFORE + n_heard * HOP + MARGIN_AFTER), np.float32)
    n_frames, peaks = np.ones(n, np.int32), np.full(n, -np.inf, np.float32)
    for place, request in zip(layout.places, requests, strict=True):
        samples[place, : request.samples.shape[0]] = request.samples
        # The spectrogram of the zeros that follow is silence.
        n_frames[place] = n_heard if request.silence_after else request.n_frames
        peaks[place] = request.peak
    # What is heard beyond a window's content is silence, which may be looked at.
    return Windows(samples, n_frames, peaks)  # pyright: ignore[reportArgumentType]


def prompts_batch(layout: BatchLayout, requests: Sequence[Decode], n_positions: int) -> Prompts:
    """The prompts of a call; padding entries are prompts of one token."""
    n = layout.n_entries
    tokens, n_tokens = np.zeros((n, n_positions), np.int32), np.ones(n, np.int32)
    sot_index = np.zeros(n, np.int32)
    for place, request in zip(layout.places, requests, strict=True):
        text = request.prompt + request.prefix
        tokens[place, : len(text)], n_tokens[place] = text, len(text)
        sot_index[place] = request.sot_index
    return Prompts(tokens, n_tokens, sot_index)  # pyright: ignore[reportArgumentType]


def wanted_batch(layout: BatchLayout, requests: Sequence[Decode], dims: ModelDims) -> Wanted:
    """What a call asks of the texts that go on from its prompts."""
    n = layout.n_entries
    prefix, first = np.zeros((n, dims.n_text_ctx), np.int32), np.zeros((n, dims.n_vocab), bool)
    for place, request in zip(layout.places, requests, strict=True):
        prefix[place, : len(request.prefix)] = request.prefix
        first[place, list(request.rules.suppress_first)] = True
    return Wanted(
        prefix=prefix,  # pyright: ignore[reportArgumentType]
        suppress_first=first,  # pyright: ignore[reportArgumentType]
        rules=_rules(layout, requests, dims.n_vocab),
        search=_search(layout, requests),
    )


def _rules(layout: BatchLayout, requests: Sequence[Decode], n_vocab: int) -> Rules:
    n = layout.n_entries
    suppress, timestamps = np.zeros((n, n_vocab), bool), np.zeros(n, bool)
    latest, penalty = np.full(n, _NO_LIMIT, np.int32), np.ones(n, np.float32)
    ngram_size = np.zeros(n, np.int32)
    for place, request in zip(layout.places, requests, strict=True):
        rules = request.rules
        suppress[place, list(rules.suppress)] = True
        timestamps[place] = rules.timestamps
        if rules.max_initial_timestamp_index is not None:
            latest[place] = rules.max_initial_timestamp_index
        penalty[place] = rules.repetition_penalty
        ngram_size[place] = rules.no_repeat_ngram_size
    return Rules(suppress, timestamps, latest, penalty, ngram_size)  # pyright: ignore[reportArgumentType]


def _search(layout: BatchLayout, requests: Sequence[Decode]) -> Search:
    n = layout.n_entries
    counts = np.ones((5, n), np.int32)
    n_rows, n_prompt, n_prefix, max_found, max_finished = counts
    length_penalty, temperature = np.full(n, np.nan, np.float32), np.zeros(n, np.float32)
    n_prefix[:], seed = 0, np.zeros(n, np.uint32)
    for place, request in zip(layout.places, requests, strict=True):
        n_rows[place], seed[place] = request.n_rows, request.seed
        n_prompt[place], n_prefix[place] = len(request.prompt), len(request.prefix)
        max_found[place] = len(request.prefix) + request.max_tokens
        max_finished[place] = max(1, round(request.beam_size * request.patience))
        temperature[place] = request.temperature
        if request.length_penalty is not None:
            length_penalty[place] = request.length_penalty
    return Search(
        n_rows=n_rows,  # pyright: ignore[reportArgumentType]
        n_prompt=n_prompt,  # pyright: ignore[reportArgumentType]
        n_prefix=n_prefix,  # pyright: ignore[reportArgumentType]
        max_found=max_found,  # pyright: ignore[reportArgumentType]
        max_finished=max_finished,  # pyright: ignore[reportArgumentType]
        length_penalty=length_penalty,  # pyright: ignore[reportArgumentType]
        draws=Draws(temperature=temperature, seed=seed),  # pyright: ignore[reportArgumentType]
    )


def decoded(report: Report, at: int) -> Decoded:
    """The best text of a slot, from arrays that were read."""
    best, n_found = report.best, int(report.best.n_found[at])
    return Decoded(
        tokens=_integers(best.tokens[at, :n_found]),
        token_logprobs=_floats(best.logprobs[at, :n_found]),
        sum_logprob=float(best.sum_logprob[at]),
        no_speech_prob=float(report.no_speech_prob[at]),
        n_prefix=int(report.n_prefix[at]),
    )


def language_probabilities(
    logits: NDArray[np.float32], candidates: Sequence[int]
) -> tuple[float, ...]:
    """Softmax over the candidates' logits alone."""
    chosen = logits[list(candidates)].astype(np.float64)
    odds = np.exp(chosen - chosen.max())
    return _floats(odds / odds.sum())


def texts_batch(
    layout: BatchLayout, requests: Sequence[Align], n_positions: int, eot: int
) -> Texts:
    """The texts of a call to be aligned; padding entries are one token in one frame."""
    n = layout.n_entries
    tokens = np.full((n, n_positions), eot, np.int32)
    n_tokens, n_audio_frames = np.ones(n, np.int32), np.ones(n, np.int32)
    for place, request in zip(layout.places, requests, strict=True):
        text = request.prompt + request.tokens
        tokens[place, : len(text)] = text
        n_tokens[place] = request.n_positions
        n_audio_frames[place] = _audio_frames(request)
    return Texts(tokens, n_tokens, n_audio_frames)  # pyright: ignore[reportArgumentType]


def aligned(
    distances: NDArray[np.float32],
    probabilities: NDArray[np.float32] | None,
    at: int,
    request: Align,
) -> Aligned:
    """Where the tokens of a text begin, from arrays that were read."""
    # What stands at a token's place tells of the token that follows it.
    first, n = len(request.prompt) - 1, len(request.tokens)
    rows = distances[at, first : first + n + 1, : _audio_frames(request)]
    return Aligned(
        starts=_integers(first_frames(rows)),
        probabilities=()
        if probabilities is None
        else _floats(probabilities[at, first : first + n]),
    )


def _audio_frames(request: Align) -> int:
    return max(1, request.n_frames // FRAMES_PER_TIMESTAMP)


def _integers(array: object) -> tuple[int, ...]:
    return tuple(np.asarray(array).tolist())


def _floats(array: object) -> tuple[float, ...]:
    return tuple(np.asarray(array).tolist())
