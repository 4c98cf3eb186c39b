"""Beam search and sampling as openai-whisper does them, in plain Python: one window, no batch.

Texts are tuples and live in dictionaries; a language model is a function from a text to the
logarithm of the probability of each token that may follow it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Text = tuple[int, ...]
type LanguageModel = Callable[[Text], NDArray[np.float32]]
"""Logits after the rules: what may not be said is at minus infinity."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched for, in the words of `whisper_jax.requests.Decode`."""

    eot: int
    max_tokens: int
    beam_size: int = 1
    patience: float = 1.0
    length_penalty: float | None = None


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum(dtype=np.float32))


def beam_search(model: LanguageModel, wanted: Wanted, prefix: Text = ()) -> tuple[Text, float]:
    """The best text, without its prefix, and its summed log probability."""
    beams: dict[Text, np.float32] = {prefix: np.float32(0)}
    finished: dict[Text, np.float32] = {}
    most = max(1, round(wanted.beam_size * wanted.patience))
    for _ in range(wanted.max_tokens):
        offers: dict[Text, np.float32] = {}
        for text, score in beams.items():
            logprobs = log_softmax(model(text))
            best = np.argsort(-logprobs, kind="stable")[: wanted.beam_size + 1]
            offers |= {(*text, int(token)): np.float32(score + logprobs[token]) for token in best}
        ended: dict[Text, np.float32] = {}
        beams = {}
        for text in sorted(offers, key=lambda text: offers[text], reverse=True):
            if offers[text] == -np.inf:
                continue  # cannot be said
            if text[-1] == wanted.eot:
                ended[text[:-1]] = offers[text]
                continue
            beams[text] = offers[text]
            if len(beams) == wanted.beam_size:
                break
        for text, score in ended.items():
            if len(finished) < most:
                finished[text] = score
        if len(finished) >= most or not beams:
            break
    for text, score in beams.items():
        if len(finished) < wanted.beam_size:
            finished[text] = score
    best = best_ranked(finished, wanted.length_penalty, len(prefix))
    return best[len(prefix) :], float(finished[best])


def best_ranked(texts: dict[Text, np.float32], penalty: float | None, n_prefix: int) -> Text:
    def rank(text: Text) -> float:
        n = len(text) - n_prefix
        length = max(n, 1) if penalty is None else ((5 + n) / 6) ** penalty
        return float(texts[text]) / length

    return max(texts, key=rank)  # the first of equals
