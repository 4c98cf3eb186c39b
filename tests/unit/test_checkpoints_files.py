"""Small random checkpoints in both formats, written without the package, and read by it."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from whisper_jax.checkpoints import load_checkpoint
from whisper_jax.checkpoints.load import Checkpoint
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import is_leaf, spec

DIMS = ModelDims(
    n_mels=4,
    n_audio_ctx=6,
    n_audio_state=8,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=11,
    n_text_ctx=5,
    n_text_state=8,
    n_text_head=2,
    n_text_layer=1,
)
CONFIG = {
    "model_type": "whisper",
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "num_mel_bins": 4,
    "max_source_positions": 6,
    "max_target_positions": 5,
    "vocab_size": 11,
}
Arrays = dict[str, np.ndarray]

CT2_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
CT2_SCALARS: Arrays = {
    "decoder/activation": np.array(3, np.int8),
    "decoder/alibi": np.array(0, np.int8),
    "decoder/num_heads": np.array(2, np.int16),
    "decoder/pre_norm": np.array(1, np.int8),
    "encoder/num_heads": np.array(2, np.int16),
}


def sinusoids() -> np.ndarray:
    """The first angle turns by 1 a position, the last by 1/10000 (width 8: four angles)."""
    angles = np.outer(np.arange(6), 10000.0 ** -(np.arange(4) / 3))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def random_hf(seed: int = 0, dtype: Any = np.float32) -> Arrays:
    """A checkpoint under Hugging Face's names."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}

    def put(name: str, *shape: int) -> None:
        arrays[name] = rng.standard_normal(shape).astype(dtype)

    def attention(name: str) -> None:
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            put(f"{name}.{part}.weight", 8, 8)
            if part != "k_proj":
                put(f"{name}.{part}.bias", 8)

    def norm(name: str) -> None:
        put(f"{name}.weight", 8)
        put(f"{name}.bias", 8)

    def layer(name: str) -> None:
        attention(f"{name}.self_attn")
        norm(f"{name}.self_attn_layer_norm")
        put(f"{name}.fc1.weight", 32, 8)
        put(f"{name}.fc1.bias", 32)
        put(f"{name}.fc2.weight", 8, 32)
        put(f"{name}.fc2.bias", 8)
        norm(f"{name}.final_layer_norm")

    put("model.encoder.conv1.weight", 8, 4, 3)
    put("model.encoder.conv1.bias", 8)
    put("model.encoder.conv2.weight", 8, 8, 3)
    put("model.encoder.conv2.bias", 8)
    arrays["model.encoder.embed_positions.weight"] = sinusoids().astype(dtype)
    for i in range(2):
        layer(f"model.encoder.layers.{i}")
    norm("model.encoder.layer_norm")
    put("model.decoder.embed_tokens.weight", 11, 8)
    put("model.decoder.embed_positions.weight", 5, 8)
    layer("model.decoder.layers.0")
    attention("model.decoder.layers.0.encoder_attn")
    norm("model.decoder.layers.0.encoder_attn_layer_norm")
    norm("model.decoder.layer_norm")
    return arrays


def to_ct2(hf: Arrays) -> Arrays:
    """The same arrays as CTranslate2's converter arranges them."""
    arrays: Arrays = {}

    def copy(theirs: str, name: str, *suffixes: str) -> None:
        for suffix, new in zip(("weight", "bias"), suffixes, strict=True):
            arrays[f"{theirs}/{new}"] = hf[f"{name}.{suffix}"]

    def fused(theirs: str, name: str, *parts: str) -> None:
        arrays[f"{theirs}/weight"] = np.concatenate([hf[f"{name}.{p}.weight"] for p in parts])
        zeros = np.zeros_like(hf[f"{name}.q_proj.bias"])
        arrays[f"{theirs}/bias"] = np.concatenate(
            [hf.get(f"{name}.{p}.bias", zeros) for p in parts]
        )

    def layer(theirs: str, name: str) -> None:
        fused(
            f"{theirs}/self_attention/linear_0", f"{name}.self_attn", "q_proj", "k_proj", "v_proj"
        )
        copy(f"{theirs}/self_attention/linear_1", f"{name}.self_attn.out_proj", "weight", "bias")
        copy(f"{theirs}/self_attention/layer_norm", f"{name}.self_attn_layer_norm", "gamma", "beta")
        copy(f"{theirs}/ffn/linear_0", f"{name}.fc1", "weight", "bias")
        copy(f"{theirs}/ffn/linear_1", f"{name}.fc2", "weight", "bias")
        copy(f"{theirs}/ffn/layer_norm", f"{name}.final_layer_norm", "gamma", "beta")

    def n_layers(side: str) -> int:
        return sum(f"model.{side}.layers.{i}.fc1.bias" in hf for i in range(len(hf)))

    for conv in ("conv1", "conv2"):
        copy(f"encoder/{conv}", f"model.encoder.{conv}", "weight", "bias")
    arrays["encoder/position_encodings/encodings"] = hf["model.encoder.embed_positions.weight"]
    for i in range(n_layers("encoder")):
        layer(f"encoder/layer_{i}", f"model.encoder.layers.{i}")
    copy("encoder/layer_norm", "model.encoder.layer_norm", "gamma", "beta")
    arrays["decoder/embeddings/weight"] = hf["model.decoder.embed_tokens.weight"]
    arrays["decoder/position_encodings/encodings"] = hf["model.decoder.embed_positions.weight"]
    for i in range(n_layers("decoder")):
        layer(f"decoder/layer_{i}", f"model.decoder.layers.{i}")
        cross, name = f"decoder/layer_{i}/attention", f"model.decoder.layers.{i}.encoder_attn"
        copy(f"{cross}/linear_0", f"{name}.q_proj", "weight", "bias")
        fused(f"{cross}/linear_1", name, "k_proj", "v_proj")
        copy(f"{cross}/linear_2", f"{name}.out_proj", "weight", "bias")
        copy(f"{cross}/layer_norm", f"{name}_layer_norm", "gamma", "beta")
    copy("decoder/layer_norm", "model.decoder.layer_norm", "gamma", "beta")
    return arrays


