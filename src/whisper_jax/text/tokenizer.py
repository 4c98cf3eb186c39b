"""Text to token ids and back, for every published Whisper vocabulary.

Text is byte-level BPE, done by the ``tokenizers`` library from the checkpoint's own files. The
special tokens are not left to it: their ids come from the layout (`whisper_jax.text.special`), and
text that merely looks like one (``<|endoftext|>``) is encoded letter by letter.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Final, final

from tokenizers import Tokenizer

from whisper_jax.errors import OptionError
from whisper_jax.options import Task
from whisper_jax.text.files import read_text_tokenizer
from whisper_jax.text.languages import LANGUAGES, language_code
from whisper_jax.text.special import (
    N_TIMESTAMPS,
    SpecialTokens,
    is_multilingual,
    special_token_names,
    special_tokens,
)

# What subtitlers write around what is not speech: speaker tags, descriptions of sounds, songs.
_MARKS: Final = (
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("'),
    *("((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"),
)
# Music signs are three bytes each; where one has no token of its own, its first token stands for
# a block of signs (U+2640 to U+267F) none of which is spoken, so that one can be dropped instead.
_MUSIC_SIGNS: Final = "♩♪♫♬♭♮♯"


@final
class WhisperTokenizer:
    """The tokenizer of one checkpoint. Made by `load_tokenizer`.

    Attributes:
        special: Ids of the special tokens.
        n_vocab: Number of token ids, special ones included.
        is_multilingual: False for English-only models, which take neither language nor task.
        languages: Codes of the languages that can be asked for: ``("en",)`` if English-only.
    """

    def __init__(self, text: Tokenizer, n_vocab: int) -> None:
        """Put the special tokens of a vocabulary of this size above a tokenizer for plain text.

        Args:
            text: Byte-level BPE without special tokens: ids from 0 to below ``special.eot``.
            n_vocab: Rows of the model's token embedding.

        Raises:
            CheckpointError: No published vocabulary has this size.
        """
        self._text = text
        self._special_names = special_token_names(n_vocab)
        self.n_vocab = n_vocab
        self.special: SpecialTokens = special_tokens(n_vocab)
        self.is_multilingual = is_multilingual(n_vocab)
        self.languages: tuple[str, ...] = (
            tuple(self.special.languages) if self.is_multilingual else ("en",)
        )

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; never a special token, whatever the text looks like.

        Halves of surrogate pairs, which are not text, become U+FFFD.
        """
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return self._text.encode(whole, add_special_tokens=False).ids

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of the tokens, special ones left out.

        Bytes that are not whole UTF-8 characters become U+FFFD, as in openai-whisper.
        """
        return self._text.decode([token for token in tokens if token < self.special.eot])

    def decode_with_timestamps(self, tokens: Iterable[int]) -> str:
        """The text with all special tokens written out: ``<|0.00|> Hello.<|1.08|>``.

        Raises:
            ValueError: A token is outside of the vocabulary.
        """
        parts: list[str] = []
        for is_special, run in groupby(tokens, key=lambda token: token >= self.special.eot):
            if is_special:
                parts.extend(map(self._name, run))
            else:
                parts.append(self.decode(run))
        return "".join(parts)

    def language_code(self, name_or_code: str) -> str:
        """The code of a language that this checkpoint knows, by code or English name.

        Raises:
            OptionError: There is no such language, or this checkpoint does not know it.
        """
        code = language_code(name_or_code)
        if code in self.languages:
            return code
        name = LANGUAGES[code].capitalize()
        if not self.is_multilingual:
            raise OptionError(
                f"this model knows English only, not {name} ({code!r}); "
                "take a multilingual model (one without '.en' in its name)"
            )
        raise OptionError(
            f"this model knows {len(self.languages)} languages, but not {name} ({code!r}); "
            "take large-v3 or turbo"
        )

    def sot_sequence(
        self, language: str | None = None, task: Task = "transcribe", timestamps: bool = True
    ) -> tuple[int, ...]:
        """The tokens that tell the decoder what to write, after any text of earlier windows.

        ``<|startoftranscript|> <|en|> <|transcribe|> [<|notimestamps|>]``; an English-only model
        takes neither language nor task.

        Args:
            language: Code or English name; None only for an English-only model.
            task: ``transcribe`` or ``translate``.
            timestamps: False adds ``<|notimestamps|>``.

        Raises:
            OptionError: A multilingual model was given no language, or this model knows neither
                the language nor the task.
        """
        code = None if language is None else self.language_code(language)
        end = () if timestamps else (self.special.no_timestamps,)
        if not self.is_multilingual:
            if task != "transcribe":
                raise OptionError("this model knows English only and cannot translate")
            return (self.special.sot, *end)
        if code is None:
            raise OptionError("a multilingual model needs a language: give one or detect it")
        task_token = {"transcribe": self.special.transcribe, "translate": self.special.translate}
        return (self.special.sot, self.special.languages[code], task_token[task], *end)

    def timestamp_token(self, index: int) -> int:
        """The token of the time ``index * 0.02`` s, 0 to 1500.

        Raises:
            ValueError: The index is outside of that range.
        """
        if not 0 <= index < N_TIMESTAMPS:
            raise ValueError(f"timestamp index {index} is not in 0..{N_TIMESTAMPS - 1}")
        return self.special.timestamp_begin + index

    @cached_property
    def blank_tokens(self) -> tuple[int, ...]:
        """What a window must not begin with: a lone space, or its end."""
        return (*self.encode(" "), self.special.eot)

    @cached_property
    def non_speech_tokens(self) -> tuple[int, ...]:
        """Ids, in order, of the text tokens that are written but not spoken.

        openai-whisper's rule: all marks of subtitlers that are one token, with or without a space
        before them; the first token of any music sign; and a dash or quote after a space, which
        opens a speaker's turn, though within a word both are wanted. Commas, full stops, question
        and exclamation marks stay.
        """
        ids = {self.encode(" -")[0], self.encode(" '")[0]}
        for mark in _MARKS:
            ids.update(_only(self.encode(mark)), _only(self.encode(f" {mark}")))
        for sign in _MUSIC_SIGNS:
            ids.update((self.encode(sign)[0], self.encode(f" {sign}")[0]))
        return tuple(sorted(ids))

    def _name(self, token: int) -> str:
        if token >= self.n_vocab:
            raise ValueError(f"token {token} is not in a vocabulary of {self.n_vocab}")
        return self._special_names[token - self.special.eot]


def load_tokenizer(folder: Path | None, n_vocab: int) -> WhisperTokenizer:
    """Read the tokenizer of a checkpoint in Hugging Face's or CTranslate2's layout.

    From ``tokenizer.json`` if it is there, else from ``vocab.json`` and ``merges.txt``. The kind
    of vocabulary (English-only, 99 or 100 languages) follows from its size.

    Args:
        folder: The checkpoint's folder; None for the published tokens, which come with the package:
            OpenAI's own files and ggml files have no tokenizer beside them.
        n_vocab: Rows of the model's token embedding: 51864, 51865 or 51866.

    Raises:
        CheckpointError: Files are missing, cannot be read, or belong to another model.
    """
    return WhisperTokenizer(read_text_tokenizer(folder, n_vocab), n_vocab)


def _only(tokens: Sequence[int]) -> Sequence[int]:
    return tokens if len(tokens) == 1 else ()
