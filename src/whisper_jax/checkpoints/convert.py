"""A checkpoint of any format, written as a folder that transformers and this package read.

Weights in safetensors under Hugging Face's names (`safetensors_hf`), and the JSON files around
them, as transformers' Whisper classes look for them: sizes, what generation is told, the log-mel
settings, and the tokenizer with its special tokens. What the checkpoint's own files say about
generation is kept; what they do not say follows from its vocabulary.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal, get_args

import jax
import ml_dtypes
import numpy as np
from tokenizers import Tokenizer

from whisper_jax.checkpoints import safetensors_hf
from whisper_jax.checkpoints.load import Checkpoint, read_json
from whisper_jax.checkpoints.names import AnyArray
from whisper_jax.errors import CheckpointError, OptionError
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.params import WhisperParams
from whisper_jax.stored.files import whole_folder
from whisper_jax.text.files import read_text_tokenizer
from whisper_jax.text.special import is_multilingual, special_token_names, special_tokens
from whisper_jax.text.tokenizer import WhisperTokenizer

type StoredType = Literal["float32", "float16", "bfloat16"]
STORED_TYPES: Final[tuple[str, ...]] = get_args(StoredType.__value__)

_END = "<|endoftext|>"
_MAX_INITIAL_TIMESTAMP_INDEX = 50  # 1 s, as in openai-whisper
_CT2_NAMES = {"suppress_ids": "suppress_tokens", "suppress_ids_begin": "begin_suppress_tokens"}


def write_hugging_face(
    checkpoint: Checkpoint, folder: Path, dtype: StoredType | None = None
) -> None:
    """Write a checkpoint as a Hugging Face folder, whole or not at all.

    Args:
        checkpoint: The checkpoint.
        folder: The folder to write; there must be nothing there, or an empty folder.
        dtype: The type of all weights; None leaves each as it is stored (quantised ones are
            float32).

    Raises:
        OptionError: There is no such type, the weights do not fit into it, or something stands at
            ``folder``.
        CheckpointError: The tokenizer's files are missing or damaged.
        OSError: The folder cannot be written.
    """
    if dtype is not None and dtype not in STORED_TYPES:
        raise OptionError(f"no type {dtype!r} to write; there are: {', '.join(STORED_TYPES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder} is there already; give a new folder or delete it first")
    params = checkpoint.params if dtype is None else _cast(checkpoint.params, dtype)
    text = read_text_tokenizer(checkpoint.folder, checkpoint.dims.n_vocab)
    files: dict[str, Any] = {
        "config.json": _config(checkpoint, str(params.decoder.embedding.dtype)),
        "generation_config.json": _generation_config(checkpoint, text),
        "preprocessor_config.json": _preprocessor_config(checkpoint.dims.n_mels),
        **_tokenizer_files(text, checkpoint.dims.n_vocab),
    }
    merges = _merges(files["tokenizer.json"])
    with whole_folder(folder) as part:
        for name, content in files.items():
            indent = 2 if name.endswith("config.json") else None  # a vocabulary is not for reading
            written = json.dumps(content, ensure_ascii=False, indent=indent)
            (part / name).write_text(written + "\n", encoding="utf-8")
        (part / "merges.txt").write_text(merges, encoding="utf-8")
        safetensors_hf.write(part / "model.safetensors", checkpoint.dims, params)


def _cast(params: WhisperParams, dtype: str) -> WhisperParams:
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))

    def cast(array: AnyArray) -> AnyArray:
        with np.errstate(over="ignore"):  # told below
            made = array.astype(kind, copy=False)
        if not np.array_equal(np.isfinite(made), np.isfinite(array)):
            raise OptionError(f"the weights do not fit into {dtype}: take float32 or bfloat16")
        return made

    return jax.tree.map(cast, params)


def _config(checkpoint: Checkpoint, dtype: str) -> dict[str, Any]:
    ids = special_tokens(checkpoint.dims.n_vocab)
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "activation_function": "gelu",
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "dtype": dtype,
        **safetensors_hf.config_of(checkpoint.dims),
        **_ends(ids.eot, ids.sot),
    }


def _generation_config(checkpoint: Checkpoint, text: Tokenizer) -> dict[str, Any]:
    n_vocab = checkpoint.dims.n_vocab
    ids = special_tokens(n_vocab)
    tokenizer = WhisperTokenizer(text, n_vocab)
    never = (ids.sot, ids.translate, ids.transcribe, ids.sot_lm, ids.sot_prev, ids.no_speech)
    config: dict[str, Any] = {
        **_ends(ids.eot, ids.sot),
        "suppress_tokens": [*tokenizer.non_speech_tokens, *never],
        "begin_suppress_tokens": list(tokenizer.blank_tokens),
        "max_length": checkpoint.dims.n_text_ctx,
        "max_initial_timestamp_index": _MAX_INITIAL_TIMESTAMP_INDEX,
        "no_timestamps_token_id": ids.no_timestamps,
        "prev_sot_token_id": ids.sot_prev,
        "return_timestamps": False,
        "is_multilingual": is_multilingual(n_vocab),
    }
    if is_multilingual(n_vocab):
        config["lang_to_id"] = {f"<|{code}|>": token for code, token in ids.languages.items()}
        config["task_to_id"] = {"transcribe": ids.transcribe, "translate": ids.translate}
    heads = checkpoint.alignment_heads or alignment_heads(checkpoint.dims)
    return {**config, **_said_about_generation(checkpoint), "alignment_heads": heads}


def _said_about_generation(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the checkpoint's own files say, under Hugging Face's names."""
    if not checkpoint.has_settings:
        return {}
    folder = checkpoint.file.parent
    config = read_json(folder / "config.json")
    said = {theirs: config[ours] for ours, theirs in _CT2_NAMES.items() if ours in config}
    return said | read_json(folder / "generation_config.json")


