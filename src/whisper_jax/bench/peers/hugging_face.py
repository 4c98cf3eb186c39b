"""A model folder as transformers and optimum read it, written from a CTranslate2 model folder.

Weights in safetensors under Hugging Face's names (`checkpoints.safetensors_hf`), and the JSON files
around them: sizes, what generation is told (from CTranslate2's ``config.json``: suppressed tokens,
alignment heads), the log-mel settings, and the tokenizer with its special tokens.
"""

import json
from pathlib import Path
from typing import Any

from whisper_jax.checkpoints import safetensors_hf
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint
from whisper_jax.errors import CheckpointError
from whisper_jax.text.special import is_multilingual, special_tokens

_END = "<|endoftext|>"
_MAX_INITIAL_TIMESTAMP_INDEX = 50  # 1 s, as in openai-whisper


def write_hugging_face(folder: Path, out: Path) -> None:
    """Write the model of a CTranslate2 folder as a Hugging Face folder.

    Args:
        folder: Holds ``model.bin``, ``config.json`` and ``tokenizer.json``.
        out: The folder to write; it must exist.

    Raises:
        CheckpointError: ``folder`` lacks one of these, or they are no Whisper model.
    """
    checkpoint = load_checkpoint(folder)
    try:
        files: dict[str, Any] = {
            "config.json": _config(checkpoint),
            "generation_config.json": _generation_config(checkpoint),
            "preprocessor_config.json": _preprocessor_config(checkpoint.dims.n_mels),
            **_tokenizer_files(folder),
        }
        merges = _merges(files["tokenizer.json"])
    except KeyError as error:
        raise CheckpointError(f"the files in {folder} lack {error}, which peers need") from error
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text(merges, encoding="utf-8")
    safetensors_hf.write(out / "model.safetensors", checkpoint.dims, checkpoint.params)


def _config(checkpoint: Checkpoint) -> dict[str, Any]:
    ids = special_tokens(checkpoint.dims.n_vocab)
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "activation_function": "gelu",
        "scale_embedding": False,
        "tie_word_embeddings": True,
        "dtype": str(checkpoint.params.decoder.embedding.dtype),
        **safetensors_hf.config_of(checkpoint.dims),
        **_ends(ids.eot, ids.sot),
    }


def _generation_config(checkpoint: Checkpoint) -> dict[str, Any]:
    n_vocab = checkpoint.dims.n_vocab
    ids = special_tokens(n_vocab)
    given = _read_object(checkpoint.file.parent / "config.json")
    config: dict[str, Any] = {
        **_ends(ids.eot, ids.sot),
        "suppress_tokens": given["suppress_ids"],
        "begin_suppress_tokens": given["suppress_ids_begin"],
        "max_length": checkpoint.dims.n_text_ctx,
        "max_initial_timestamp_index": _MAX_INITIAL_TIMESTAMP_INDEX,
        "no_timestamps_token_id": ids.no_timestamps,
        "prev_sot_token_id": ids.sot_prev,
        "return_timestamps": False,
        "is_multilingual": is_multilingual(n_vocab),
    }
    if checkpoint.alignment_heads is not None:
        config["alignment_heads"] = checkpoint.alignment_heads
    if is_multilingual(n_vocab):
        config["lang_to_id"] = {f"<|{code}|>": token for code, token in ids.languages.items()}
        config["task_to_id"] = {"transcribe": ids.transcribe, "translate": ids.translate}
    return config


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


def _tokenizer_files(folder: Path) -> dict[str, Any]:
    """``tokenizer.json`` as it is, what older readers want in its place, and its settings."""
    tokenizer = _read_object(folder / "tokenizer.json")
    added, model = tokenizer["added_tokens"], tokenizer["model"]
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
        "vocab.json": model["vocab"],
        "added_tokens.json": {token["content"]: token["id"] for token in added},
    }


def _merges(tokenizer: dict[str, Any]) -> str:
    pairs = (m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"])
    return "\n".join(["#version: 0.2", *pairs, ""])


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read, and peers need it: {error}") from error
