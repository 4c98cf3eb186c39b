"""The text tokens of the published models, for checkpoints that come without tokenizer files.

There are two vocabularies: GPT-2's (Radford et al. 2019), which the English-only models have, and
one trained anew on many languages, which all others have (Radford et al. 2022). Only the merges
are stored: the tokens are the 256 letters that stand for bytes and what the merges make, in order.
``scripts/extract_vocabularies.py`` makes the files.
"""

import lzma
from functools import cache
from importlib.resources import files
from typing import Final

from tokenizers import pre_tokenizers

from whisper_jax.text.special import is_multilingual, special_tokens

DATA: Final = "data"
"""The folder of the merges, beside this file."""


def byte_letters() -> tuple[str, ...]:
    """The letters that stand for bytes in byte-level vocabularies, in the order of their tokens.

    Printable bytes, which stand for themselves, come first; the others, in order, are the letters
    from U+0100 on (Radford et al. 2019, GPT-2).
    """
    return tuple(sorted(pre_tokenizers.ByteLevel.alphabet()))


@cache
def byte_of_letter() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for."""
    letters = byte_letters()
    own = {letter: ord(letter) for letter in letters if ord(letter) < 256}
    others = sorted(set(range(256)) - set(own.values()))
    return own | {chr(256 + place): byte for place, byte in enumerate(others)}


def published_tokens(n_vocab: int) -> tuple[bytes, ...]:
    """The bytes of each text token of a published vocabulary, in the order of their ids.

    Args:
        n_vocab: Rows of the model's token embedding: 51864, 51865 or 51866.

    Raises:
        CheckpointError: No published vocabulary has this size.
    """
    byte_of = byte_of_letter()
    vocabulary, _ = published_vocabulary(n_vocab)
    return tuple(bytes(byte_of[letter] for letter in token) for token in vocabulary)


def published_vocabulary(n_vocab: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Text tokens with their ids, and merges, of a published vocabulary.

    Raises:
        CheckpointError: No published vocabulary has this size.
    """
    eot = special_tokens(n_vocab).eot
    name = "multilingual" if is_multilingual(n_vocab) else "english"
    content = files("whisper_jax.text").joinpath(DATA, f"{name}.merges.xz").read_bytes()
    lines = lzma.decompress(content).decode().split("\n")
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines)]
    tokens = [*byte_letters(), *(left + right for left, right in merges)]
    tokens += [""] * (eot - len(tokens))  # the last multilingual one is the empty text
    return {token: index for index, token in enumerate(tokens)}, merges