def _ends(eot: int, sot: int) -> dict[str, int]:
    return {
        "bos_token_id": eot,
        "eos_token_id": eot,
        "pad_token_id": eot,
        "decoder_start_token_id": sot,
    }


def _preprocessor_config(n_mels: int) -> dict[str, Any]:
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": n_mels,
        "sampling_rate": 16_000,
        "n_fft": 400,
        "hop_length": 160,
        "chunk_length": 30,
        "n_samples": 480_000,
        "nb_max_frames": 3000,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def _tokenizer_files(text: Tokenizer, n_vocab: int) -> dict[str, Any]:
    """``tokenizer.json``, what older readers want in its place, and its settings."""
    ids = special_tokens(n_vocab)
    tokenizer = json.loads(text.to_str())
    vocabulary = tokenizer["model"]["vocab"]
    if len(vocabulary) == ids.eot - 1:
        vocabulary[""] = ids.eot - 1  # the last text token, which some files leave out
    if len(vocabulary) != ids.eot:
        raise CheckpointError(
            f"the tokenizer has {len(vocabulary)} text tokens where the model has {ids.eot}; "
            "transformers cannot use it"
        )
    added = [
        {
            "id": ids.eot + index,
            "content": name,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": ids.eot + index < ids.timestamp_begin,
        }
        for index, name in enumerate(special_token_names(n_vocab))
    ]
    tokenizer["added_tokens"] = added
    settings = {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "add_prefix_space": False,
        "errors": "replace",
        "model_max_length": 1024,
        **dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), _END),
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"}
            for token in added
        },
    }
    return {
        "tokenizer.json": tokenizer,
        "tokenizer_config.json": settings,
        "vocab.json": vocabulary,
        "added_tokens.json": {token["content"]: token["id"] for token in added},
    }


def _merges(tokenizer: dict[str, Any]) -> str:
    pairs = (m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"])
    return "\n".join(["#version: 0.2", *pairs, ""])
