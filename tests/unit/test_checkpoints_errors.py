"""Damaged, hostile and foreign files: always a `CheckpointError` that says what is wrong."""

import contextlib
import json
import struct
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from test_checkpoints_files import (
    CT2_SCALARS,
    Arrays,
    ct2_bytes,
    random_hf,
    to_ct2,
    write_ct2,
    write_hf,
    write_sharded,
)

from whisper_jax.checkpoints import load_checkpoint
from whisper_jax.errors import CheckpointError, UnknownModelError

EMBEDDING = "model.decoder.embed_tokens.weight"


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def hf_message(tmp_path: Path, change: Arrays, *without: str) -> str:
    arrays = {k: v for k, v in (random_hf() | change).items() if k not in without}
    return message(write_hf(tmp_path, arrays))


def ct2_message(tmp_path: Path, change: Arrays, aliases: dict[str, str] | None = None) -> str:
    return message(write_ct2(tmp_path, to_ct2(random_hf()) | change, aliases))


def test_unknown_missing_and_wrong_arrays_are_all_listed(tmp_path: Path) -> None:
    text = hf_message(
        tmp_path,
        {
            "model.encoder.layers.0.adapter.weight": np.ones((2, 2), np.float32),
            "model.encoder.layers.1.fc1.weight": np.ones((31, 8), np.float32),
        },
        "model.decoder.layers.0.fc2.bias",
    )
    assert "unknown: model.encoder.layers.0.adapter.weight;" in text
    assert "missing: model.decoder.layers.0.fc2.bias;" in text
    assert "wrong shape: model.encoder.layers.1.fc1.weight [31, 8] instead of [32, 8]" in text


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    extra = {f"extra{i:02}": np.ones(1, np.float32) for i in range(13)}
    assert "extra09 and 3 more" in hf_message(tmp_path, extra)


def test_an_array_given_twice(tmp_path: Path) -> None:
    bare = {"encoder.conv1.bias": np.ones(8, np.float32)}
    assert "given twice: model.encoder.conv1.bias" in hf_message(tmp_path, bare)
    folder = write_sharded(tmp_path / "shards")
    save_file(random_hf(), folder / "model-00002-of-00002.safetensors")
    assert "given twice: model." in message(folder)
    pairs = [*CT2_SCALARS.items(), *to_ct2(random_hf()).items()]
    twice = tmp_path / "twice.bin"
    twice.write_bytes(ct2_bytes([*pairs, pairs[-1]]))
    assert f"given twice: {pairs[-1][0]}" in message(twice)
    assert "given twice: encoder/conv1/bias" in ct2_message(
        tmp_path / "alias", {}, {"encoder/conv1/bias": "encoder/conv2/bias"}
    )


def test_an_array_that_decides_the_sizes_is_missing(tmp_path: Path) -> None:
    assert f"missing: {EMBEDDING}" in hf_message(tmp_path, {}, EMBEDDING)


def test_an_array_that_decides_the_sizes_has_another_rank(tmp_path: Path) -> None:
    assert f"wrong shape: {EMBEDDING} [8]" in hf_message(
        tmp_path, {EMBEDDING: np.ones(8, np.float32)}
    )


def test_values_that_no_whisper_has(tmp_path: Path) -> None:
    hf = random_hf()
    positions = "model.encoder.embed_positions.weight"
    for change, expected in (
        ({"proj_out.weight": hf[EMBEDDING] + 1}, "proj_out.weight differs from the embedding"),
        ({positions: hf[positions] + 0.01}, "not the sinusoids, but off by 0.01"),
        ({positions: hf[positions] * np.nan}, "not the sinusoids"),
        ({EMBEDDING: np.ones((11, 4), np.float32)}, "encoder 8 wide, decoder 4"),
    ):
        assert expected in hf_message(tmp_path, change)
    bias = to_ct2(hf)["decoder/layer_0/self_attention/linear_0/bias"] + 1
    assert "decoder/layer_0/self_attention/linear_0/bias gives the key a bias" in ct2_message(
        tmp_path / "bias", {"decoder/layer_0/self_attention/linear_0/bias": bias}
    )


