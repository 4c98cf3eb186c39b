"""The tokenizer on cut-down copies of the published vocabularies.

A copy has the published bytes and the published merges, with their ids, that the texts of these
tests need; single characters outside of the byte alphabet stand for all other tokens. The expected
ids were computed by openai-whisper's tokenizer from its own vocabulary files.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from whisper_jax.errors import CheckpointError, OptionError
from whisper_jax.text import WhisperTokenizer, load_tokenizer
from whisper_jax.text.special import special_token_names

MULTILINGUAL_MERGES = r"""
256 Ġ t 257 Ġ a 258 Ġt h 260 e r 261 Ġ w 262 Ġ s 263 o u 264 Ġth e 267 a t 268 e n 269 Ġ c 273 n d
274 Ġ d 275 Ġ m 282 a n 283 Ġ f 284 o r 285 l l 288 Ġ y 291 Ġy ou 297 Ġ n 299 i c 305 o w 310 o t
315 Ġw h 316 Ġ A 333 Ġ Ð 337 Ġf or 348 l d 359 Ġ - 360 Ġd o 370 Ġs o 382 Ġa s 387 Ð µ 393 Ġc an 400
ĠA nd 403 Ñ Ĥ 406 Ġn ot 428 Ġyou r 435 Ð ¸ 437 Ġwh at 452 Ġm y 469 Ġw or 481 Ñ Ģ 503 Ġ " 521 en d
522 Ġ ( 542 Ġ [ 579 Ġf e 580 n t 599 an s 627 r y 672 Ġ â 734 x t 756 ã Ģ 792 ou nt 844 f t 859 Ð ²
873 Ġâ Ļ 893 > > 898 e ll 902 Ġ >> 918 - - 922 Ġ ' 931 ĠâĻ ª 936 m er 1002 Ġwor ld 1029 Ġas k 1084
ĠÐ ¼ 1094 Ðµ ÑĤ 1202 ll ow 1207 Ġc ount 1350 Ġ- - 1555 mer ic 1593 ä ½ 1656 ĠA meric 1853 Ġ * 1881
å ¥ 1941 Ġcount ry 1982 Ġ : 2131 å¥ ½ 2166 ä½ ł 2460 Ġ / 2627 Ġ < 2739 Ð¸ Ð² 3246 ãĢ Į 3253 ãĢ į
3268 â Ļ 3536 Ġ # 3828 e xt 3846 ĠâĻ « 3961 âĻ ª 3999 end o 4183 Ġ ] 4490 Ð¸ ÑĢ 4667 Ġ + 6280
ĠAmeric ans 6585 Ġ = 6647 Ġ- ( 7177 Ġfe llow 7273 Ġ ) 9061 ĠâĻª âĻª 9223 Ð Ł 9383 ) ) 10428 Ġ @
10929 Ġ { 11216 ell o 11938 Ġ ~ 12033 Ġ \ 12331 Ġ > 12562 Ġ ; 13793 Ġ>> > 14157 âĻ « 14635 Ġ- [
15265 Ġ( ( 15618 Ġ( " 15947 H ello 16553 ãĢ İ 16604 ãĢ ı 18362 Ġ | 18956 Ġ ^ 20075 -- - 20536 ĠÐ¼
Ð¸ÑĢ 21675 Ġ ãĢĮ 22520 ĠâĻ ¬ 26130 âĻª âĻª 26161 Ġ _ 26410 ä½ł å¥½ 26435 Ġ) )) 28279 Ġ ` 29464 } }
31259 Ð¸Ð² ÐµÑĤ 31650 ĠâĻªâĻª âĻª 32302 Ġ) ) 32470 Ġ- -- 36865 ĠâĻ © 42863 âĻ ¬ 43971 ÐŁ ÑĢ 47425
Ġ< < 49870 Ġ } 50254 Ġ( '
"""

ENGLISH_MERGES = r"""
256 Ġ t 257 Ġ a 258 h e 262 Ġt he 263 e r 264 Ġ s 265 a t 266 Ġ w 268 e n 269 Ġ c 272 a n 273 o r
277 Ġ f 280 o u 285 Ġ m 288 Ġ d 291 i c 297 l l 299 Ġ n 313 o t 317 Ġ A 322 o w 329 Ġf or 331 Ġ y
335 l d 345 Ġy ou 348 Ġw h 355 Ġa s 357 Ġ ( 358 n d 366 Ġ " 407 Ġn ot 429 n t 437 en d 438 - - 460
Ġc an 466 Ġd o 476 Ġw or 504 an s 523 Ġs o 532 Ġ - 534 Ġyou r 563 r y 608 ou nt 616 Ġm y 644 Ġwh at
647 m er 660 t e 685 Ġ [ 695 e ll 705 Ġ ' 742 x t 796 Ġ = 843 ĠA nd 930 Ġ | 946 mer ic 954 Ġc ount
995 Ġwor ld 1019 ĠA meric 1058 Ġ : 1220 Ġ / 1265 Ġas k 1267 Ġ ) 1279 Ġ < 1303 Ġ # 1343 Ġ + 1377 Ġ
-- 1391 Ġ { 1499 Ġcount ry 1635 Ġ * 1659 o f 1782 Ġ } 1875 Ġ > 2162 Ġ ; 2343 Ġ â 2361 Ġ ] 2488 Ġ @
3214 Ġf ell 3399 ĠAmeric ans 3467 Ġ \ 4008 ) ) 4211 > > 4600 Ġ ` 4808 Ġ _ 5099 ã Ģ 5239 te xt 5299
Ġ ~ 5855 Ġ( " 5891 Ġfell ow 6329 -- - 7203 ( " 9609 Ġ> > 9959 Ġ< < 10563 Ġ ^ 10786 ( ' 11109 ell o
11420 Ġ-- - 11709 } } 11907 ] ] 12466 Ġ Ð 13163 Ġ> >> 13697 ãĢ Į 13700 ãĢ į 14808 Ġ( ( 15306 Ġ) )
15496 H ello 16410 Ġ[ [ 16791 < < 16843 Ð µ 17992 â Ļ 18849 Ð ¸ 19203 Ġ( ' 19510 ( ( 19526 ä ½
20375 Ñ Ĥ 20724 Ġâ Ļ 21169 Ñ Ģ 22305 )) ) 22935 Ġ{ { 25001 å ¥ 27007 { { 30109 [ [ 30420 - ( 33409
>> > 34949 Ġ} } 38857 Ð ² 40283 Ġ ãĢĮ 40493 ãĢ İ 40549 ãĢ ı 47282 Ġ) )) 49146 - [
"""

N_TEXT = {51_864: 50_256, 51_865: 50_257, 51_866: 50_257}


def merges_of(n_vocab: int) -> dict[tuple[str, str], int]:
    words = (ENGLISH_MERGES if n_vocab == 51_864 else MULTILINGUAL_MERGES).split()
    triples = zip(words[::3], words[1::3], words[2::3], strict=True)
    return {(left, right): int(token) for token, left, right in triples}


def vocabulary_of(n_vocab: int) -> dict[str, int]:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())  # their order in GPT-2's vocabulary
    known = {byte: index for index, byte in enumerate(alphabet)}
    known |= {left + right: token for (left, right), token in merges_of(n_vocab).items()}
    taken = set(known.values())
    fillers = (token for token in range(N_TEXT[n_vocab]) if token not in taken)
    return known | {chr(0x10000 + token): token for token in fillers}


def tokenizer_json(n_vocab: int) -> dict:
    names = special_token_names(n_vocab)
    return {
        "added_tokens": [
            {"id": N_TEXT[n_vocab] + index, "content": name} for index, name in enumerate(names)
        ],
        "model": {
            "type": "BPE",
            "vocab": vocabulary_of(n_vocab),
            "merges": [" ".join(merge) for merge in merges_of(n_vocab)],
        },
    }


def write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


def load_changed(folder: Path, n_vocab: int, change) -> WhisperTokenizer:
    data = tokenizer_json(n_vocab)
    change(data)
    write_json(folder / "tokenizer.json", data)
    return load_tokenizer(folder, n_vocab)


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    made: dict[int, WhisperTokenizer] = {}

    def loaded(n_vocab: int) -> WhisperTokenizer:
        if n_vocab not in made:
            folder = tmp_path_factory.mktemp("checkpoint")
            made[n_vocab] = load_changed(folder, n_vocab, lambda data: None)
        return made[n_vocab]

    return loaded


@pytest.mark.parametrize(
    ("n_vocab", "text", "tokens"),
    [
        (51_865, "Hello, world!", [15947, 11, 1002, 0]),
        (51_865, " And so my fellow Americans", [400, 370, 452, 7177, 6280]),
        (51_865, " what your country can do for you", [437, 428, 1941, 393, 360, 337, 291]),
        (51_865, "Привет, мир", [43971, 31259, 11, 20536]),
        (51_865, "你好", [26410]),
        (51_865, " the", [264]),
        (51_864, "Hello, world!", [15496, 11, 995, 0]),
        (51_864, " And so my fellow Americans", [843, 523, 616, 5891, 3399]),
        (51_864, " what your country can do for you", [644, 534, 1499, 460, 466, 329, 345]),
        (51_864, "你好", [19526, 254, 25001, 121]),
        (51_864, " the", [262]),
    ],
)
def test_text_has_the_published_ids(load, n_vocab, text, tokens):
    assert load(n_vocab).encode(text) == tokens
    assert load(n_vocab).decode(tokens) == text


def test_text_that_looks_like_a_special_token_is_plain_text(load):
    assert load(51_865).encode("<|endoftext|>") == [27, 91, 3999, 844, 3828, 91, 29]
    assert load(51_864).encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]


SPECIAL_LOOKING = st.sampled_from(["<|endoftext|>", "<|0.00|>", "<|en|>", "<|", " the", "\n", "ĠÐ"])


@given(parts=st.lists(st.text() | SPECIAL_LOOKING))
def test_encoding_and_decoding_any_text_gives_it_back(load, parts):
    tokenizer = load(51_865)
    text = "".join(parts)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert all(token < tokenizer.special.eot for token in tokens)


def test_half_a_surrogate_pair_becomes_the_replacement_character(load):
    tokenizer = load(51_865)
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


def test_decode_leaves_special_tokens_out(load):
    tokenizer = load(51_865)
    special = tokenizer.special
    around = [special.sot, special.languages["en"], 15947, special.timestamp_begin, 11, special.eot]
    assert tokenizer.decode(around) == "Hello,"


def test_decode_replaces_bytes_that_are_no_character(load):
    # 19526 and 254 are the three bytes of 你; the first holds two of them.
    assert load(51_864).decode([19526, 11]) == "\ufffd,"
    assert load(51_864).decode([254]) == "\ufffd"


def test_decode_with_timestamps_writes_special_tokens_out(load):
    tokenizer = load(51_865)
    begin = tokenizer.special.timestamp_begin
    tokens = [tokenizer.special.sot, begin, 15947, 0, begin + 54, begin + 1500]
    written = tokenizer.decode_with_timestamps(tokens)
    assert written == "<|startoftranscript|><|0.00|>Hello!<|1.08|><|30.00|>"
    with pytest.raises(ValueError, match="token 51865 is not in a vocabulary of 51865"):
        tokenizer.decode_with_timestamps([51_865])


MULTILINGUAL_NON_SPEECH = """
1 2 7 8 9 10 14 25 26 27 28 29 31 58 59 60 61 62 63 90 91 92 93 359 503 522 542 873 893 902 918 922
931 1350 1853 1982 2460 2627 3246 3253 3268 3536 3846 3961 4183 4667 6585 6647 7273 9061 9383 10428
10929 11938 12033 12331 12562 13793 14157 14635 15265 15618 16553 16604 18362 18956 20075 21675
22520 26130 26161 26435 28279 29464 31650 32302 32470 36865 42863 47425 49870 50254
"""
ENGLISH_NON_SPEECH = """
1 2 7 8 9 10 14 25 26 27 28 29 31 58 59 60 61 62 63 90 91 92 93 357 366 438 532 685 705 796 930 1058
1220 1267 1279 1303 1343 1377 1391 1635 1782 1875 2162 2361 2488 3467 4008 4211 4600 4808 5299 5855
6329 7203 9609 9959 10563 10786 11420 11709 11907 13163 13697 13700 14808 15306 16410 16791 17992
19203 19510 20724 22305 22935 27007 30109 30420 33409 34949 40283 40493 40549 47282 49146
"""


@pytest.mark.parametrize(
    ("n_vocab", "expected"),
    [(51_865, MULTILINGUAL_NON_SPEECH), (51_864, ENGLISH_NON_SPEECH)],
)
def test_non_speech_tokens_are_openai_whispers(load, n_vocab, expected):
    assert load(n_vocab).non_speech_tokens == tuple(map(int, expected.split()))


def test_blank_tokens_are_a_space_and_the_end(load):
    assert load(51_865).blank_tokens == (220, 50257)
    assert load(51_864).blank_tokens == (220, 50256)


def test_timestamp_tokens_count_from_the_first(load):
    assert load(51_866).timestamp_token(0) == 50365
    assert load(51_866).timestamp_token(1500) == 51865
    for index in (-1, 1501):
        with pytest.raises(ValueError, match=r"0\.\.1500"):
            load(51_866).timestamp_token(index)


def test_sot_sequence_of_a_multilingual_model(load):
    tokenizer = load(51_865)
    assert tokenizer.sot_sequence("de") == (50258, 50261, 50359)
    assert tokenizer.sot_sequence("German", "translate") == (50258, 50261, 50358)
    assert tokenizer.sot_sequence("su", timestamps=False) == (50258, 50357, 50359, 50363)
    assert load(51_866).sot_sequence("yue") == (50258, 50358, 50360)
    with pytest.raises(OptionError, match="needs a language"):
        tokenizer.sot_sequence(None)


def test_sot_sequence_of_an_english_only_model(load):
    tokenizer = load(51_864)
    assert tokenizer.sot_sequence() == (50257,)
    assert tokenizer.sot_sequence("en", timestamps=False) == (50257, 50362)
    with pytest.raises(OptionError, match="cannot translate"):
        tokenizer.sot_sequence("en", "translate")


def test_a_language_the_checkpoint_lacks_is_refused(load):
    assert load(51_866).language_code("Cantonese") == "yue"
    with pytest.raises(OptionError, match=r"knows 99 languages, but not Cantonese .*large-v3"):
        load(51_865).language_code("yue")
    with pytest.raises(OptionError, match=r"English only, not German .*multilingual model"):
        load(51_864).language_code("de")
    with pytest.raises(OptionError, match="English only, not German"):
        load(51_864).sot_sequence("de")
    assert load(51_864).languages == ("en",)
    assert len(load(51_866).languages) == 100


def test_a_file_without_timestamp_tokens_is_enough(tmp_path):
    def cut(data):
        del data["added_tokens"][107:]

    tokenizer = load_changed(tmp_path, 51_865, cut)
    assert tokenizer.special.timestamp_begin == 50364
    assert tokenizer.decode_with_timestamps([50364]) == "<|0.00|>"


def test_older_names_of_special_tokens_are_known(tmp_path):
    def rename(data):
        for token in data["added_tokens"]:
            older = {"<|nospeech|>": "<|nocaptions|>", "<|he|>": "<|iw|>"}
            token["content"] = older.get(token["content"], token["content"])

    assert load_changed(tmp_path, 51_864, rename).special.no_speech == 50361


def test_a_first_merge_lost_by_an_old_converter_is_put_back(tmp_path, load):
    tokenizer = load_changed(tmp_path, 51_864, lambda data: data["model"]["merges"].pop(0))
    assert tokenizer.encode(" the t") == [262, 256]
    # In its place: before the merge of t and e.
    assert tokenizer.encode(" te") == load(51_864).encode(" te") == [256, 68]


def test_any_other_lost_merge_is_a_damaged_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"lacks the merges that make 1 of its tokens.*damag"):
        load_changed(tmp_path, 51_865, lambda data: data["model"]["merges"].pop())


def test_merges_may_be_pairs(tmp_path):
    def split(data):
        data["model"]["merges"] = [merge.split() for merge in data["model"]["merges"]]

    assert load_changed(tmp_path, 51_865, split).encode(" the") == [264]


def test_slow_files_give_the_same_tokenizer(tmp_path, load):
    write_json(tmp_path / "vocab.json", vocabulary_of(51_865) | {"<|endoftext|>": 50257})
    write_json(tmp_path / "added_tokens.json", {"<|startoftranscript|>": 50258})
    merges = "\n".join(" ".join(merge) for merge in merges_of(51_865))
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
    tokenizer = load_tokenizer(tmp_path, 51_865)
    assert tokenizer.encode("Hello, world! #") == load(51_865).encode("Hello, world! #")
    assert tokenizer.non_speech_tokens == load(51_865).non_speech_tokens


@pytest.mark.parametrize("name", ["vocabulary.txt", "vocabulary.json"])
def test_a_lone_ctranslate2_vocabulary_is_not_enough(tmp_path, name):
    (tmp_path / name).write_text("[]")
    with pytest.raises(CheckpointError, match=rf"{name} but lacks tokenizer\.json"):
        load_tokenizer(tmp_path, 51_865)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"lacks tokenizer\.json \(or vocab\.json with"):
        load_tokenizer(tmp_path, 51_865)
    (tmp_path / "vocab.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"has vocab\.json but lacks merges\.txt"):
        load_tokenizer(tmp_path, 51_865)
    (tmp_path / "vocab.json").rename(tmp_path / "merges.txt")
    with pytest.raises(CheckpointError, match=r"has merges\.txt but lacks vocab\.json"):
        load_tokenizer(tmp_path, 51_865)


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    write_json(tmp_path / "tokenizer.json", tokenizer_json(51_865))
    with pytest.raises(CheckpointError, match=r"endoftext\|> is 50257, should be 50256.* more"):
        load_tokenizer(tmp_path, 51_864)
    with pytest.raises(CheckpointError, match=r"translate\|> is 50358, should be 50359"):
        load_tokenizer(tmp_path, 51_866)


def test_a_stranger_among_the_special_tokens_is_refused(tmp_path):
    def replace(data):
        data["added_tokens"] = [{"id": 50257, "content": "<pad>"}]

    with pytest.raises(CheckpointError, match=r"<pad> is 50257, the id of <\|endoftext\|>"):
        load_changed(tmp_path, 51_865, replace)


def test_a_token_added_above_the_vocabulary_is_let_be(tmp_path):
    def add(data):
        data["added_tokens"].append({"id": 51_865, "content": "<mine>"})

    assert load_changed(tmp_path, 51_865, add).n_vocab == 51_865


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ("{}", "KeyError 'model'"),
        ('{"model": []}', "not a tokenizer file"),
        ('{"model": {"type": "Unigram"}}', "Unigram"),
        ('{"model": {"vocab": {}, "merges": ["abc"]}, "added_tokens": []}', "two tokens"),
        ('{"model": {"vocab": {"a": 0}, "merges": []}, "added_tokens": []}', "1 text tokens"),
    ],
)
def test_a_damaged_tokenizer_json_is_named(tmp_path, content, message):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tokenizer(tmp_path, 51_865)
    assert "tokenizer.json" in str(caught.value)
