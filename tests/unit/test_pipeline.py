"""`FlaxWhisperPipline`: its arguments, inputs and results are those of the earlier project."""

import inspect
import io
from pathlib import Path
from typing import Any

import fake_whisper as fake
import jax.numpy as jnp
import numpy as np
import pytest
from letters import at, said, words

import whisper_jax
from whisper_jax import FlaxWhisperPipline, pipeline
from whisper_jax.audio.decode import open_audio
from whisper_jax.errors import AudioError, OptionError
from whisper_jax.requests import Decode, Decoded, Encode

JFK = Path(__file__).parents[1] / "golden" / "data" / "jfk.flac"


class Loaded:
    """Stands for `load_model`; remembers what it was asked for, and every request to decode."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.decoded: list[Decode] = []

    def hear(self, window: Encode, how: Decode) -> Decoded:
        self.decoded.append(how)
        half = window.n_frames / 200
        start = f" {fake.first_second(window):g}"
        return said([at(0), *words(start), at(half), at(half), *words(" then"), at(2 * half)])

    def __call__(self, name: str, **options: Any) -> whisper_jax.Whisper:
        self.asked.append({"name": name, **options})
        return fake.whisper(self.hear, batch_size=options["batch_size"] or 4)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Loaded:
    made = Loaded()
    monkeypatch.setattr(pipeline, "load_model", made)
    return made


def test_its_arguments_are_those_of_the_original():
    constructor = inspect.signature(FlaxWhisperPipline).parameters
    assert {name: p.default for name, p in constructor.items()} == {
        "checkpoint": "openai/whisper-large-v2",
        "dtype": jnp.float32,
        "batch_size": None,
        "max_length": None,
    }
    call = inspect.signature(FlaxWhisperPipline.__call__).parameters
    assert {name: p.default for name, p in list(call.items())[2:]} == {
        "chunk_length_s": 30.0,
        "stride_length_s": None,
        "batch_size": None,
        "language": None,
        "task": None,
        "return_timestamps": None,
        "generate_kwargs": None,
    }
    assert list(call)[1] == "inputs"


@pytest.mark.parametrize(
    ("checkpoint", "name"),
    [
        ("openai/whisper-large-v2", "large-v2"),
        ("openai/whisper-large", "large-v1"),
        ("openai/whisper-tiny.en", "tiny.en"),
        ("distil-whisper/distil-large-v3", "distil-large-v3"),
        ("someone/whisper-mine", "someone/whisper-mine"),
        ("base", "base"),
    ],
)
def test_checkpoints_are_found_under_our_names(loaded: Loaded, checkpoint: str, name: str):
    made = FlaxWhisperPipline(checkpoint, dtype=jnp.bfloat16, batch_size=16)
    assert loaded.asked == [{"name": name, "compute_type": "bfloat16", "batch_size": 16}]
    assert (made.checkpoint, made.batch_size) == (checkpoint, 16)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, "bfloat16", np.dtype("float16")])
def test_types_that_can_be_computed_in(loaded: Loaded, dtype: Any):
    FlaxWhisperPipline("base", dtype=dtype)
    assert loaded.asked[0]["compute_type"] == jnp.dtype(dtype).name
    with pytest.raises(OptionError, match="dtype is int8; give jnp"):
        FlaxWhisperPipline("base", dtype=jnp.int8)


def test_the_result_is_a_dict_with_chunks_if_asked_for(loaded: Loaded):
    made = FlaxWhisperPipline("base")
    samples = fake.seconds(40)
    text = " 0 then 30 then"
    assert made(samples) == made(samples, return_timestamps=False) == {"text": text}
    outputs = made(samples, task="transcribe", return_timestamps=True)
    assert outputs == {
        "text": text,
        "chunks": [
            {"timestamp": (0.0, 15.0), "text": " 0"},
            {"timestamp": (15.0, 30.0), "text": " then"},
            {"timestamp": (30.0, 35.0), "text": " 30"},
            {"timestamp": (35.0, 40.0), "text": " then"},
        ],
    }
    assert "".join(chunk["text"] for chunk in outputs["chunks"]) == outputs["text"]


@pytest.mark.parametrize("language", ["<|de|>", "de", "german", "German", "<|DE|>"])
def test_languages_as_code_name_or_token(loaded: Loaded, language: str):
    special = FlaxWhisperPipline("base").model.tokenizer.special
    made = FlaxWhisperPipline("base")
    made(fake.seconds(2), language=language, task="translate")
    (asked,) = loaded.decoded
    assert asked.prompt[-3:] == (special.sot, special.languages["de"], special.translate)
    with pytest.raises(ValueError, match="klingon"):
        made(fake.seconds(2), language="klingon")


def test_windows_have_the_length_of_chunks(loaded: Loaded):
    made = FlaxWhisperPipline("base")
    assert made(fake.seconds(20), chunk_length_s=10)["text"] == " 0 then 10 then"
    assert made(fake.seconds(70), chunk_length_s=0)["text"] == " 0 then", "the first 30 s"
    assert made(fake.seconds(20), stride_length_s=0)["text"] == " 0 then"
    assert made(fake.seconds(20), stride_length_s=(0, 0))["text"] == " 0 then"
    for wrong in (0.5, 31, -1):
        with pytest.raises(OptionError, match="chunk_length_s"):
            made(fake.seconds(2), chunk_length_s=wrong)
    for stride in (5, [4, 2]):
        with pytest.raises(OptionError, match=r"stride_length_s.*leave it out"):
            made(fake.seconds(2), stride_length_s=stride)


def test_max_length_counts_the_prompt(loaded: Loaded):
    for max_length, expected in ((None, 224), (50, 47), (448, 224), (4, 1)):
        loaded.decoded.clear()
        FlaxWhisperPipline("base", max_length=max_length)(fake.seconds(2), language="en")
        assert loaded.decoded[0].max_tokens == expected
    with pytest.raises(OptionError, match="the prompt has 3 tokens"):
        FlaxWhisperPipline("base", max_length=3)


def test_generation_is_greedy_or_as_it_is_told(loaded: Loaded):
    made = FlaxWhisperPipline("base")
    for told, expected in (({}, 1), ({"num_beams": 3}, 3), ({"beam_size": 2}, 2)):
        loaded.decoded.clear()
        made(fake.seconds(2), language="en", generate_kwargs=told)
        assert loaded.decoded[0].beam_size == expected
    made(fake.seconds(2), language="en", generate_kwargs={"max_new_tokens": 9})
    assert loaded.decoded[-1].max_tokens == 9
    for told, expected in (
        ({"length_penalty": 1.0}, "length_penalty: it is an exponent there"),
        ({"do_sample": True}, "do_sample: give temperature"),
        ({"max_length": 9}, "max_length: give it to the constructor"),
        ({"language": "en"}, "language: give it as an argument"),
        ({"top_k": 3}, "no option top_k; there are: language"),
    ):
        with pytest.raises(OptionError, match=expected):
            made(fake.seconds(2), generate_kwargs=told)
    with pytest.raises(OptionError, match="give True or False"):
        made(fake.seconds(2), return_timestamps="word")  # pyright: ignore[reportArgumentType]
    with pytest.raises(OptionError, match="batch_size is 0"):
        made(fake.seconds(2), batch_size=0)
    with pytest.raises(OptionError, match="task"):
        made(fake.seconds(2), task="summarise")


def test_inputs_in_every_form(loaded: Loaded, monkeypatch: pytest.MonkeyPatch):
    made = FlaxWhisperPipline("base")
    with open_audio(JFK) as stream:
        samples = np.concatenate(list(stream.blocks()))
    expected = made(samples, language="en")
    given = {"array": samples, "sampling_rate": 16_000, "path": "unused"}
    for inputs in (str(JFK), JFK.read_bytes(), given, {"raw": samples, "sampling_rate": 16_000}):
        assert made(inputs, language="en") == expected
    assert sorted(given) == ["array", "path", "sampling_rate"], "it is the caller's"
    with pytest.raises(AudioError, match=r"missing\.mp3"):
        made("missing.mp3")


@pytest.mark.parametrize("rate", [8_000, 44_100, np.int64(48_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_samples_of_another_rate_are_resampled(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, rate: Any, dtype: Any
):
    heard: list[Any] = []
    made = FlaxWhisperPipline("base")
    monkeypatch.setattr(made.model, "transcribe", lambda audio, **_: heard.append(audio))
    monkeypatch.setattr(pipeline, "_result", lambda *_, **__: {})
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate) / 2
    array = (tone * 32768).astype(np.int16) if dtype is np.int16 else tone.astype(dtype)
    made({"array": array, "sampling_rate": rate})
    with open_audio(io.BytesIO(heard[0])) as stream:
        found = np.concatenate(list(stream.blocks()))
    assert len(found) == pytest.approx(32_000, abs=32)
    expected = np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000) / 2
    np.testing.assert_allclose(found[4000:28_000], expected[4000:28_000], atol=0.01)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"array": np.zeros(9)}, "inputs is none of"),
        ({"sampling_rate": 16_000}, "inputs is none of"),
        ({"array": [0.0], "sampling_rate": 16_000}, "inputs is none of"),
        ([0.0, 0.1], "inputs is none of"),
        (None, "inputs is none of"),
        (np.zeros((2, 9)), r"shape \(2, 9\); give one channel"),
        ({"array": np.zeros(9), "sampling_rate": "16k"}, "sampling_rate is '16k'"),
        ({"array": np.zeros(9), "sampling_rate": -8000}, "sampling_rate is -8000"),
        ({"array": np.zeros(9), "sampling_rate": 1 << 40}, "sampling_rate is"),
        ({"array": np.zeros(9), "sampling_rate": 16_000, "stride": (1, 1)}, "has a 'stride'"),
    ],
)
def test_inputs_that_are_refused(loaded: Loaded, inputs: Any, expected: str):
    with pytest.raises(ValueError, match=expected):
        FlaxWhisperPipline("base")(inputs)