def test_settings_that_no_whisper_has(tmp_path: Path) -> None:
    for name, value, expected in (
        ("decoder/alibi", 1, "decoder/alibi is 1 instead of 0"),
        ("decoder/pre_norm", 0, "decoder/pre_norm is 0 instead of 1"),
        ("decoder/num_heads", 3, "8 wide with 3 attention heads"),
        ("encoder/num_heads", -2, "8 wide with -2 attention heads"),
        ("decoder/window", 1, "unknown: decoder/window"),
    ):
        assert expected in ct2_message(tmp_path, {name: np.array(value, np.int8)})


def test_quantisation_that_cannot_be_undone(tmp_path: Path) -> None:
    name = "encoder/layer_0/ffn/linear_1/weight"
    integers = np.ones((8, 32), np.int8)
    scale = np.ones(8, np.float32)
    for change, expected in (
        ({name: integers}, f"wrong type: {name} int8"),
        ({f"{name}_scale": scale}, f"{name} is float32 but has a scale"),
        ({name: integers, f"{name}_scale": scale * 0}, f"the scale of {name} is not above zero"),
        ({name: integers, f"{name}_scale": scale[:5]}, f"{name} [8, 32] has a scale [5]"),
    ):
        assert expected in ct2_message(tmp_path, change)


def test_an_alias_of_nothing(tmp_path: Path) -> None:
    aliases = {"decoder/projection/weight": "nothing"}
    assert "decoder/projection/weight (of nothing)" in ct2_message(tmp_path, {}, aliases)


