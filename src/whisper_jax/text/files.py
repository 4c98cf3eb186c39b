"""A checkpoint's own tokenizer files, read and checked."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from whisper_jax.errors import CheckpointError
from whisper_jax.stored.files import cache_folder, mark_used, trim, write_whole
from whisper_jax.text.published import published_vocabulary
from whisper_jax.text.special import check_named_tokens, special_tokens

_KEPT_FORMAT = 1
_MOST_KEPT_BYTES = 20_000_000
"""Twenty vocabularies."""

type _Vocabulary = dict[str, int]
type _Merges = list[tuple[str, str]]


def has_tokenizer(folder: Path) -> bool:
    """True if a folder has the files that `read_text_tokenizer` needs."""
    return (folder / "tokenizer.json").is_file() or all(
        (folder / name).is_file() for name in ("vocab.json", "merges.txt")
    )


def read_text_tokenizer(folder: Path | None, n_vocab: int) -> Tokenizer:
    """The part of a checkpoint's tokenizer that does plain text, without special tokens.

    From ``tokenizer.json`` if it is there, else from ``vocab.json`` and ``merges.txt`` (with
    ``added_tokens.json`` if that is there too). The special tokens that the files name are
    compared with the layout and then left out.

    Args:
        folder: The checkpoint's folder; None for the published tokens (`published_vocabulary`).
        n_vocab: Rows of the model's token embedding: 51864, 51865 or 51866.

    Raises:
        CheckpointError: Files are missing, cannot be read, or belong to another model.
    """
    if folder is None:
        return _byte_level_bpe(*published_vocabulary(n_vocab), Path("published tokens"))
    kept = _kept_file(folder, n_vocab)
    found = None if kept is None else _read_kept(kept)
    if found is not None:
        return _byte_level_bpe(*found, folder)
    vocabulary, merges, source = _read_checked(folder, n_vocab)
    tokenizer = _byte_level_bpe(vocabulary, merges, source)
    if kept is not None:
        _keep(kept, vocabulary, merges)
    return tokenizer


def _read_checked(folder: Path, n_vocab: int) -> tuple[_Vocabulary, _Merges, Path]:
    """Text tokens and merges, and the file they come from."""
    source = folder / "tokenizer.json"
    if source.is_file():
        vocabulary, merges, named = _read_tokenizer_json(source)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        source = folder / "vocab.json"
        vocabulary, merges, named = _read_vocab_and_merges(folder)
    else:
        raise CheckpointError(_missing_message(folder))

    check_named_tokens(vocabulary | named, n_vocab, str(source))
    eot = special_tokens(n_vocab).eot
    text_vocabulary = {token: index for token, index in vocabulary.items() if index < eot}
    # The last text token of multilingual vocabularies is the empty string: it may be left out.
    if eot - len(set(text_vocabulary.values())) > 1:
        raise CheckpointError(
            f"{source} holds {len(text_vocabulary)} text tokens; a model of {n_vocab} tokens has "
            f"{eot}. The file is damaged or belongs to another model: fetch it anew."
        )
    return text_vocabulary, _whole_merges(text_vocabulary, merges, source), source


def _kept_file(folder: Path, n_vocab: int) -> Path | None:
    """Where what was read and checked is kept: that is a fifth of the work the next time."""
    try:
        files = [
            (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns)
            for name in ("tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json")
            if (path := folder / name).is_file()
        ]
    except OSError:
        return None
    key = hashlib.sha256(repr((_KEPT_FORMAT, files, n_vocab)).encode()).hexdigest()
    return cache_folder() / "tokenizers" / key


def _read_kept(path: Path) -> tuple[_Vocabulary, _Merges] | None:
    """Tokens in the order of their ids, and merges; None if they are not kept, or damaged."""
    try:
        # Three long texts: a list of fifty thousand short ones takes JSON several times as long.
        tokens, left, right = json.loads(path.read_bytes())
        merges = list(zip(left.split("\n"), right.split("\n"), strict=True))
    except (OSError, ValueError, AttributeError):
        return None
    mark_used(path)
    return {token: index for index, token in enumerate(tokens.split("\n"))}, merges


def _keep(path: Path, vocabulary: _Vocabulary, merges: _Merges) -> None:
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    left, right = [merge[0] for merge in merges], [merge[1] for merge in merges]
    is_plain = all(vocabulary[token] == index for index, token in enumerate(tokens))
    if not is_plain or any("\n" in token for token in tokens):
        return
    content = json.dumps(["\n".join(part) for part in (tokens, left, right)])
    with suppress(OSError):
        write_whole(path, [content.encode()])
        trim(path.parent, _MOST_KEPT_BYTES)


def _whole_merges(vocabulary: _Vocabulary, merges: _Merges, source: Path) -> _Merges:
    """The merges, with what an old converter lost put back.

    In many published tokenizer.json files the first merge (space and t) is missing: it was taken
    for the header line of merges.txt. Without it " the" is cut into " " and "the", which the
    model never saw. Each merge makes one token, and tokens are numbered in the order of their
    merges, so the place of a lost one is known; for a token of two bytes so are its parts.
    """
    made = {left + right for left, right in merges}
    lost = [token for token in vocabulary if len(token) > 1 and token not in made]
    if not lost:
        return merges
    if any(len(token) > 2 for token in lost):
        raise CheckpointError(
            f"{source} lacks the merges that make {len(lost)} of its tokens (such as {lost[-1]!r}):"
            " the file is damaged; fetch it anew"
        )
    restored = [*merges, *((token[0], token[1]) for token in lost)]
    return sorted(restored, key=lambda merge: vocabulary.get(merge[0] + merge[1], 0))


def _byte_level_bpe(vocabulary: _Vocabulary, merges: _Merges, source: Path) -> Tokenizer:
    try:
        model = models.BPE(vocab=vocabulary, merges=merges)
    except Exception as error:  # the library raises nothing more specific
        raise CheckpointError(f"{source}: merges and vocabulary do not fit: {error}") from error
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _read_tokenizer_json(path: Path) -> tuple[_Vocabulary, _Merges, _Vocabulary]:
    data = _read_json_object(path)
    try:
        model = data["model"]
        if model.get("type", "BPE") != "BPE":
            raise CheckpointError(f"{path} is a {model['type']} tokenizer; Whisper's are BPE")
        vocabulary = cast("_Vocabulary", dict(model["vocab"]))
        merges = [_merge(merge) for merge in model["merges"]]
        named = {str(token["content"]): int(token["id"]) for token in data["added_tokens"]}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is not a tokenizer file as Hugging Face's tokenizers library writes it: "
            f"{type(error).__name__} {error}"
        ) from error
    return vocabulary, merges, named


def _read_vocab_and_merges(folder: Path) -> tuple[_Vocabulary, _Merges, _Vocabulary]:
    vocabulary = cast("_Vocabulary", _read_json_object(folder / "vocab.json"))
    added = folder / "added_tokens.json"
    named = cast("_Vocabulary", _read_json_object(added)) if added.is_file() else {}
    lines = _read_text(folder / "merges.txt").split("\n")
    if lines[0].startswith("#version"):
        lines = lines[1:]
    try:
        merges = [_merge(line) for line in lines if line]
    except ValueError as error:
        raise CheckpointError(f"{folder / 'merges.txt'}: {error}") from error
    return vocabulary, merges, named


def _merge(merge: str | list[str]) -> tuple[str, str]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if len(parts) != 2:
        raise ValueError(f"a merge is two tokens, not {merge!r}")
    return parts[0], parts[1]


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); fetch it anew") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} holds no JSON object; fetch it anew")
    return cast("dict[str, Any]", data)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _missing_message(folder: Path) -> str:
    needed = "tokenizer.json (or vocab.json with merges.txt)"
    lists = [name for name in ("vocabulary.json", "vocabulary.txt") if (folder / name).is_file()]
    if lists:
        return (
            f"{folder} has {lists[0]} but lacks {needed}: a list of tokens does not say how text "
            "is cut into them. Copy tokenizer.json from the model that was converted."
        )
    if (folder / "vocab.json").is_file():
        return f"{folder} has vocab.json but lacks merges.txt: copy it from the same checkpoint."
    if (folder / "merges.txt").is_file():
        return f"{folder} has merges.txt but lacks vocab.json: copy it from the same checkpoint."
    return f"{folder} lacks {needed}: copy it from the model that was converted."
