"""The files that peers read, made from a small CTranslate2 model, and read back without it."""

import json
import struct
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from test_checkpoints_files import random_hf, to_ct2, write_ct2
from tokenizers import pre_tokenizers

from whisper_jax.bench.peers import environment, weights
from whisper_jax.bench.peers.environment import PeerError
from whisper_jax.bench.peers.weights import peer_model
from whisper_jax.checkpoints import load_checkpoint
from whisper_jax.checkpoints.openai_names import openai_name
from whisper_jax.errors import CheckpointError
from whisper_jax.text.special import special_token_names

N_VOCAB, N_TEXT = 51_865, 50_257
SUPPRESSED, HEADS = [1, 2, 7], [[0, 0], [0, 1]]


def letters_of(n_tokens: int) -> list[str]:
    """A byte-level vocabulary: all bytes, then pairs of them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = ["".join(pair) for pair in product(alphabet, repeat=2)]
    return [*alphabet, *pairs][:n_tokens]


@pytest.fixture(scope="module")
def arrays():
    made = {name: array.astype(np.float16) for name, array in random_hf().items()}
    rng = np.random.default_rng(1)
    embedding = rng.standard_normal((N_VOCAB, 8)).astype(np.float16)
    return {**made, "model.decoder.embed_tokens.weight": embedding}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, arrays):
    made = write_ct2(tmp_path_factory.mktemp("model"), to_ct2(arrays))
    config = {
        "suppress_ids": SUPPRESSED,
        "suppress_ids_begin": [220, N_TEXT],
        "alignment_heads": HEADS,
    }
    (made / "config.json").write_text(json.dumps(config))
    letters = letters_of(N_TEXT)
    tokenizer = {
        "added_tokens": [
            {"id": N_TEXT + i, "content": name, "special": True}
            for i, name in enumerate(special_token_names(N_VOCAB)[:107])
        ],
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(letters)},
            "merges": [" ".join(token) for token in letters[256:]],
        },
    }
    (made / "tokenizer.json").write_text(json.dumps(tokenizer))
    return made


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("WHISPER_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "peers"


class Ggml:
    """What whisper.cpp finds in a file, read by its own description of the format."""

    def __init__(self, path: Path) -> None:
        self.data, self.at = path.read_bytes(), 0
        assert self.ints(1) == (0x67676D6C,)
        self.sizes = self.ints(11)
        self.filters = self.floats(*self.ints(2))
        (n_tokens,) = self.ints(1)
        self.tokens = [self.take(self.ints(1)[0]) for _ in range(n_tokens)]
        self.arrays, self.types = {}, {}
        while self.at < len(self.data):
            rank, n_name, kind = self.ints(3)
            shape = self.ints(rank)[::-1]
            name = self.take(n_name).decode()
            self.types[name] = "f2" if kind else "f4"
            self.arrays[name] = self.floats(*shape, kind="<" + self.types[name])

    def take(self, n_bytes: int) -> bytes:
        self.at += n_bytes
        return self.data[self.at - n_bytes : self.at]

    def ints(self, n: int) -> tuple[int, ...]:
        return struct.unpack(f"<{n}i", self.take(4 * n))

    def floats(self, *shape: int, kind: str = "<f4") -> np.ndarray:
        n_bytes = int(np.prod(shape)) * np.dtype(kind).itemsize
        return np.frombuffer(self.take(n_bytes), kind).reshape(shape)


@pytest.mark.usefixtures("cache")
def test_the_ggml_file_holds_the_model(folder, arrays):
    path = peer_model("whisper.cpp", folder)
    file = Ggml(path)
    assert file.sizes == (N_VOCAB, 6, 8, 2, 2, 5, 8, 2, 1, 4, 1)
    assert file.filters.shape == (4, 201)
    assert (file.filters.argmax(axis=1)[1:] > file.filters.argmax(axis=1)[:-1]).all()
    assert len(file.tokens) == N_TEXT
    assert sorted(file.tokens[:256]) == [bytes([byte]) for byte in range(256)]
    assert file.tokens[256] == file.tokens[0] * 2
    named = {openai_name(name): array for name, array in arrays.items()}
    assert set(file.arrays) == set(named)
    for name, array in named.items():
        expected = array[:, None] if name.endswith(("conv1.bias", "conv2.bias")) else array
        assert file.arrays[name].shape == expected.shape, name
        assert np.allclose(file.arrays[name], expected, atol=1e-3), name
    assert file.types["decoder.token_embedding.weight"] == "f2"
    assert file.types["encoder.conv1.weight"] == "f2"
    for name in ("encoder.conv1.bias", "decoder.positional_embedding", "decoder.ln.weight"):
        assert file.types[name] == "f4", name


@pytest.mark.parametrize(
    ("theirs", "openai"),
    [
        ("encoder.layers.3.self_attn.k_proj.weight", "encoder.blocks.3.attn.key.weight"),
        ("decoder.layers.0.encoder_attn.out_proj.bias", "decoder.blocks.0.cross_attn.out.bias"),
        ("decoder.layers.1.encoder_attn_layer_norm.bias", "decoder.blocks.1.cross_attn_ln.bias"),
        ("decoder.layers.1.self_attn_layer_norm.bias", "decoder.blocks.1.attn_ln.bias"),
        ("decoder.layers.1.final_layer_norm.weight", "decoder.blocks.1.mlp_ln.weight"),
        ("encoder.layers.1.fc2.weight", "encoder.blocks.1.mlp.2.weight"),
        ("encoder.layer_norm.weight", "encoder.ln_post.weight"),
        ("decoder.embed_positions.weight", "decoder.positional_embedding"),
    ],
)
def test_names_become_openai_whispers(theirs, openai):
    assert openai_name(f"model.{theirs}") == openai


@pytest.mark.usefixtures("cache")
def test_the_hugging_face_folder_holds_the_model(folder, arrays):
    out = peer_model("transformers", folder)
    found = load_file(out / "model.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert np.allclose(found[name], array, atol=1e-3), name
    assert found["model.decoder.embed_tokens.weight"].dtype == np.float16
    again, source = load_checkpoint(out), load_checkpoint(folder)
    assert (again.dims, again.alignment_heads) == (source.dims, source.alignment_heads)

    config = json.loads((out / "config.json").read_text())
    assert (config["d_model"], config["decoder_layers"], config["encoder_ffn_dim"]) == (8, 1, 32)
    assert config["decoder_start_token_id"] == 50_258
    generation = json.loads((out / "generation_config.json").read_text())
    assert generation["suppress_tokens"] == SUPPRESSED
    assert generation["alignment_heads"] == HEADS
    assert generation["lang_to_id"]["<|de|>"] == 50_261
    assert generation["no_timestamps_token_id"] == 50_363
    assert json.loads((out / "preprocessor_config.json").read_text())["feature_size"] == 4
    merges = (out / "merges.txt").read_text().splitlines()
    assert merges[:2] == ["#version: 0.2", "! !"]
    assert json.loads((out / "vocab.json").read_text())["!"] == 0


def test_what_was_written_once_is_kept(folder, cache, monkeypatch):
    first = peer_model("whisper.cpp", folder)
    assert first.parent == cache / "checkpoints"
    monkeypatch.setattr(weights.ggml, "write_ggml", None)
    assert peer_model("whisper.cpp", folder) == first
    assert peer_model("faster-whisper", folder) == folder
    assert not list(first.parent.glob("*.part"))


def test_what_could_not_be_written_is_not_there(folder, cache, monkeypatch):
    def fail(_folder: Path, out: Path) -> None:
        out.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(weights.ggml, "write_ggml", fail)
    with pytest.raises(OSError, match="disk full"):
        peer_model("whisper.cpp", folder)
    assert not [path for path in (cache / "checkpoints").iterdir() if path.suffix != ".lock"]


@pytest.mark.usefixtures("cache")
def test_a_folder_that_lacks_what_peers_need(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            (copy / path.name).write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        peer_model("transformers", copy)


class Exporter:
    """Stands for optimum-intel, which would be installed and run."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails = False

    def python(self, name: str, **_: object) -> Path:
        folder = environment.peers_folder() / name
        folder.mkdir(parents=True)
        return folder / "python"

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if not self.fails:
            Path(command[-1]).mkdir()
        return subprocess.CompletedProcess(command, int(self.fails), "", "no memory")


@pytest.fixture
def exporter(monkeypatch):
    made = Exporter()
    monkeypatch.setattr(weights, "peer_python", made.python)
    monkeypatch.setattr(weights.subprocess, "run", made.run)
    return made


def test_openvino_reads_what_optimum_exports(folder, cache, exporter):
    out = peer_model("openvino-genai", folder)
    assert out.is_dir()
    assert peer_model("openvino-genai", folder) == out
    (command,) = exporter.commands
    assert command[1:3] == ["-I", "-m"]
    assert command[command.index("--model") + 1] == str(peer_model("transformers", folder))
    assert not (cache / "optimum-intel").exists(), "its environment is large, and done with"


@pytest.mark.usefixtures("cache")
def test_an_export_that_fails_is_told(folder, exporter):
    exporter.fails = True
    with pytest.raises(PeerError, match="no memory"):
        peer_model("openvino-genai", folder)
