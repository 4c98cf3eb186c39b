"""whisper.cpp's files: read in every type, and held against what is left of the file."""

import contextlib
import struct
from itertools import accumulate
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisper_jax.bench.peers import ggml as writer
from whisper_jax.checkpoints import ggml, load_checkpoint, safetensors_hf
from whisper_jax.errors import CheckpointError, OptionError
from whisper_jax.model.dims import ModelDims
from whisper_jax.model.params import Leaf, WhisperParams, is_leaf, spec
from whisper_jax.text.published import published_tokens

DIMS = ModelDims(
    n_mels=4,
    n_audio_ctx=6,
    n_audio_state=32,
    n_audio_head=2,
    n_audio_layer=2,
    n_vocab=51_865,
    n_text_ctx=5,
    n_text_state=32,
    n_text_head=2,
    n_text_layer=1,
)
EXACT = {"f32": 0.0, "f16": 0.0}
STEPS = {"q8_0": 127, "q5_1": 31, "q5_0": 16, "q4_1": 15, "q4_0": 8}
"""A number is off by half a step of its block, and a step is the block's reach over this."""


@pytest.fixture(scope="module")
def params() -> WhisperParams:
    rng = np.random.default_rng(0)

    def make(leaf: Leaf) -> np.ndarray:
        return rng.standard_normal(leaf.shape).astype(np.float16).astype(np.float32)

    return jax.tree.map(make, spec(DIMS), is_leaf=is_leaf)


