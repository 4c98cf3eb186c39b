"""Options held against the model that is to honour them."""

from dataclasses import replace

from whisper_jax.errors import OptionError
from whisper_jax.options import AUTO, TranscribeOptions
from whisper_jax.programs.prompts import MAX_PREFIX_TOKENS, prefix_tokens
from whisper_jax.text import WhisperTokenizer
from whisper_jax.text.chinese import chinese_converter


def check_options(tokenizer: WhisperTokenizer, options: TranscribeOptions) -> TranscribeOptions:
    """The options, with the language as a code, if this model can honour them.

    A model that knows English only is never asked which language it hears: its language is ``en``
    where none or ``auto`` is given.

    Raises:
        OptionError: The model knows neither the language nor the task, a token id is none of its
            vocabulary, the prefix is too long, or the package that converts Chinese is missing.
    """
    language = options.language
    if language not in (None, AUTO):
        language = tokenizer.language_code(language)
    if not tokenizer.is_multilingual and language in (None, AUTO):
        language = "en"
    tokenizer.sot_sequence(tokenizer.languages[0], options.task)
    _check_ids("suppress_tokens", options.suppress_tokens, -1, tokenizer.n_vocab)
    if isinstance(options.initial_prompt, tuple):
        _check_ids("initial_prompt", options.initial_prompt, 0, tokenizer.n_vocab)
    n_prefix = len(prefix_tokens(tokenizer, options))
    if n_prefix > MAX_PREFIX_TOKENS:
        raise OptionError(f"prefix has {n_prefix} tokens; give at most {MAX_PREFIX_TOKENS}")
    if options.chinese_script is not None:
        chinese_converter(options.chinese_script)
    return replace(options, language=language)


def _check_ids(name: str, ids: tuple[int, ...], lowest: int, n_vocab: int) -> None:
    wrong = [token for token in ids if not lowest <= token < n_vocab]
    if wrong:
        raise OptionError(f"{name} has {wrong}; token ids are {lowest} to {n_vocab - 1}")
