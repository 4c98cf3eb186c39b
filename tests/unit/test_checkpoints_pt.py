"""OpenAI's ``.pt`` files: read bit for bit, and never run."""

import builtins
import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_checkpoints_files import DIMS, Arrays, assert_same, random_hf, write_hf

import torch_files_made as made
from torch_files_made import Tensor, old_file, openai_content, pickled, write_pt, zip_file
from whisper_jax.checkpoints import load_checkpoint
from whisper_jax.checkpoints.pickles import PickleError, read_pickle
from whisper_jax.errors import CheckpointError
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.dims import PUBLISHED

GOLDEN = Path(__file__).parents[1] / "golden" / "data"


def checkpoint(arrays: Arrays | None = None, **sizes: Any) -> dict[str, Any]:
    """What openai-whisper saves of the small model of the other tests."""
    content = openai_content(DIMS, random_hf(dtype=np.float16) if arrays is None else arrays)
    return {**content, "dims": content["dims"] | sizes}


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("form", ["zip", "zip of protocol 4", "old"])
def test_the_arrays_are_those_of_hugging_face(tmp_path: Path, dtype: Any, form: str) -> None:
    arrays = random_hf(dtype=dtype)
    content = checkpoint(arrays)
    path = tmp_path / "mine.pt"
    if form == "old":
        path.write_bytes(old_file(content))
    else:
        write_pt(path, content, protocol=4 if form.endswith("4") else 2)
    loaded = load_checkpoint(path)
    assert_same(load_checkpoint(write_hf(tmp_path / "hf", arrays)), loaded)
    assert loaded.params.decoder.embedding.dtype == dtype
    assert loaded.alignment_heads is None
    assert loaded.folder is None
    assert_same(loaded, load_checkpoint(tmp_path))


@pytest.mark.parametrize("name", ["zip", "old", "bfloat16"])
def test_files_that_torch_wrote(name: str, tmp_path: Path) -> None:
    """Made by scripts/golden/make_torch_files.py from the same random numbers."""
    loaded = load_checkpoint(GOLDEN / f"torch_{name}.pt")
    dtype = ml_dtypes.bfloat16 if name == "bfloat16" else np.float32
    assert_same(load_checkpoint(write_hf(tmp_path, random_hf(dtype=dtype))), loaded)


def test_a_tokenizer_beside_it_is_used(tmp_path: Path) -> None:
    path = write_pt(tmp_path / "mine.pt", checkpoint())
    (tmp_path / "config.json").write_text("of something else")
    assert load_checkpoint(path).folder is None
    (tmp_path / "tokenizer.json").write_text("{}")
    assert load_checkpoint(path).folder == tmp_path