@pytest.fixture(scope="module")
def source(params: WhisperParams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in another format: its tokenizer's files are not needed to write the small files."""
    folder = tmp_path_factory.mktemp("source")
    safetensors_hf.write(folder / "model.safetensors", DIMS, params)
    return folder


@pytest.fixture(scope="module")
def written(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ggml")
    files = {kind: folder / f"ggml-{kind}.bin" for kind in writer.GGML_TYPES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "text_tokens", lambda _: published_tokens(DIMS.n_vocab))
        patch.setattr(safetensors_hf, "read", _read_source)
        for kind, path in files.items():
            writer.write_ggml(source, path, kind)
    return files


_read = safetensors_hf.read


def _read_source(path: Path, _config: dict) -> tuple[ModelDims, WhisperParams]:
    return _read(path, {"encoder_attention_heads": 2, "decoder_attention_heads": 2})


@pytest.mark.parametrize("kind", writer.GGML_TYPES)
def test_every_type_is_read(kind: str, written: dict[str, Path], params: WhisperParams) -> None:
    loaded = load_checkpoint(written[kind])
    assert loaded.dims == DIMS
    assert loaded.folder is None
    for ours, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(loaded.params), strict=True):
        off = np.abs(ours - theirs.astype(np.float32)).max()
        reach = np.abs(ours).max()
        # Twice what half a step would be: steps themselves are rounded to float16.
        assert off <= (0 if kind in EXACT else 2 * reach / STEPS[kind])
    embedding = loaded.params.decoder.embedding
    assert embedding.dtype == (np.float16 if kind == "f16" else np.float32)
    if kind in STEPS:
        assert np.abs(np.asarray(params.decoder.embedding) - embedding).max() > 0


def test_blocks_by_hand() -> None:
    """ggml's own layout: the low halves are the first 16 numbers, a bit word follows the step."""
    kinds = {kind.name: kind for kind in ggml.BLOCKS}
    step = np.float16(0.5).tobytes()
    least = np.float16(-3).tobytes()
    packed = bytes(range(16))  # low halves 0 to 15, high ones 0
    bits = struct.pack("<I", 1 | 1 << 31)  # of the first and of the last number
    low = np.arange(16.0)
    high = np.zeros(16)
    fifth = np.zeros(32)
    fifth[[0, 31]] = 16
    plain = np.concatenate([low, high])
    for name, raw, expected in (
        ("q4_0", step + packed, (plain - 8) / 2),
        ("q4_1", step + least + packed, plain / 2 - 3),
        ("q5_0", step + bits + packed, (plain + fifth - 16) / 2),
        ("q5_1", step + least + bits + packed, (plain + fifth) / 2 - 3),
        ("q8_0", step + bytes([255, *[2] * 31]), np.array([-0.5, *[1.0] * 31])),
    ):
        kind = kinds[name]
        assert kind.layout.itemsize == len(raw)
        found = kind.values(np.frombuffer(raw, kind.layout))
        np.testing.assert_array_equal(found[0], expected, name)
        again = writer.quantised(expected.astype(np.float32)[None], kind)
        np.testing.assert_allclose(kind.values(again)[0], expected, atol=0.25)


def test_an_unknown_type_cannot_be_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no ggml type 'q2_k'; there are: f32, f16, q4_0"):
        writer.write_ggml(source, tmp_path / "ggml.bin", "q2_k")


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SIZES = [getattr(DIMS, name) for name in ggml.HEADER_NAMES]
TOKENS = [struct.pack("<I", len(token)) + token for token in published_tokens(DIMS.n_vocab)]


def header(sizes: list[int] = SIZES, filters: tuple[int, int] = (4, 201)) -> bytes:
    start = struct.pack("<I11i2i", ggml.MAGIC, *sizes, 1, *filters)
    return start + bytes(4 * 4 * 201)


def vocabulary(tokens: list[bytes] = TOKENS) -> bytes:
    return struct.pack("<i", len(tokens)) + b"".join(tokens)


def array(
    name: bytes = b"a", *shape: int, kind: int = 0, n_name: int | None = None, data: bytes = b""
) -> bytes:
    n_name = len(name) if n_name is None else n_name
    return struct.pack(f"<{3 + len(shape)}i", len(shape), n_name, kind, *shape) + name + data


ONE = vocabulary([struct.pack("<I", 1) + b"a"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (header()[:40], "it ends within the header"),
        (header(filters=(5, 201)), "mel filters [5, 201] for 4 bins"),
        (header(filters=(4, -1)), "mel filters [4, -1]"),
        (header(filters=(4, 1 << 28)), "mel filters [4, 268435456]"),
        (header() + struct.pack("<i", -1), "it has -1 tokens"),
        (header() + struct.pack("<i", 1 << 30), "it has 1073741824 tokens"),
        (header() + struct.pack("<iI", 1, 0xFFFFFFFF), "it ends within the token"),
        (header() + ONE + array(b"a"), "0 dimensions"),
        (header() + ONE + array(b"a", 1, 1, 1, 1, 1), "5 dimensions"),
        (header() + ONE + array(b"a", 4, n_name=1 << 30), "a name of 1073741824 bytes"),
        (header() + ONE + array(b"a", 4, n_name=-1), "a name of -1 bytes"),
        (header() + ONE + array(b"\xff", 4), "a name is no text"),
        (header() + ONE + array(b"a\n", 4), "a name is no text"),
        (header() + ONE + array(b"a", -4), "a has the shape [-4]"),
        (header() + ONE + array(b"a", 0, 4), "a has the shape [4, 0]"),
        (header() + ONE + array(b"a", 2**31 - 1, 2**31 - 1), "it ends within the a"),
        (header() + ONE + array(b"a", *[2**31 - 1] * 4, kind=8), "cannot be cut into blocks"),
        (header() + ONE + array(b"a", *[2**30] * 4, kind=8), "it ends within the a"),
        (header() + ONE + array(b"a", 32, kind=14), "the type 14; those that are read are f32,"),
        (header() + ONE + array(b"a", 31, kind=8), "a [31] cannot be cut into blocks of 32"),
        (
            header() + ONE + array(b"a", 32, kind=8, data=np.float16(np.nan).tobytes() + bytes(32)),
            "a has numbers that are not finite",
        ),
        (header() + ONE, "missing: encoder.conv1.weight"),
    ],
)
def test_foreign_and_hostile_files(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "ggml.bin"
    path.write_bytes(content)
    assert expected in message(path)


def change(path: Path, written: Path, at: int, new: bytes) -> Path:
    content = bytearray(written.read_bytes())
    content[at : at + len(new)] = new
    path.write_bytes(content)
    return path


def test_a_header_that_does_not_fit(tmp_path: Path, written: dict[str, Path]) -> None:
    for name, value, expected in (
        ("n_vocab", 51_864, "n_vocab is 51864 but the arrays have 51865"),
        ("n_audio_head", 3, "32 wide with 3 attention heads"),
        ("n_audio_head", -2, "32 wide with -2 attention heads"),
        ("n_text_layer", 2**31 - 1, "n_text_layer is 2147483647 but the arrays have 1"),
    ):
        at = 4 + 4 * ggml.HEADER_NAMES.index(name)
        made = change(tmp_path / "ggml.bin", written["f16"], at, struct.pack("<i", value))
        assert expected in message(made)
        made.unlink()


def test_other_tokens_than_the_published(tmp_path: Path, written: dict[str, Path]) -> None:
    at = 12 * 4 + 8 + 4 * 4 * 201 + 4
    made = change(tmp_path / "ggml.bin", written["f16"], at, struct.pack("<I", 1) + b"~")
    assert "put the tokenizer.json of the model that was converted beside it" in message(made)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert load_checkpoint(made).folder == tmp_path


def test_an_array_given_twice(tmp_path: Path, written: dict[str, Path]) -> None:
    path = tmp_path / "ggml.bin"
    extra = array(b"encoder.ln_post.bias", 32, data=bytes(128))
    path.write_bytes(written["f32"].read_bytes() + extra)
    assert "given twice: encoder.ln_post.bias" in message(path)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_flipped_and_cut_bytes_never_crash(
    data: st.DataObject, written: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    arrays = written["q5_1"].read_bytes()[len(header() + vocabulary()) :]
    content = bytearray(header() + ONE + arrays)
    places = st.integers(0, len(header()) + 200) | st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(places, max_size=3)):
        content[at] = data.draw(st.integers(0, 255))
    n_bytes = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path_factory.getbasetemp() / "ggml-flipped.bin"
    path.unlink(missing_ok=True)
    path.write_bytes(content[:n_bytes])
    with contextlib.suppress(CheckpointError):
        for leaf in jax.tree.leaves(ggml.read(path)[1]):
            np.asarray(leaf, np.float32)


def test_the_tokens_of_a_file_may_go_on_or_lack_the_last(
    tmp_path: Path, written: dict[str, Path]
) -> None:
    """Converters differ in whether the empty token, and special ones, are written."""
    content = written["f16"].read_bytes()
    start = 12 * 4 + 8 + 4 * 4 * 201
    ends = list(accumulate(map(len, TOKENS), initial=start + 4))
    assert content[start : ends[-1]] == vocabulary()
    for tokens in (TOKENS[:-1], [*TOKENS, struct.pack("<I", 2) + b"<|"]):
        path = tmp_path / "ggml.bin"
        path.write_bytes(content[:start] + vocabulary(tokens) + content[ends[-1] :])
        assert load_checkpoint(path).folder is None
        path.unlink()
