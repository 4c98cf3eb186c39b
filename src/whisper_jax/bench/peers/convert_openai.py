"""Write an openai-whisper checkpoint from a CTranslate2 model: ``convert_openai.py FOLDER OUT``.

Runs by itself in openai-whisper's environment: it needs numpy and torch and nothing of this
package. CTranslate2's ``model.bin`` is: version, name, revision and count of variables, then for
each its name, rank, dimensions, type and bytes, then pairs of names that share one variable. All
integers are little-endian; a string is its length with the closing zero byte, then its bytes.
"""

import argparse
import importlib
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

torch: Any = importlib.import_module("torch")

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_FLOATS = (np.dtype(np.float32), np.dtype(np.float16))
_N_AUDIO_CTX = 1500  # encoder positions: 30 s in steps of 20 ms


class _Bytes:
    """A cursor over the bytes of a ``model.bin``."""

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.data, self.position)
        self.position += struct.calcsize("<" + code)
        return value

    def string(self) -> str:
        n_bytes = self.number("H")
        raw = self.data[self.position : self.position + n_bytes]
        self.position += n_bytes
        return raw.rstrip(b"\0").decode()

    def array(self) -> np.ndarray:
        shape = tuple(self.number("I") for _ in range(self.number("B")))
        dtype = np.dtype(_DTYPES[self.number("B")])
        n_bytes = self.number("I")
        flat = np.frombuffer(self.data, dtype, n_bytes // dtype.itemsize, self.position)
        self.position += n_bytes
        return flat.reshape(shape)


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Every variable of a ``model.bin`` by name, aliases included."""
    cursor = _Bytes(path.read_bytes())
    cursor.number("I")
    name = cursor.string()
    if name != "WhisperSpec":
        sys.exit(f"{path} holds a {name}, not a Whisper model")
    cursor.number("I")
    variables: dict[str, np.ndarray] = {}
    for _ in range(cursor.number("I")):
        key = cursor.string()
        variables[key] = cursor.array()
    for _ in range(cursor.number("I")):
        alias, target = cursor.string(), cursor.string()
        variables[alias] = variables[target]
    return variables


def sinusoids(length: int, channels: int) -> Any:
    """The encoder's positions, float32 [length, channels]: sines, then cosines.

    Formula of Vaswani et al. 2017, taken in float64: that, rounded, is what the published
    float16 models hold. What openai-whisper computes in float32 for a model without weights is
    up to 1e-4 away from it.
    """
    rates = np.exp(-np.log(10_000) / (channels // 2 - 1) * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * rates[None, :]
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return torch.from_numpy(table.astype(np.float32))


class _Converter:
    """Moves variables under openai-whisper's names."""

    def __init__(self, variables: dict[str, np.ndarray]):
        self.variables = variables
        self.state: dict[str, Any] = {}

    def tensor(self, key: str) -> Any:
        array = self.variables[key]
        if array.dtype not in _FLOATS:
            sys.exit(f"{key} is {array.dtype}; give a float16 or float32 model")
        return torch.from_numpy(array.copy())

    def linear(self, target: str, source: str) -> None:
        self.state[f"{target}.weight"] = self.tensor(f"{source}/weight")
        self.state[f"{target}.bias"] = self.tensor(f"{source}/bias")

    def norm(self, target: str, source: str) -> None:
        self.state[f"{target}.weight"] = self.tensor(f"{source}/gamma")
        self.state[f"{target}.bias"] = self.tensor(f"{source}/beta")

    def split(self, source: str, targets: list[str]) -> None:
        """A fused projection into its parts; keys have no bias in Whisper, CTranslate2 has 0."""
        weights = self.tensor(f"{source}/weight").chunk(len(targets))
        biases = self.tensor(f"{source}/bias").chunk(len(targets))
        for target, weight, bias in zip(targets, weights, biases, strict=True):
            self.state[f"{target}.weight"] = weight.clone()
            if not target.endswith(".key"):
                self.state[f"{target}.bias"] = bias.clone()
            elif bias.abs().max() != 0:
                sys.exit(f"{source} gives keys a bias, which Whisper does not have")

    def block(self, target: str, source: str, *, cross: bool) -> None:
        own = f"{target}.attn"
        parts = [f"{own}.query", f"{own}.key", f"{own}.value"]
        self.split(f"{source}/self_attention/linear_0", parts)
        self.linear(f"{own}.out", f"{source}/self_attention/linear_1")
        self.norm(f"{target}.attn_ln", f"{source}/self_attention/layer_norm")
        if cross:
            other = f"{target}.cross_attn"
            self.linear(f"{other}.query", f"{source}/attention/linear_0")
            self.split(f"{source}/attention/linear_1", [f"{other}.key", f"{other}.value"])
            self.linear(f"{other}.out", f"{source}/attention/linear_2")
            self.norm(f"{target}.cross_attn_ln", f"{source}/attention/layer_norm")
        self.linear(f"{target}.mlp.0", f"{source}/ffn/linear_0")
        self.linear(f"{target}.mlp.2", f"{source}/ffn/linear_1")
        self.norm(f"{target}.mlp_ln", f"{source}/ffn/layer_norm")


def convert(variables: dict[str, np.ndarray]) -> dict[str, Any]:
    """An openai-whisper checkpoint: its dimensions and its state."""
    converter = _Converter(variables)
    n_vocab, width = variables["decoder/embeddings/weight"].shape
    positions = converter.tensor("decoder/position_encodings/encodings")
    converter.linear("encoder.conv1", "encoder/conv1")
    converter.linear("encoder.conv2", "encoder/conv2")
    converter.state["encoder.positional_embedding"] = sinusoids(_N_AUDIO_CTX, width)
    converter.norm("encoder.ln_post", "encoder/layer_norm")
    embedding = converter.tensor("decoder/embeddings/weight")
    converter.state["decoder.token_embedding.weight"] = embedding
    converter.state["decoder.positional_embedding"] = positions
    converter.norm("decoder.ln", "decoder/layer_norm")
    n_layers = {}
    for side in ("encoder", "decoder"):
        n_layers[side] = _count_layers(variables, side)
        for i in range(n_layers[side]):
            converter.block(f"{side}.blocks.{i}", f"{side}/layer_{i}", cross=side == "decoder")
    n_heads = {side: int(variables[f"{side}/num_heads"]) for side in n_layers}
    dims = {
        "n_mels": variables["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": _N_AUDIO_CTX,
        "n_audio_state": width,
        "n_audio_head": n_heads["encoder"],
        "n_audio_layer": n_layers["encoder"],
        "n_vocab": n_vocab,
        "n_text_ctx": positions.shape[0],
        "n_text_state": width,
        "n_text_head": n_heads["decoder"],
        "n_text_layer": n_layers["decoder"],
    }
    return {"dims": dims, "model_state_dict": converter.state}


def _count_layers(variables: dict[str, np.ndarray], side: str) -> int:
    # Beside layer_0, layer_1 and so on stands the final layer_norm.
    names = {key.split("/")[1] for key in variables if key.startswith(f"{side}/layer_")}
    return len(names - {"layer_norm"})


def main() -> None:
    """Convert as the command line says."""
    parser = argparse.ArgumentParser(description="Convert a CTranslate2 model")
    parser.add_argument("folder", type=Path, help="folder with CTranslate2's model.bin")
    parser.add_argument("out", type=Path, help="the .pt file to write")
    args = parser.parse_args()
    checkpoint = convert(read_ctranslate2(args.folder / "model.bin"))
    torch.save(checkpoint, args.out)


if __name__ == "__main__":
    main()
