"""Special tokens by layout: what each id above the text tokens means.

All published Whisper vocabularies put the special tokens after the text tokens in one order::

    <|endoftext|> <|startoftranscript|> <|en|> … <|su|> [<|yue|>] <|translate|> <|transcribe|>
    <|startoflm|> <|startofprev|> <|nospeech|> <|notimestamps|> <|0.00|> <|0.02|> … <|30.00|>

So the size of the vocabulary alone settles every id. Checkpoints' own files often name only part
of them (many lack the timestamps); what they do name is checked against this layout.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from whisper_jax.errors import CheckpointError
from whisper_jax.text.languages import LANGUAGES

TIMESTAMP_STEP_S: Final = 0.02
"""Seconds between neighbouring timestamp tokens."""

N_TIMESTAMPS: Final = 1501
"""Timestamp tokens from 0.00 to 30.00 s, both ends included."""

ENGLISH_ONLY_N_VOCAB: Final = 51_864
MULTILINGUAL_N_VOCAB: Final = 51_865  # with 99 languages; one more for each further language

_N_NOT_LANGUAGES: Final = ENGLISH_ONLY_N_VOCAB - 99
_AFTER_LANGUAGES: Final = (
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
_OLD_NAMES: Final = MappingProxyType({"<|nocaptions|>": "<|nospeech|>", "<|iw|>": "<|he|>"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that are not text.

    Attributes:
        eot: ``<|endoftext|>``; every id below it is text, none above it is.
        sot: ``<|startoftranscript|>``.
        translate: The task of writing in English what is said in another language.
        transcribe: The task of writing what is said.
        sot_lm: ``<|startoflm|>``, never used by the published models.
        sot_prev: ``<|startofprev|>``, before the text of earlier windows.
        no_speech: ``<|nospeech|>`` (``<|nocaptions|>`` in older files).
        no_timestamps: ``<|notimestamps|>``.
        timestamp_begin: ``<|0.00|>``, the first of `N_TIMESTAMPS` ids in steps of 20 ms.
        languages: Id of each language's token by code, in order. English-only vocabularies have
            these ids too, though their models never use them.
    """

    eot: int
    sot: int
    translate: int
    transcribe: int
    sot_lm: int
    sot_prev: int
    no_speech: int
    no_timestamps: int
    timestamp_begin: int
    languages: Mapping[str, int]


def is_multilingual(n_vocab: int) -> bool:
    """Whether a vocabulary of this size knows other languages than English."""
    return n_vocab >= MULTILINGUAL_N_VOCAB


def special_token_names(n_vocab: int) -> tuple[str, ...]:
    """Names of the special tokens in order of id; the first, ``<|endoftext|>``, has the lowest.

    Args:
        n_vocab: Rows of the model's token embedding: 51864, 51865 or 51866.

    Raises:
        CheckpointError: No published vocabulary has this size.
    """
    n_languages = n_vocab - _N_NOT_LANGUAGES - is_multilingual(n_vocab)
    if not 99 <= n_languages <= len(LANGUAGES):
        raise CheckpointError(
            f"a vocabulary of {n_vocab} tokens is not Whisper's: English-only models have "
            f"{ENGLISH_ONLY_N_VOCAB}, multilingual ones {MULTILINGUAL_N_VOCAB} (99 languages) or "
            f"{MULTILINGUAL_N_VOCAB + 1} (100 languages)"
        )
    return (
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in list(LANGUAGES)[:n_languages]),
        *_AFTER_LANGUAGES,
        *(f"<|{index * TIMESTAMP_STEP_S:.2f}|>" for index in range(N_TIMESTAMPS)),
    )


def special_tokens(n_vocab: int) -> SpecialTokens:
    """Ids of the special tokens of a vocabulary of this size.

    Raises:
        CheckpointError: No published vocabulary has this size.
    """
    names = special_token_names(n_vocab)
    eot = n_vocab - len(names)
    id_of = {name: eot + index for index, name in enumerate(names)}
    codes = [code for code in LANGUAGES if f"<|{code}|>" in id_of]
    return SpecialTokens(
        eot=eot,
        sot=id_of["<|startoftranscript|>"],
        translate=id_of["<|translate|>"],
        transcribe=id_of["<|transcribe|>"],
        sot_lm=id_of["<|startoflm|>"],
        sot_prev=id_of["<|startofprev|>"],
        no_speech=id_of["<|nospeech|>"],
        no_timestamps=id_of["<|notimestamps|>"],
        timestamp_begin=id_of["<|0.00|>"],
        languages={code: id_of[f"<|{code}|>"] for code in codes},
    )


def check_named_tokens(named: Mapping[str, int], n_vocab: int, source: str) -> None:
    """Compare the special tokens that a file names with the layout.

    Names that the layout does not know are let be where their ids lie outside of it: fine-tuned
    checkpoints add tokens of their own.

    Args:
        named: Id by name, as the file has them; text tokens may be among them.
        n_vocab: Rows of the model's token embedding.
        source: What the message calls the file.

    Raises:
        CheckpointError: A token has another id than the layout says, or an id of the layout
            another name. All offenders are listed.
    """
    names = special_token_names(n_vocab)
    eot = n_vocab - len(names)
    id_of = {name: eot + index for index, name in enumerate(names)}
    wrong: list[str] = []
    for given, token in named.items():
        name = _OLD_NAMES.get(given, given)
        if name in id_of and id_of[name] != token:
            wrong.append(f"{given} is {token}, should be {id_of[name]}")
        elif name not in id_of and eot <= token < n_vocab:
            wrong.append(f"{given} is {token}, the id of {names[token - eot]}")
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise CheckpointError(
            f"{source} does not belong to a model of {n_vocab} tokens: {shown}. "
            "Use the tokenizer files of the same checkpoint as the weights."
        )
