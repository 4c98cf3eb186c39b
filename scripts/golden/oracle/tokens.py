"""Golden tokens: encoding, decoding and special ids of the vocabularies. See make_goldens.py."""

from openai import about, golden_arguments, write_json
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE, get_tokenizer

TEXTS = (
    "",
    " ",
    "   ",
    "\n",
    "a",
    " a",
    "Hello, world!",
    " Hello, world!",
    "Hello, world! ",
    "  two  spaces  ",
    "tab\tand\r\nnewline\n\n",
    "And so, my fellow Americans: ask not what your country can do for you.",
    "it's we're I'll they'd don't I'm you've",
    "IT'S WE'RE I'LL",
    "3.14159 1,000,000 0x7F 10:45 p.m. 1961-01-20",
    "naïve café œuvre",
    "e\u0301 combining accent",
    "Wieso seid ihr alle so sensationsgeil?",
    "Straße, Öl, über, Mädchen",
    "¿Dónde está la biblioteca? ¡Aquí!",
    "Où est-ce qu'il a été, l'été dernier ?",
    "Zażółć gęślą jaźń",
    "Ďáblické ódy příšerně žluťoučký kůň",
    "İstanbul'da ığdır",
    "Tiếng Việt rất đẹp",
    "Привет, как дела?",
    "Γειά σου Κόσμε",
    "שלום עולם",
    "مرحبا بالعالم",
    "سلام دنیا",
    "नमस्ते दुनिया",
    "বাংলা ভাষা",
    "தமிழ் மொழி",
    "สวัสดีชาวโลก",
    "ສະບາຍດີ",
    "မင်္ဂလာပါ",
    "გამარჯობა მსოფლიო",
    "Բարեւ աշխարհ",
    "胡珀是位于美国亚利桑那州亚瓦派县的一个非建制地区。",
    "こんにちは、世界。カタカナ",
    "안녕하세요 세계",
    "ሰላም ልዑል",
    "👋🏽 🌍 👨‍👩‍👧‍👦 🇩🇪",
    "♪ la la la ♪♪♪ [MUSIC] (applause)",
    "<|endoftext|>",
    "<|en|> text <|notimestamps|>",
    "<|0.00|> then <|30.00|>",
    "<| not special |> < | >",
    "\u00a0no-break\u2003em space\u200bzero width",
    "\ufeffbyte order mark",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "!!!???...---___",
)

DECODED = (
    (),
    (50364,),
    (50364, 2425, 11, 1002, 0, 50414),
    (50414, 50414, 440, 917, 13, 50464),
    (50257,),
    (50258, 50259, 50359, 50363),
    (169, 253),  # the first bytes of a character: not UTF-8 by themselves
    (8848,),
)
"""Token ids that are decoded, apart from the encoded texts."""

SPECIAL = [
    "eot",
    "sot",
    "sot_lm",
    "sot_prev",
    "no_speech",
    "no_timestamps",
    "timestamp_begin",
    "transcribe",
    "translate",
]


def main() -> None:
    args = golden_arguments(__doc__.splitlines()[0])
    vocabularies = {
        "multilingual": vocabulary(get_tokenizer(True, num_languages=99)),
        "english": vocabulary(get_tokenizer(False, num_languages=99)),
        # large-v3 has Cantonese too, so every id after the languages is one higher.
        "large-v3": special_ids(get_tokenizer(True, num_languages=100)),
    }
    for name, n_languages in (("multilingual", 99), ("large-v3", 100)):
        vocabularies[name]["sot_sequences"] = sot_sequences(n_languages)
    goldens = {"languages": LANGUAGES, "language_names": TO_LANGUAGE_CODE, **vocabularies}
    write_json(args.data / "tokens.json", {**about(args.command), **goldens})


def vocabulary(tokenizer) -> dict:
    """Everything about one vocabulary: special ids, symbols not spoken, and text both ways."""
    return {
        **special_ids(tokenizer),
        "non_speech_tokens": list(tokenizer.non_speech_tokens),
        "sot_sequence": list(tokenizer.sot_sequence),
        "encoded": [{"text": text, "tokens": encode(tokenizer, text)} for text in TEXTS],
        "decoded": [decoded(tokenizer, ids) for ids in decodable(tokenizer)],
    }


def encode(tokenizer, text: str) -> list[int]:
    """Ordinary text: what looks like a special token is spelt out."""
    return tokenizer.encode(text, disallowed_special=())


def decodable(tokenizer) -> list[tuple[int, ...]]:
    """Token lists that are decoded: those of the texts, and special ones."""
    return [*(tuple(encode(tokenizer, text)) for text in TEXTS), *DECODED]


def decoded(tokenizer, ids: tuple[int, ...]) -> dict:
    """Both of openai-whisper's ways to decode."""
    return {
        "tokens": list(ids),
        "text": tokenizer.decode(ids),
        "text_with_timestamps": tokenizer.decode_with_timestamps(ids),
    }


def special_ids(tokenizer) -> dict:
    """Ids of all special tokens; of the 1501 timestamps the first and the last."""
    last = tokenizer.special_tokens["<|30.00|>"]
    return {
        "n_vocab": tokenizer.encoding.n_vocab,
        "special": {**{name: getattr(tokenizer, name) for name in SPECIAL}, "timestamp_end": last},
        "language_tokens": {
            code: tokenizer.special_tokens[f"<|{code}|>"]
            for code in list(LANGUAGES)[: tokenizer.num_languages]
        },
    }


def sot_sequences(n_languages: int) -> list[dict]:
    """What stands before the first timestamp, for some languages and both tasks."""
    languages = ["en", "de", "zh", "ja", "su", "haw", *(["yue"] if n_languages == 100 else [])]
    return [
        {"language": language, "task": task, "tokens": _sot(language, task, n_languages)}
        for language in languages
        for task in ("transcribe", "translate")
    ]


def _sot(language: str, task: str, n_languages: int) -> list[int]:
    tokenizer = get_tokenizer(True, num_languages=n_languages, language=language, task=task)
    return list(tokenizer.sot_sequence)


if __name__ == "__main__":
    main()
