"""Any format becomes a Hugging Face folder: the same weights, and all that transformers wants."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file
from test_checkpoints_files import DIMS, assert_same, random_hf, to_ct2, write_ct2, write_hf
from tokenizers import Tokenizer
from typer.testing import CliRunner

from torch_files_made import openai_content, write_pt
from whisper_jax.checkpoints import convert, load_checkpoint
from whisper_jax.checkpoints.convert import write_hugging_face
from whisper_jax.checkpoints.load import Checkpoint
from whisper_jax.cli.models import app
from whisper_jax.errors import CheckpointError, OptionError
from whisper_jax.text import load_tokenizer

SIZES = {51_864: 50_256, 51_865: 50_257, 51_866: 50_257}
"""Text tokens by size of the vocabulary."""
EMBEDDING = "model.decoder.embed_tokens.weight"


def arrays_of(n_vocab: int, dtype: Any = np.float16) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    embedding = rng.standard_normal((n_vocab, 8)).astype(dtype)
    return {**random_hf(dtype=dtype), EMBEDDING: embedding}


def source(folder: Path, n_vocab: int = 51_865, dtype: Any = np.float16) -> Checkpoint:
    """A checkpoint that is a file alone."""
    dims = replace(DIMS, n_vocab=n_vocab)
    content = openai_content(dims, arrays_of(n_vocab, dtype))
    return load_checkpoint(write_pt(folder / "mine.pt", content))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("n_vocab", SIZES)
def test_what_is_written_is_read_again(tmp_path: Path, n_vocab: int) -> None:
    given = source(tmp_path, n_vocab)
    out = tmp_path / "deep" / "out"
    write_hugging_face(given, out)
    again = load_checkpoint(out)
    assert_same(given, again)
    assert again.params.decoder.embedding.dtype == np.float16
    assert read(out / "config.json")["dtype"] == "float16"
    ours, theirs = load_tokenizer(None, n_vocab), load_tokenizer(out, n_vocab)
    text = "Hello world's 1234 Übermut 你好，世界 \n"
    assert ours.encode(text) == theirs.encode(text)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (out / name).unlink()
    assert load_tokenizer(out, n_vocab).encode(text) == ours.encode(text), "vocab.json, merges.txt"
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {
        (tmp_path / "mine.pt").stat().st_mode & 0o777
    }


@pytest.mark.parametrize("n_vocab", SIZES)
def test_the_tokenizer_has_every_token_by_its_id(tmp_path: Path, n_vocab: int) -> None:
    out = tmp_path / "out"
    write_hugging_face(source(tmp_path, n_vocab), out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    special = load_tokenizer(None, n_vocab).special
    assert tokenizer.get_vocab_size() == n_vocab
    assert tokenizer.token_to_id("<|endoftext|>") == SIZES[n_vocab]
    assert tokenizer.token_to_id("<|30.00|>") == n_vocab - 1
    assert tokenizer.id_to_token(special.no_timestamps) == "<|notimestamps|>"
    assert tokenizer.decode([special.sot, 0, special.no_timestamps]) == "!"
    assert tokenizer.encode("<|transcribe|>!").ids == [special.transcribe, 0]


def test_what_generation_is_told_follows_from_the_vocabulary(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_hugging_face(source(tmp_path), out)
    config = read(out / "generation_config.json")
    # As the published generation_config.json of whisper-base has it.
    assert config["suppress_tokens"][:8] == [1, 2, 7, 8, 9, 10, 14, 25]
    assert config["suppress_tokens"][-6:] == [50258, 50358, 50359, 50360, 50361, 50362]
    assert len(config["suppress_tokens"]) == 88
    assert config["begin_suppress_tokens"] == [220, 50257]
    assert config["no_timestamps_token_id"] == 50363
    assert config["lang_to_id"]["<|zh|>"] == 50260
    assert config["task_to_id"] == {"transcribe": 50359, "translate": 50358}
    assert config["alignment_heads"] == [[0, 0], [0, 1]], "a model that no table knows"
    write_hugging_face(source(tmp_path / "en", 51_864), tmp_path / "en" / "out")
    english = read(tmp_path / "en" / "out" / "generation_config.json")
    assert not english["is_multilingual"]
    assert not {"lang_to_id", "task_to_id"} & set(english)
    assert english["begin_suppress_tokens"] == [220, 50256]


def test_what_the_files_say_about_generation_is_kept(tmp_path: Path) -> None:
    arrays = arrays_of(51_865)
    first = tmp_path / "first"
    write_hugging_face(source(tmp_path), first)
    ct2 = write_ct2(tmp_path / "ct2", to_ct2(arrays))
    said = {"suppress_ids": [5], "suppress_ids_begin": [6], "alignment_heads": [[0, 1]]}
    (ct2 / "config.json").write_text(json.dumps(said))
    (ct2 / "tokenizer.json").write_bytes((first / "tokenizer.json").read_bytes())
    second, third = tmp_path / "second", tmp_path / "third"
    write_hugging_face(load_checkpoint(ct2), second)
    config = read(second / "generation_config.json")
    assert config["suppress_tokens"] == [5]
    assert config["begin_suppress_tokens"] == [6]
    assert config["alignment_heads"] == [[0, 1]]
    (second / "generation_config.json").write_text(json.dumps({**config, "num_beams": 3}))
    write_hugging_face(load_checkpoint(second), third)
    assert read(third / "generation_config.json") == {**config, "num_beams": 3}
    assert load_checkpoint(third).alignment_heads == ((0, 1),)


@pytest.mark.parametrize("dtype", convert.STORED_TYPES)
def test_weights_in_another_type(tmp_path: Path, dtype: Any) -> None:
    given = source(tmp_path, dtype=np.float32)
    out = tmp_path / "out"
    write_hugging_face(given, out, dtype)
    found = load_file(out / "model.safetensors")
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    assert {array.dtype for array in found.values()} <= {kind, np.dtype(np.float32)}
    assert found[EMBEDDING].dtype == kind
    assert_same(given, load_checkpoint(out), atol=0.05)
    assert read(out / "config.json")["dtype"] == dtype


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    arrays = arrays_of(51_865, np.float32)
    arrays["model.encoder.conv1.bias"] *= 1e6
    dims = replace(DIMS, n_vocab=51_865)
    given = load_checkpoint(write_pt(tmp_path / "mine.pt", openai_content(dims, arrays)))
    with pytest.raises(OptionError, match="do not fit into float16: take float32 or bfloat16"):
        write_hugging_face(given, tmp_path / "out", "float16")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OptionError, match="no type 'int4' to write; there are: float32"):
        write_hugging_face(given, tmp_path / "out", "int4")  # pyright: ignore


def test_nothing_is_left_of_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    given = source(tmp_path)
    monkeypatch.setattr(convert.safetensors_hf, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_hugging_face(given, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pt"]


def test_what_stands_there_is_not_replaced(tmp_path: Path) -> None:
    given = source(tmp_path)
    (tmp_path / "empty").mkdir()
    write_hugging_face(given, tmp_path / "empty")
    for taken in ("empty", "mine.pt"):
        with pytest.raises(OptionError, match="is there already"):
            write_hugging_face(given, tmp_path / taken)


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    folder = write_hf(tmp_path / "hf", arrays_of(51_865), vocab_size=51_865)
    with pytest.raises(CheckpointError, match=r"lacks tokenizer\.json"):
        write_hugging_face(load_checkpoint(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    source(tmp_path)
    run = CliRunner().invoke
    given, out = str(tmp_path / "mine.pt"), tmp_path / "out"
    done = run(app, ["convert", given, str(out), "--dtype", "bfloat16"])
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    assert load_file(out / "model.safetensors")[EMBEDDING].dtype == ml_dtypes.bfloat16
    for arguments, code, expected in (
        ([given, str(out)], 2, "is there already"),
        ([given, str(tmp_path / "b"), "--dtype", "int8"], 2, "there are: stored, float32"),
        ([str(tmp_path / "nothing"), str(tmp_path / "b")], 1, "no model, folder or file"),
        ([given, str(tmp_path / "mine.pt" / "b")], 1, "mine.pt"),
    ):
        done = run(app, ["convert", *arguments])
        assert done.exit_code == code
        assert "whisper-jax: " in done.output
        assert expected in done.output.replace("\n", " ")
