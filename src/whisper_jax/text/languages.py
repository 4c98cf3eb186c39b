"""The languages Whisper was trained on, by code and by name.

The order is that of the language tokens in every published vocabulary, so position is meaning:
``<|en|>`` comes first after ``<|startoftranscript|>``, and ``yue`` is only in vocabularies of 100
languages (large-v3 and later). Codes and names are openai-whisper's, whose transcripts and
command line users already know.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from whisper_jax.errors import OptionError

LANGUAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "english",
        "zh": "chinese",
        "de": "german",
        "es": "spanish",
        "ru": "russian",
        "ko": "korean",
        "fr": "french",
        "ja": "japanese",
        "pt": "portuguese",
        "tr": "turkish",
        "pl": "polish",
        "ca": "catalan",
        "nl": "dutch",
        "ar": "arabic",
        "sv": "swedish",
        "it": "italian",
        "id": "indonesian",
        "hi": "hindi",
        "fi": "finnish",
        "vi": "vietnamese",
        "he": "hebrew",
        "uk": "ukrainian",
        "el": "greek",
        "ms": "malay",
        "cs": "czech",
        "ro": "romanian",
        "da": "danish",
        "hu": "hungarian",
        "ta": "tamil",
        "no": "norwegian",
        "th": "thai",
        "ur": "urdu",
        "hr": "croatian",
        "bg": "bulgarian",
        "lt": "lithuanian",
        "la": "latin",
        "mi": "maori",
        "ml": "malayalam",
        "cy": "welsh",
        "sk": "slovak",
        "te": "telugu",
        "fa": "persian",
        "lv": "latvian",
        "bn": "bengali",
        "sr": "serbian",
        "az": "azerbaijani",
        "sl": "slovenian",
        "kn": "kannada",
        "et": "estonian",
        "mk": "macedonian",
        "br": "breton",
        "eu": "basque",
        "is": "icelandic",
        "hy": "armenian",
        "ne": "nepali",
        "mn": "mongolian",
        "bs": "bosnian",
        "kk": "kazakh",
        "sq": "albanian",
        "sw": "swahili",
        "gl": "galician",
        "mr": "marathi",
        "pa": "punjabi",
        "si": "sinhala",
        "km": "khmer",
        "sn": "shona",
        "yo": "yoruba",
        "so": "somali",
        "af": "afrikaans",
        "oc": "occitan",
        "ka": "georgian",
        "be": "belarusian",
        "tg": "tajik",
        "sd": "sindhi",
        "gu": "gujarati",
        "am": "amharic",
        "yi": "yiddish",
        "lo": "lao",
        "uz": "uzbek",
        "fo": "faroese",
        "ht": "haitian creole",
        "ps": "pashto",
        "tk": "turkmen",
        "nn": "nynorsk",
        "mt": "maltese",
        "sa": "sanskrit",
        "lb": "luxembourgish",
        "my": "myanmar",
        "bo": "tibetan",
        "tl": "tagalog",
        "mg": "malagasy",
        "as": "assamese",
        "tt": "tatar",
        "haw": "hawaiian",
        "ln": "lingala",
        "ha": "hausa",
        "ba": "bashkir",
        "jw": "javanese",
        "su": "sundanese",
        "yue": "cantonese",
    }
)
"""English name of each language by its code, in the order of the language tokens."""

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "burmese": "my",
        "castilian": "es",
        "flemish": "nl",
        "haitian": "ht",
        "letzeburgesch": "lb",
        "mandarin": "zh",
        "moldavian": "ro",
        "moldovan": "ro",
        "panjabi": "pa",
        "pushto": "ps",
        "sinhalese": "si",
        "valencian": "ca",
    }
)
"""Further English names and the codes they stand for."""

_CODE_OF_NAME: Final = {name: code for code, name in LANGUAGES.items()} | dict(ALIASES)


def language_code(name_or_code: str) -> str:
    """The code of a language given by code (``de``) or English name (``German``), in any case.

    Raises:
        OptionError: There is no such language; the message offers the closest names.
    """
    wanted = name_or_code.strip().lower()
    if wanted in LANGUAGES:
        return wanted
    if wanted in _CODE_OF_NAME:
        return _CODE_OF_NAME[wanted]
    raise OptionError(f"no language {name_or_code!r}; {_suggestion(wanted)}")


def _suggestion(wanted: str) -> str:
    # Tags of a region or script (pt-BR, zh_Hant) are common; Whisper knows the language alone.
    primary = wanted.replace("_", "-").partition("-")[0]
    if primary in LANGUAGES:
        return f"use {primary!r} ({LANGUAGES[primary]}) for all its regions and scripts"
    close = difflib.get_close_matches(wanted, [*_CODE_OF_NAME, *LANGUAGES], n=3)
    if close:
        choices = (f"{word!r} ({_CODE_OF_NAME.get(word) or LANGUAGES[word]})" for word in close)
        return f"did you mean {' or '.join(choices)}?"
    return "give a code such as 'en' or an English name such as 'german'"