def ct2_bytes(
    variables: Mapping[str, np.ndarray] | list[tuple[str, np.ndarray]],
    aliases: Mapping[str, str] | None = None,
    *,
    version: int = 6,
    specification: str = "WhisperSpec",
) -> bytes:
    """A ``model.bin``."""

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    pairs = list(variables.items()) if isinstance(variables, Mapping) else variables
    out = [struct.pack("<I", version), string(specification), struct.pack("<II", 3, len(pairs))]
    for name, array in pairs:
        out.append(string(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
        out.append(struct.pack("<BI", CT2_TYPES.index(array.dtype.name), array.nbytes))
        out.append(array.tobytes())
    aliases = aliases or {}
    out.append(struct.pack("<I", len(aliases)))
    out += [string(alias) + string(target) for alias, target in aliases.items()]
    return b"".join(out)


def write_hf(folder: Path, arrays: Arrays | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = random_hf() if arrays is None else arrays
    # save_file takes the memory as it lies: a transposed view would be written wrongly.
    save_file({k: np.ascontiguousarray(a) for k, a in arrays.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}), "utf-8")
    return folder


def write_ct2(
    folder: Path, arrays: Arrays | None = None, aliases: Mapping[str, str] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = to_ct2(random_hf()) if arrays is None else arrays
    (folder / "model.bin").write_bytes(ct2_bytes({**CT2_SCALARS, **arrays}, aliases))
    (folder / "config.json").write_text('{"alignment_heads": [[0, 0], [0, 1]]}', "utf-8")
    return folder


def assert_same(a: Checkpoint, b: Checkpoint, *, atol: float = 0.0) -> None:
    assert a.dims == b.dims

    def close(x: np.ndarray, y: np.ndarray) -> bool:
        return np.allclose(x.astype(np.float32), y.astype(np.float32), rtol=0, atol=atol)

    same = jax.tree.map(close, a.params, b.params)
    assert jax.tree.all(same), same


def test_hugging_face_arrays_land_where_they_belong(tmp_path: Path) -> None:
    hf = random_hf()
    loaded = load_checkpoint(write_hf(tmp_path))
    encoder, decoder = loaded.params.encoder, loaded.params.decoder
    layer = decoder.layers[0]
    name = "model.decoder.layers.0"
    attention = "model.encoder.layers.1.self_attn"
    for ours, theirs in (
        (encoder.layers[1].attention.query.weight, hf[f"{attention}.q_proj.weight"].T),
        (encoder.layers[1].attention.key.weight, hf[f"{attention}.k_proj.weight"].T),
        (encoder.layers[1].attention.out.weight, hf[f"{attention}.out_proj.weight"].T),
        (encoder.layers[1].mlp.up.weight, hf["model.encoder.layers.1.fc1.weight"].T),
        (encoder.norm.scale, hf["model.encoder.layer_norm.weight"]),
        (layer.attention.value.bias, hf[f"{name}.self_attn.v_proj.bias"]),
        (layer.cross_attention.key.weight, hf[f"{name}.encoder_attn.k_proj.weight"].T),
        (layer.cross_norm.bias, hf[f"{name}.encoder_attn_layer_norm.bias"]),
        (layer.mlp.down.weight, hf[f"{name}.fc2.weight"].T),
        (layer.mlp_norm.scale, hf[f"{name}.final_layer_norm.weight"]),
        (decoder.embedding, hf["model.decoder.embed_tokens.weight"]),
        (decoder.positions, hf["model.decoder.embed_positions.weight"]),
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.dims == DIMS
    assert layer.attention.key.bias is None
    assert loaded.folder == tmp_path


def test_conv_rows_are_taps_of_bins(tmp_path: Path) -> None:
    """Frames x bins of three neighbours, flattened, times the weight is the convolution."""
    stored = random_hf()["model.encoder.conv1.weight"]  # [d_out, d_in, tap]
    weight = np.asarray(load_checkpoint(write_hf(tmp_path)).params.encoder.conv1.weight)
    frames = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    by_hand = sum(stored[:, :, tap] @ frames[tap] for tap in range(3))
    np.testing.assert_allclose(frames.reshape(-1) @ weight, by_hand, rtol=1e-5, atol=1e-5)


def test_both_formats_give_the_same_weights(tmp_path: Path) -> None:
    hf = load_checkpoint(write_hf(tmp_path / "hf"))
    ct2 = load_checkpoint(write_ct2(tmp_path / "ct2"))
    assert_same(hf, ct2)
    assert hf.alignment_heads is None
    assert ct2.alignment_heads == ((0, 0), (0, 1))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
def test_the_stored_type_is_kept(tmp_path: Path, dtype: Any) -> None:
    arrays = random_hf(dtype=dtype)
    loaded = [
        load_checkpoint(write_hf(tmp_path / "hf", arrays)),
        load_checkpoint(write_ct2(tmp_path / "ct2", to_ct2(arrays))),
    ]
    assert_same(*loaded)
    for checkpoint in loaded:
        assert {leaf.dtype for leaf in jax.tree.leaves(checkpoint.params)} == {np.dtype(dtype)}


def test_every_leaf_has_the_shape_of_the_spec(tmp_path: Path) -> None:
    params = load_checkpoint(write_ct2(tmp_path)).params
    expected = jax.tree.map(lambda leaf: leaf.shape, spec(DIMS), is_leaf=is_leaf)
    shapes = jax.tree.map(lambda array: array.shape, params)
    assert shapes == expected


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    whole = load_checkpoint(write_hf(tmp_path / "whole"))
    folder = write_sharded(tmp_path / "sharded")
    assert_same(whole, load_checkpoint(folder))
    assert_same(whole, load_checkpoint(folder / "model.safetensors.index.json"))


def write_sharded(folder: Path) -> Path:
    arrays = random_hf()
    write_hf(folder)
    (folder / "model.safetensors").unlink()
    names = sorted(arrays)
    weight_map: dict[str, str] = {}
    for number in (1, 2):
        shard = f"model-0000{number}-of-00002.safetensors"
        part = names[number - 1 :: 2]
        save_file({name: arrays[name] for name in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def test_the_prefix_of_the_whole_model_may_be_missing(tmp_path: Path) -> None:
    bare = {name.removeprefix("model."): array for name, array in random_hf().items()}
    assert_same(
        load_checkpoint(write_hf(tmp_path / "bare", bare)),
        load_checkpoint(write_hf(tmp_path / "full")),
    )


@pytest.mark.parametrize("how", ["int8", "int16"])
def test_quantised_weights_are_dequantised(tmp_path: Path, how: str) -> None:
    """int8 has a scale for each output, and for each tap of a convolution; int16 has one scale."""
    arrays = to_ct2(random_hf())
    quantised: Arrays = {}
    for name, array in arrays.items():
        if name.endswith("/weight"):
            largest = np.abs(array).max(axis=1 if how == "int8" else None, keepdims=how == "int8")
            scale = ((127 if how == "int8" else 1024) / largest).astype(np.float32)
            quantised[name] = np.rint(array * scale).astype(how)
            quantised[f"{name}_scale"] = scale.squeeze(1) if how == "int8" else scale
        else:
            quantised[name] = array
    aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    loaded = load_checkpoint(write_ct2(tmp_path / how, quantised, aliases))
    assert_same(load_checkpoint(write_hf(tmp_path / "hf")), loaded, atol=0.02)
    assert loaded.params.decoder.embedding.dtype == np.float32


def test_an_equal_projection_and_absent_encoder_positions_are_no_matter(tmp_path: Path) -> None:
    arrays = random_hf()
    plain = load_checkpoint(write_hf(tmp_path / "plain", arrays))
    arrays["proj_out.weight"] = arrays["model.decoder.embed_tokens.weight"]
    assert_same(plain, load_checkpoint(write_hf(tmp_path / "tied", arrays)))
    del arrays["model.encoder.embed_positions.weight"]
    standard = load_checkpoint(write_hf(tmp_path / "none", arrays, max_source_positions=1500))
    assert standard.dims.n_audio_ctx == 1500


def test_a_file_alone_is_enough(tmp_path: Path) -> None:
    folder = write_ct2(tmp_path)
    whole = load_checkpoint(folder)
    (folder / "config.json").unlink()
    moved = (folder / "model.bin").rename(folder / "mine.bin")
    alone = load_checkpoint(moved)
    assert_same(whole, alone)
    assert alone.alignment_heads is None
    assert alone.folder == folder


def test_alignment_heads_of_hugging_face_stand_in_the_generation_config(tmp_path: Path) -> None:
    folder = write_hf(tmp_path)
    (folder / "generation_config.json").write_text('{"alignment_heads": [[0, 1]]}', "utf-8")
    assert load_checkpoint(folder).alignment_heads == ((0, 1),)


@pytest.mark.parametrize("version", [4, 5, 6])
def test_older_ct2_files_are_read(tmp_path: Path, version: int) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(ct2_bytes({**CT2_SCALARS, **to_ct2(random_hf())}, version=version))
    assert load_checkpoint(path).dims == DIMS
