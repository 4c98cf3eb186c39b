"""The published weights of base in every format: the same tokens from all."""

from collections.abc import Iterator
from pathlib import Path

import goldens
import jax
import numpy as np
import pytest

import whisper_jax
from torch_files_made import openai_content, write_pt
from whisper_jax.bench.peers.ggml import write_ggml
from whisper_jax.checkpoints.convert import write_hugging_face
from whisper_jax.checkpoints.load import Checkpoint, load_checkpoint
from whisper_jax.checkpoints.safetensors_hf import to_arrays
from whisper_jax.scoring import error_rate

CLIPS = ("jfk", "lj", "de", "zh")
GREEDY = {"long_form": "sequential", "beam_size": 1, "temperature": 0.0}


@pytest.fixture(scope="module")
def source(base_folder: Path) -> Checkpoint:
    return load_checkpoint(base_folder)


def write_form(form: str, source: Checkpoint, folder: Path) -> Path:
    if form == "hugging-face":
        write_hugging_face(source, folder / form)
        return folder / form
    if form == "hugging-face float32":
        write_hugging_face(source, folder / form, "float32")
        return folder / form
    if form == "openai":
        arrays = to_arrays(source.dims, source.params)
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        return write_pt(folder / "base.pt", openai_content(source.dims, contiguous))
    path = folder / f"ggml-{form}.bin"
    write_ggml(source.file.parent, path, form)
    return path


@pytest.fixture
def model_in(
    source: Checkpoint,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[whisper_jax.Whisper]:
    """base in the form of the parameter; its converted weights are not kept."""
    monkeypatch.setenv("WHISPER_JAX_WEIGHTS_GB", "0")
    path = write_form(request.param, source, tmp_path)
    loaded = load_checkpoint(path)
    same = jax.tree.map(np.array_equal, source.params, loaded.params)
    assert jax.tree.all(same) == (not request.param.startswith("q"))
    with whisper_jax.load_model(path, compute_type="float32") as model:
        yield model


@pytest.mark.weights
@pytest.mark.parametrize(
    "model_in",
    ["openai", "hugging-face", "hugging-face float32", "f16"],
    indirect=True,
)
def test_the_same_tokens_in_every_format(
    model_in: whisper_jax.Whisper, base_model: whisper_jax.Whisper
) -> None:
    paths = [goldens.clip_path(name) for name in CLIPS]
    assert model_in.transcribe_batch(paths, **GREEDY) == base_model.transcribe_batch(
        paths, **GREEDY
    )
    golden = goldens.case("base", "jfk", "given")["result"]
    result = model_in.transcribe(paths[0], language="en", **GREEDY)
    assert [list(s.tokens) for s in result.segments] == [s["tokens"] for s in golden["segments"]]


@pytest.mark.weights
@pytest.mark.parametrize("model_in", ["q8_0", "q5_0", "q5_1"], indirect=True)
def test_quantised_files_have_the_words(model_in: whisper_jax.Whisper) -> None:
    for name in ("jfk", "lj"):
        text = model_in.transcribe(goldens.clip_path(name), language="en", **GREEDY).text
        assert error_rate([goldens.clips()[name]["text"]], [text], "en").errors <= 1