@pytest.mark.parametrize(
    ("name", "called_after"),
    [
        ("large-v1.pt", "large-v1"),
        ("ggml-large-v1-q5_0.pt", "large-v1"),
        ("large-v2.pt", "large-v2"),
        ("base.pt", None),
        ("my-large-v1.pt", None),
    ],
)
def test_a_file_called_after_a_published_model_has_its_heads(
    tmp_path: Path, name: str, called_after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("large-v1", "large-v2"):
        monkeypatch.setitem(PUBLISHED, known, DIMS)
    heads = load_checkpoint(write_pt(tmp_path / name, checkpoint())).alignment_heads
    assert heads == (None if called_after is None else alignment_heads(DIMS, called_after))
    assert alignment_heads(DIMS, "large-v1") != alignment_heads(DIMS, "large-v2")


def test_several_models_in_a_folder(tmp_path: Path) -> None:
    write_pt(tmp_path / "b.pt", checkpoint())
    write_pt(tmp_path / "a.pt", checkpoint())
    assert "give the path of one of a.pt, b.pt" in message(tmp_path)


def test_tensors_may_lie_across_and_share_a_storage(tmp_path: Path) -> None:
    hf = random_hf()
    content = checkpoint(hf)
    name = "model.decoder.layers.0.fc1.weight"
    content["model_state_dict"][made.openai_name(name)] = Tensor(
        np.ascontiguousarray(hf[name].T), shape=(32, 8), stride=(1, 32)
    )
    bias = "model.encoder.conv1.bias"
    both = np.concatenate([hf["model.encoder.conv2.bias"], hf[bias]])
    for part, at in (("model.encoder.conv2.bias", 0), (bias, 8)):
        content["model_state_dict"][made.openai_name(part)] = Tensor(both, shape=(8,), offset=at)
    loaded = load_checkpoint(write_pt(tmp_path / "mine.pt", content))
    assert_same(load_checkpoint(write_hf(tmp_path / "hf", hf)), loaded)
    assert not loaded.params.encoder.conv1.bias.flags.writeable


class Calls:
    """A pickle of this calls a function when Python reads it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile(marker: Path) -> dict[str, bytes]:
    """Pickles that leave ``marker`` behind, or take all memory, if they are run."""
    touch = f"touch {marker}"
    opened = f"open({str(marker)!r}, 'w').close()"
    # What getattr would find without a name that looks bad: __import__ of os by its module dict.
    tricks = Calls(getattr, Calls(__import__, "os"), "system")
    attributes = b"\x80\x02c__builtin__\nobject\n)\x81}X\x04\x00\x00\x00evilK\x01sb."
    imports = {
        "a command": pickle.dumps(Calls(os.system, touch), 2),
        "a command, oldest protocol": pickle.dumps(Calls(os.system, touch), 0),
        "a command, newest protocol": pickle.dumps(Calls(os.system, touch), 5),
        "eval": pickle.dumps(Calls(eval, opened), 2),
        "exec": pickle.dumps(Calls(exec, opened), 4),
        "a process": pickle.dumps(Calls(subprocess.check_call, ["touch", str(marker)]), 4),
        "getattr": pickle.dumps({"dims": tricks}, 2),
        "open": pickle.dumps(Calls(builtins.open, str(marker), "w"), 2),
        "a command among weights": b"\x80\x02}X\x04\x00\x00\x00dimscposix\nsystem\nX"
        + struct.pack("<I", len(touch))
        + touch.encode()
        + b"\x85Rs.",
    }
    machine = {
        "an instance": f"(S'{touch}'\nios\nsystem\n.".encode(),
        "an object": f"(cos\nsystem\nS'{touch}'\no.".encode(),
        "a new object": b"\x80\x02cos\nsystem\n)\x81.",
        "attributes": attributes,
        "an extension": b"\x80\x02\x82\x01.",
        "a list called": b"\x80\x02]q\x00(R.",
        "what is built": b"\x80\x02ccollections\nOrderedDict\n)R}b)b.",
        "its own dict": b"\x80\x02}q\x00h\x00h\x00s.",
        "a call of a number": b"\x80\x02K\x01)R.",
        "a tensor of nothing": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        "a dict with arguments": b"\x80\x02ccollections\nOrderedDict\n](\x85R.",
        "a strange storage": b"\x80\x02X\x07\x00\x00\x00storage\x85Q.",
        "nothing": b"\x80\x02.",
        "no end": b"\x80\x02}",
        "empty": b"",
        "too many marks": b"\x80\x02((((N.",
        "a mark too few": b"\x80\x02t.",
        "a huge place to remember": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "what was never remembered": b"\x80\x02h\x07.",
        "a huge text": b"\x80\x02X\xff\xff\xff\x7fabc.",
        "a huge number": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
        "a number of many digits": b"I" + b"9" * 100_000 + b"\n.",
        "deep": b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
        "deep tuples": b"\x80\x02)" + b"\x85" * 50_000 + b".",
        "many times itself": b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 200 + b".",
        "long": b"\x80\x02" + b"N0" * (5 << 20) + b"N.",
    }
    return imports | machine


NAMES = sorted(hostile(Path("marker")))


@pytest.mark.parametrize("form", ["zip", "old"])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_pickles_are_refused_and_run_nothing(tmp_path: Path, name: str, form: str) -> None:
    marker = tmp_path / "marker"
    data = hostile(marker)[name]
    path = tmp_path / "evil.pt"
    start = b"".join(
        pickle.dumps(value, 2) for value in (made.MAGIC, 1001, {"little_endian": True})
    )
    path.write_bytes(zip_file(data, {}) if form == "zip" else start + data + pickle.dumps([], 2))
    text = message(path)
    assert not marker.exists()
    if name in ("a command", "eval", "getattr", "a process", "open"):
        assert "which no file of tensors needs; it may be malicious" in text
        assert "nothing of it was run" in text


def test_these_pickles_are_hostile(tmp_path: Path) -> None:
    """Python's own machine does run them."""
    marker = tmp_path / "marker"
    for name in ("a command", "eval", "a command, oldest protocol", "an instance"):
        pickle.loads(hostile(marker)[name])
        assert marker.exists(), name
        marker.unlink()


def test_a_bad_name_is_said_and_cut() -> None:
    with pytest.raises(PickleError, match=r"asks for 'os\.system', which"):
        read_pickle(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(PickleError) as caught:
        read_pickle(b"\x80\x02cos\n" + b"x" * 100_000 + b"\n.")
    assert len(str(caught.value)) < 300


TENSORS: dict[str, tuple[dict[str, Any], str]] = {
    "too long": ({"shape": (9,)}, "reaches beyond the 8 numbers"),
    "huge": ({"shape": (1 << 40,), "stride": (1,)}, "reaches beyond"),
    "repeated without end": ({"shape": (1 << 40,), "stride": (0,)}, "impossible shape"),
    "larger than a disk": ({"shape": (1 << 60,)}, "impossible shape"),
    "overlapping": ({"shape": (4, 5), "stride": (1, 1)}, "reaches beyond"),
    "backwards": ({"shape": (8,), "stride": (-1,), "offset": 7}, "impossible shape"),
    "offset": ({"shape": (8,), "offset": 1}, "reaches beyond"),
    "offset before": ({"shape": (8,), "offset": -1}, "impossible shape"),
    "empty": ({"shape": (0,)}, "impossible shape"),
    "ranks": ({"shape": (8,), "stride": (1, 1)}, "impossible shape"),
    "many axes": ({"shape": (1,) * 9, "stride": (1,) * 9}, "impossible shape"),
    "no numbers": ({"shape": ("8",)}, "impossible shape"),
    "truth": ({"shape": (True,)}, "impossible shape"),
    "claims more": ({"n_stored": 1 << 30, "shape": (1 << 30,)}, "another number of them"),
    "claims less": ({"n_stored": 7, "shape": (7,)}, "another number of them"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_cannot_be(tmp_path: Path, name: str) -> None:
    stated, expected = TENSORS[name]
    content = checkpoint()
    stated = {"stride": (1,), **stated}
    content["model_state_dict"]["encoder.conv1.bias"] = Tensor(np.ones(8, np.float16), **stated)
    assert expected in message(write_pt(tmp_path / "evil.pt", content))


def test_contents_that_are_no_checkpoint(tmp_path: Path) -> None:
    tensors = checkpoint()["model_state_dict"]
    for content, expected in (
        (tensors, "is no checkpoint of openai-whisper"),
        ([1], "is no checkpoint of openai-whisper"),
        ({"dims": {}, "model_state_dict": tensors}, "does not say the sizes"),
        ({"dims": [], "model_state_dict": tensors}, "does not say the sizes"),
        (checkpoint(n_mels="80"), "does not say the sizes"),
        (checkpoint(n_audio_head=3), "8 wide with 3 attention heads"),
        (checkpoint(n_audio_layer=9), "n_audio_layer is 9 but the arrays have 2"),
        ({**checkpoint(), "model_state_dict": {"a": 1}}, "values that are no tensors: a"),
        ({**checkpoint(), "model_state_dict": {"a\n": 1}}, "has no tensors by name"),
        ({**checkpoint(), "model_state_dict": {"a" * 9999: 1}}, "has no tensors by name"),
        (checkpoint({"extra.weight": np.ones(2, np.float32), **random_hf()}), "unknown: extra"),
    ):
        assert expected in message(write_pt(tmp_path / "mine.pt", content))
    double = checkpoint({**random_hf(), "model.encoder.conv1.bias": np.ones(8)})
    assert "holds a DoubleStorage" in message(write_pt(tmp_path / "mine.pt", double))


def test_archives_that_torch_would_not_write(tmp_path: Path) -> None:
    data, storages = pickled(checkpoint())
    path = tmp_path / "mine.pt"
    twice = io.BytesIO(zip_file(data, storages))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(twice, "a") as archive:
        archive.writestr("archive/data/0", b"other")
    without = io.BytesIO()
    with zipfile.ZipFile(without, "w") as archive:
        archive.writestr("readme", "no tensors")
    bomb = {"0": np.zeros(50_000_000, np.uint8)}
    whole = zip_file(data, storages)
    # The first entry's lengths of name and extra field reach beyond the file.
    at = whole.index(b"PK\1\2")
    moved = bytearray(whole)
    moved[at + 42 : at + 46] = struct.pack("<I", 0xFFFFFF)
    for content, expected in (
        (twice.getvalue(), "not one of torch.save"),
        (without.getvalue(), "not one of torch.save"),
        (zip_file(data, bomb, compression=zipfile.ZIP_DEFLATED), "is compressed"),
        (zip_file(data, storages, byteorder="big"), "another order of bytes"),
        (zip_file(data, {}), "lacks numbers of a tensor"),
        (whole[:-30], "is damaged"),
        (bytes(moved), "table of contents does not fit"),
        (b"PK\3\4 and then nothing of the kind", "is damaged"),
    ):
        path.write_bytes(content)
        assert expected in message(path)


def test_old_files_that_torch_would_not_write(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    good = old_file(checkpoint())
    for content, expected in (
        (old_file(checkpoint(), little_endian=False), "another order of bytes"),
        (old_file(checkpoint(), version=7), "of a version that is known"),
        (good[:-1], "ends within its numbers"),
        (good[:600], "damaged"),
    ):
        path.write_bytes(content)
        assert expected in message(path)


GOOD = {"zip": zip_file(*pickled(checkpoint())), "old": old_file(checkpoint())}


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(sorted(GOOD)), data=st.data())
def test_flipped_and_cut_bytes_never_crash(
    form: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(GOOD[form])
    at = data.draw(st.integers(16, len(content)))
    places = st.integers(0, len(content) - 1) | st.integers(0, 4000)
    for place in data.draw(st.lists(places, max_size=3)):
        content[min(place, len(content) - 1)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    path.unlink(missing_ok=True)
    path.write_bytes(content[:at] if data.draw(st.booleans()) else content)
    try:
        loaded = load_checkpoint(path)
    except CheckpointError:
        return
    assert loaded.dims == DIMS
    for array in jax.tree.leaves(loaded.params):
        np.asarray(array, np.float32)


def test_attributes_of_dicts_are_dropped() -> None:
    ordered = OrderedDict(a=1)
    ordered._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    content, n_bytes = read_pickle(pickle.dumps(ordered, 2) + b"rest")
    assert content == {"a": 1}
    assert n_bytes == len(pickle.dumps(ordered, 2))
