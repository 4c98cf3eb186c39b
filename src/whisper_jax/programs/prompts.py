"""What a window is told before it is decoded: hotwords, the initial prompt, the text so far.

The decoder's context has 448 positions. Half of it, less one, is for what stands before a window,
as in openai-whisper; the rest is for the tokens that say what to write, and for the answer. All
that is told shares these 223 tokens, in order of its right to them:

1. the prefix, which is the answer's own beginning and at most half of them;
2. the hotwords, cut at their end to at most half of what is left;
3. the initial prompt, where it is carried to every window, cut at its beginning;
4. the text so far, cut at its beginning.
"""

from collections.abc import Sequence

from whisper_jax.options import TranscribeOptions
from whisper_jax.text import WhisperTokenizer

N_TEXT_CTX = 448
"""Positions of the decoder's context, in all published models."""
MAX_PROMPT_TOKENS = N_TEXT_CTX // 2 - 1
"""Most tokens that a window is told before ``<|startoftranscript|>``, and as its prefix."""
MAX_PREFIX_TOKENS = MAX_PROMPT_TOKENS // 2
"""Most tokens of a prefix."""


class Context:
    """The text so far of one program, and what else its windows are told.

    Args:
        tokenizer: The model's.
        options: Hotwords, the initial prompt, and whether it is carried.
    """

    def __init__(self, tokenizer: WhisperTokenizer, options: TranscribeOptions) -> None:
        initial = options.initial_prompt
        if isinstance(initial, str):
            initial = _words(tokenizer, initial)
        self._hotwords = _words(tokenizer, options.hotwords)
        self._carried = (initial or ()) if options.carry_initial_prompt else ()
        self._text: list[int] = [] if options.carry_initial_prompt else [*(initial or ())]

    def add(self, tokens: tuple[int, ...]) -> None:
        """Remember the text of a segment."""
        self._text = [*_last(self._text, MAX_PROMPT_TOKENS), *tokens]

    def forget(self) -> None:
        """Tell the next windows nothing of the text so far."""
        self._text.clear()

    def before(self, n_prefix: int, most_text: int = MAX_PROMPT_TOKENS) -> tuple[int, ...]:
        """The tokens to be told, without ``<|startofprev|>``.

        Args:
            n_prefix: Tokens of the window's prefix.
            most_text: Most tokens of the text so far.
        """
        room = MAX_PROMPT_TOKENS - n_prefix
        hotwords = self._hotwords[: room // 2]
        carried = _last(self._carried, room - len(hotwords))
        n_text = min(most_text, room - len(hotwords) - len(carried))
        return (*hotwords, *carried, *_last(self._text, n_text))


def prefix_tokens(tokenizer: WhisperTokenizer, options: TranscribeOptions) -> tuple[int, ...]:
    """How the recording's first answer begins: at 0.00 s, unless times are not asked for."""
    words = _words(tokenizer, options.prefix)
    if not words or options.without_timestamps:
        return words
    return (tokenizer.special.timestamp_begin, *words)


def _words(tokenizer: WhisperTokenizer, text: str | None) -> tuple[int, ...]:
    """Tokens of a text as they are within a sentence: with a space before the first word."""
    stripped = (text or "").strip()
    return tuple(tokenizer.encode(f" {stripped}")) if stripped else ()


def _last(tokens: Sequence[int], n: int) -> Sequence[int]:
    return tokens[max(0, len(tokens) - n) :]