def test_a_config_that_does_not_fit(tmp_path: Path) -> None:
    folder = write_hf(tmp_path, d_model=16, decoder_layers=2)
    assert "d_model is 16 but the arrays have 8, decoder_layers is 2" in message(folder)
    assert "'bert' model, not Whisper" in message(write_hf(tmp_path, model_type="bert"))
    assert "gives 'two' attention heads" in message(
        write_hf(tmp_path, encoder_attention_heads="two")
    )
    assert "8 wide with 3 attention heads" in message(write_hf(tmp_path, encoder_attention_heads=3))
    for content in ("{", "[]", "\ud800", "[" * 100_000):
        (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
        assert "config.json" in message(tmp_path)


@pytest.mark.parametrize("heads", ["[0, 1]", '"no"', "[[0]]"])
def test_alignment_heads_that_are_no_pairs(tmp_path: Path, heads: str) -> None:
    folder = write_hf(tmp_path)
    (folder / "generation_config.json").write_text(f'{{"alignment_heads": {heads}}}', "utf-8")
    assert "alignment_heads" in message(folder)


@pytest.mark.parametrize("heads", ["[[0, 2]]", "[[0, 0], [1, 0]]", "[[0, -1]]", "[]"])
def test_alignment_heads_of_another_model_are_not_taken(tmp_path: Path, heads: str) -> None:
    folder = write_hf(tmp_path)
    (folder / "generation_config.json").write_text(f'{{"alignment_heads": {heads}}}', "utf-8")
    assert load_checkpoint(folder).alignment_heads is None


def test_an_index_that_does_not_fit(tmp_path: Path) -> None:
    folder = write_sharded(tmp_path)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "files that are not beside it: model-00002-of-00002.safetensors" in message(
        folder / "model.safetensors.index.json"
    )
    for weight_map in ({"a": "../../secret"}, {"a": 1}, {}, []):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        assert "is not an index" in message(folder)


def test_arrays_of_other_types(tmp_path: Path) -> None:
    text = hf_message(tmp_path, {EMBEDDING: np.ones((11, 8), np.int64)})
    assert f"{EMBEDDING} I64 [11, 8]; save the model unquantised" in text
    empty = hf_message(tmp_path, {EMBEDDING: np.ones((0, 8), np.float32)})
    assert "empty" in empty


def test_what_was_looked_for_is_said(tmp_path: Path) -> None:
    assert "none of model.safetensors, model.safetensors.index.json, model.bin" in message(tmp_path)
    other = tmp_path / "model.pt"
    other.write_bytes(b"PK\3\4")
    assert "in no format that is read" in message(other)
    with pytest.raises(UnknownModelError, match="no folder or file"):
        load_checkpoint(tmp_path / "absent")


def test_foreign_and_hostile_ct2_files(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    header = ct2_bytes({})[:-8]  # up to the count of variables

    def variable(name: bytes, *shape: int, kind: int = 0, n_bytes: int = 4) -> bytes:
        start = struct.pack("<IH", 1, len(name) + 1) + name + b"\0"
        return start + struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, kind, n_bytes)

    for content, expected in (
        (b"", "cannot be read"),
        (b"lmgg" + b"\0" * 40, "its first number is 1734831468"),
        (ct2_bytes({}, version=3), "version 4 to 6"),
        (ct2_bytes({}, specification="TransformerSpec"), "'TransformerSpec', not a Whisper"),
        (header + struct.pack("<I", 2**32 - 1), "it ends within the length of a name"),
        (header + struct.pack("<IH", 1, 65535) + b"a" * 9, "it ends within the name"),
        (header + struct.pack("<IH", 1, 3) + b"\xff\xfe\0", "a name is no text"),
        (header + struct.pack("<IH", 1, 3) + b"abc", "a name is no text"),
        (header + struct.pack("<IH", 1, 0), "a name is no text"),
        (header + variable(b"a", *[2] * 9), "a has 9 dimensions"),
        (header + variable(b"a", 1, kind=6), "unknown type 6"),
        (header + variable(b"a", 2**32 - 1, 2**32 - 1, 4), "a has 4 bytes for float32"),
        (header + variable(b"a", 0, 4, n_bytes=0), "a has 0 bytes"),
        (header + variable(b"a", 2**20, n_bytes=2**22), "it ends within the a"),
        (ct2_bytes(to_ct2(random_hf())) + b"more", "4 bytes follow its end"),
        (
            ct2_bytes({"encoder/conv1/bias": np.ones(8, np.float32)}),
            "missing: encoder/conv1/weight",
        ),
    ):
        path.write_bytes(content)
        assert expected in message(path)


def test_a_layer_with_a_huge_number_costs_nothing(tmp_path: Path) -> None:
    extra = {"model.encoder.layers.999999999.fc1.weight": np.ones((32, 8), np.float32)}
    assert "numbers a layer 999999999" in hf_message(tmp_path, extra)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    write_hf(folder)
    write_ct2(folder)
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "model.bin")}


def load_bytes(folder: Path, name: str, content: bytes) -> None:
    """Load and touch every byte: a view beyond the file would crash here."""
    # A file of its own each time: the one before may still be mapped, and must not be cut.
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    for array in jax.tree.leaves(load_checkpoint(path).params):
        np.asarray(array, np.float32)


FORMATS = st.sampled_from(["model.safetensors", "model.bin"])


@settings(max_examples=150, deadline=None)
@given(name=FORMATS, data=st.data())
def test_a_file_cut_anywhere_is_an_error(
    name: str, data: st.DataObject, good: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = good[name]
    at = data.draw(st.integers(0, len(whole) - 1) | st.integers(0, 400))
    with pytest.raises(CheckpointError):
        load_bytes(folder, name, whole[:at])


@settings(max_examples=300, deadline=None)
@given(name=FORMATS, data=st.data())
def test_flipped_bytes_never_crash(
    name: str, data: st.DataObject, good: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A changed weight cannot be seen here (hashes are for that); anything else is an error."""
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(good[name])
    places = st.integers(0, len(content) - 1) | st.integers(0, 600)
    for at in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CheckpointError):
        load_bytes(folder, name, bytes(content))
