"""Distilled models: fewer decoder layers than encoder layers, in every format, to the text."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from test_checkpoints_files import to_ct2, write_ct2

import whisper_jax
from torch_files_made import openai_content, write_pt
from whisper_jax.bench.peers.ggml import write_ggml
from whisper_jax.checkpoints import known_models, load_checkpoint
from whisper_jax.checkpoints.convert import write_hugging_face
from whisper_jax.checkpoints.safetensors_hf import to_arrays
from whisper_jax.checkpoints.sources import SOURCES, HubSource
from whisper_jax.model.alignment_heads import alignment_heads
from whisper_jax.model.dims import PUBLISHED, ModelDims
from whisper_jax.model.params import Leaf, WhisperParams, is_leaf, spec

DISTILLED = ("distil-small.en", "distil-medium.en", "distil-large-v2", "distil-large-v3")
DIMS = ModelDims(
    n_audio_state=128,
    n_audio_head=2,
    n_audio_layer=4,
    n_vocab=51_866,
    n_mels=128,
    n_text_state=128,
    n_text_head=2,
    n_text_layer=2,
)
"""Of the shape of distil-large-v3, but narrow."""


@pytest.fixture(scope="module")
def params() -> WhisperParams:
    rng = np.random.default_rng(0)

    def make(leaf: Leaf) -> np.ndarray:
        scale = 1.0 if leaf.scale is None else leaf.scale
        made = rng.standard_normal(leaf.shape) * scale * 3
        return (np.ones(leaf.shape) if leaf.scale is None else made).astype(np.float16)

    return jax.tree.map(make, spec(DIMS), is_leaf=is_leaf)


@pytest.fixture(scope="module")
def files(params: WhisperParams, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model in four formats."""
    folder = tmp_path_factory.mktemp("distil")
    arrays = {k: np.ascontiguousarray(a) for k, a in to_arrays(DIMS, params).items()}
    found = {"openai": write_pt(folder / "mine.pt", openai_content(DIMS, arrays))}
    found["hugging-face"] = folder / "hf"
    write_hugging_face(load_checkpoint(found["openai"]), found["hugging-face"])
    found["ggml"] = folder / "ggml-mine.bin"
    write_ggml(found["hugging-face"], found["ggml"], "f16")
    found["ctranslate2"] = folder / "ct2"
    found["ctranslate2"] = write_ct2(folder / "ct2", to_ct2(arrays))
    (found["ctranslate2"] / "tokenizer.json").write_bytes(
        (found["hugging-face"] / "tokenizer.json").read_bytes()
    )
    return found


@pytest.mark.parametrize("name", DISTILLED)
def test_the_published_ones_are_known(name: str) -> None:
    assert name in known_models()
    assert HubSource(repo=f"distil-whisper/{name}") in SOURCES[name]
    dims = PUBLISHED[name]
    assert dims.n_text_layer < dims.n_audio_layer
    heads = alignment_heads(dims, name)
    assert heads
    assert all(layer < dims.n_text_layer and head < dims.n_text_head for layer, head in heads)


@pytest.mark.parametrize("form", ["openai", "hugging-face", "ctranslate2", "ggml"])
def test_every_format_has_the_same_model(
    form: str, files: dict[str, Path], params: WhisperParams
) -> None:
    loaded = load_checkpoint(files[form])
    assert loaded.dims == DIMS
    same = jax.tree.map(lambda a, b: np.array_equal(a, b), params, loaded.params)
    assert jax.tree.all(same)


@pytest.mark.parametrize("form", ["hugging-face", "ctranslate2"])
def test_heads_of_the_model_that_taught_it_are_not_taken(
    form: str, files: dict[str, Path], tmp_path: Path
) -> None:
    """Files of distilled models often keep them, though they have no such layers."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in files[form].iterdir():
        (folder / path.name).symlink_to(path)
    name = "generation_config.json" if form == "hugging-face" else "config.json"
    (folder / name).unlink()
    (folder / name).write_text(json.dumps({"alignment_heads": [[7, 0], [10, 1]]}))
    loaded = load_checkpoint(folder)
    assert loaded.alignment_heads is None
    out = tmp_path / "out"
    write_hugging_face(loaded, out)
    assert load_checkpoint(out).alignment_heads == alignment_heads(DIMS) == ((1, 0), (1, 1))


def test_it_writes_text(files: dict[str, Path]) -> None:
    """Nonsense, since its weights are random, but all of the way to it."""
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * 16_000).astype(np.float32)
    with whisper_jax.load_model(
        files["hugging-face"], compute_type="float32", batch_size=2
    ) as model:
        result = model.transcribe(
            noise,
            language="yue",
            long_form="sequential",
            beam_size=1,
            temperature=0,
            max_new_tokens=6,
            logprob_threshold=None,
            no_speech_threshold=None,
        )
    assert result.duration == 3
    assert model.dims == DIMS
    assert all(0 <= token < DIMS.n_vocab for s in result.segments for token in s.tokens)
