"""A model file as whisper.cpp reads it, written from a CTranslate2 model folder.

The file, all little-endian, as whisper.cpp's own ``models/convert-pt-to-ggml.py`` writes it::

    i32 magic, then eleven i32: n_vocab, n_audio_ctx, n_audio_state, n_audio_head, n_audio_layer,
        n_text_ctx, n_text_state, n_text_head, n_text_layer, n_mels, 1 for float16
    i32 rows, i32 columns, then that many f32: the mel filters, [n_mels, 201]
    i32 count, then that many text tokens: i32 length, the bytes
    until the end, arrays: i32 rank, i32 length of the name, i32 type, i32 × rank shape from the
        last dimension to the first, the name, the numbers

Type 0 is float32, type 1 float16. Matrices are float16; vectors and both tables of positions are
float32, and the biases of the convolutions are columns. Names are openai-whisper's.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray
from tokenizers import pre_tokenizers

from whisper_jax.audio.mel import mel_filters
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint
from whisper_jax.checkpoints.safetensors_hf import to_arrays
from whisper_jax.model.dims import ModelDims
from whisper_jax.text.files import read_text_tokenizer
from whisper_jax.text.special import special_tokens

_MAGIC = 0x67676D6C  # "ggml"
_FLOAT32, _FLOAT16 = 0, 1

_RENAMED = (
    ("model.", ""),
    (".layers.", ".blocks."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
    (".final_layer_norm.", ".mlp_ln."),
    (".self_attn_layer_norm.", ".attn_ln."),
    (".encoder_attn_layer_norm.", ".cross_attn_ln."),
    (".self_attn.", ".attn."),
    (".encoder_attn.", ".cross_attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
    (".embed_tokens.", ".token_embedding."),
    (".embed_positions.weight", ".positional_embedding"),
)
"""Parts of Hugging Face's names, in this order, and openai-whisper's for them."""


def write_ggml(folder: Path, out: Path) -> None:
    """Write the model of a CTranslate2 folder as a ggml file in float16.

    Args:
        folder: Holds ``model.bin`` and the tokenizer's files.
        out: The file to write.

    Raises:
        CheckpointError: ``folder`` holds no Whisper model.
    """
    checkpoint = load_checkpoint(folder)
    with out.open("wb") as file:
        file.write(_header(checkpoint.dims))
        _write_filters(file, checkpoint.dims.n_mels)
        _write_tokens(file, text_tokens(checkpoint))
        for name, array in to_arrays(checkpoint.dims, checkpoint.params).items():
            _write_array(file, openai_name(name), array)


def openai_name(name: str) -> str:
    """openai-whisper's name of an array that Hugging Face calls ``name``."""
    for theirs, openai in _RENAMED:
        name = name.replace(theirs, openai)
    return name


def text_tokens(checkpoint: Checkpoint) -> Iterator[bytes]:
    """The bytes of each text token, in the order of their ids.

    whisper.cpp numbers them as they come, and makes up the special ones from the vocabulary's size.
    """
    n_vocab = checkpoint.dims.n_vocab
    tokenizer = read_text_tokenizer(checkpoint.folder, n_vocab)
    byte_of = _byte_alphabet()
    for token in range(special_tokens(n_vocab).eot):
        letters = tokenizer.id_to_token(token) or ""  # the last, empty one may be left out
        yield bytes(byte_of[letter] for letter in letters)


def _byte_alphabet() -> dict[str, int]:
    """Which byte each letter of a byte-level vocabulary stands for.

    Printable bytes stand for themselves, and the others, in order, are the letters from U+0100 on
    (Radford et al. 2019, GPT-2).
    """
    letters = set(pre_tokenizers.ByteLevel.alphabet())
    own = {letter: ord(letter) for letter in letters if ord(letter) < 256}
    others = sorted(set(range(256)) - set(own.values()))
    return own | {chr(256 + place): byte for place, byte in enumerate(others)}


def _header(dims: ModelDims) -> bytes:
    return struct.pack(
        "<12i",
        _MAGIC,
        dims.n_vocab,
        dims.n_audio_ctx,
        dims.n_audio_state,
        dims.n_audio_head,
        dims.n_audio_layer,
        dims.n_text_ctx,
        dims.n_text_state,
        dims.n_text_head,
        dims.n_text_layer,
        dims.n_mels,
        _FLOAT16,
    )


def _write_filters(file: BinaryIO, n_mels: int) -> None:
    filters = mel_filters(n_mels).T
    file.write(struct.pack("<2i", *filters.shape))
    file.write(filters.astype("<f4").tobytes())


def _write_tokens(file: BinaryIO, tokens: Iterable[bytes]) -> None:
    all_tokens = list(tokens)
    file.write(struct.pack("<i", len(all_tokens)))
    for token in all_tokens:
        file.write(struct.pack("<i", len(token)) + token)


def _write_array(file: BinaryIO, name: str, array: NDArray[Any]) -> None:
    if name.startswith("encoder.conv") and name.endswith(".bias"):
        array = array[:, None]
    is_matrix = array.ndim > 1 and not name.endswith((".bias", "positional_embedding"))
    raw = array.astype("<f2" if is_matrix else "<f4").tobytes()
    encoded = name.encode()
    numbers = (array.ndim, len(encoded), _FLOAT16 if is_matrix else _FLOAT32, *array.shape[::-1])
    file.write(struct.pack(f"<{len(numbers)}i", *numbers) + encoded + raw)
