"""Whole transcriptions beside openai-whisper's, on the same weights, temperature 0, float32."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import goldens
import numpy as np
import pytest

import whisper_jax
from whisper_jax.scoring import error_rate, normalise

MODELS = ("base", "tiny.en")
GREEDY = {"long_form": "sequential", "beam_size": 1, "temperature": 0.0}
"""How the reference was run where a case says nothing else; the defaults are others."""
SHORT = [
    (model, t["clip"], t["case"])
    for model in MODELS
    for t in goldens.transcripts(model)
    if t["windows"] and len(t["windows"]) == 1
]
LONG = [
    (model, t["clip"], t["case"])
    for model in MODELS
    for t in goldens.transcripts(model)
    if len(t["windows"]) > 1
]


@pytest.fixture(scope="module")
def tiny_en_model() -> Iterator[whisper_jax.Whisper]:
    with whisper_jax.load_model("tiny.en", compute_type="float32") as model:
        yield model


@pytest.fixture
def model_of(
    base_model: whisper_jax.Whisper, tiny_en_model: whisper_jax.Whisper
) -> dict[str, whisper_jax.Whisper]:
    return {"base": base_model, "tiny.en": tiny_en_model}


@pytest.mark.weights
@pytest.mark.parametrize(("name", "clip", "case"), SHORT)
def test_a_window_has_the_reference_text_times_and_scores(
    name: str, clip: str, case: str, model_of: dict[str, whisper_jax.Whisper]
) -> None:
    golden = goldens.case(name, clip, case)
    result = model_of[name].transcribe(goldens.clip_path(clip), **(GREEDY | golden["options"]))
    expected = golden["result"]
    assert result.text == expected["text"]
    assert result.language == expected["language"]
    assert len(result.segments) == len(expected["segments"])
    for ours, theirs in zip(result.segments, expected["segments"], strict=True):
        assert list(ours.tokens) == theirs["tokens"]
        assert ours.text == theirs["text"]
        for key in ("id", "seek", "start", "end", "temperature"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-9), key
        for key in ("avg_logprob", "compression_ratio", "no_speech_prob"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-3), key


@pytest.mark.weights
@pytest.mark.parametrize(("name", "clip", "case"), LONG)
def test_long_recordings_have_the_reference_text_and_windows(
    name: str, clip: str, case: str, model_of: dict[str, whisper_jax.Whisper]
) -> None:
    golden = goldens.case(name, clip, case)
    result = model_of[name].transcribe(goldens.clip_path(clip), **(GREEDY | golden["options"]))
    expected = [segment for segment in golden["result"]["segments"] if segment["text"].strip()]
    assert result.text == golden["result"]["text"]
    assert [list(segment.tokens) for segment in result.segments] == [s["tokens"] for s in expected]
    assert [segment.seek for segment in result.segments] == [s["seek"] for s in expected]
    starts = [segment.start for segment in result.segments]
    assert starts == sorted(starts)


@pytest.mark.weights
def test_levels_of_what_cannot_be_read_twice_are_those_heard_so_far(
    base_model: whisper_jax.Whisper,
) -> None:
    """A pipe: a few words may differ from the reference's."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    golden = goldens.case("base", "lj_long", "given")
    piped = base_model.transcribe(
        Pipe(goldens.clip_path("lj_long").read_bytes()), language="en", **GREEDY
    )
    reference = goldens.clips()["lj_long"]["text"]
    ours = error_rate([reference], [piped.text], "en")
    theirs = error_rate([reference], [golden["result"]["text"]], "en")
    assert ours.errors <= theirs.errors + 2


@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "compute_type"),
    [
        ("tiny.en", "bfloat16"),
        ("base", "bfloat16"),
        ("base", "float16"),
        ("base", "int8_float32"),
        ("base", "int8_bfloat16"),
    ],
)
def test_every_compute_type_has_every_word_of_jfk(name: str, compute_type: Any) -> None:
    with whisper_jax.load_model(name, compute_type=compute_type) as model:
        text = model.transcribe(goldens.clip_path("jfk"), language="en", **GREEDY).text
    assert normalise(text, "en") == normalise(goldens.clips()["jfk"]["text"], "en")


@pytest.mark.weights
def test_text_does_not_depend_on_what_else_is_being_transcribed(
    base_model: whisper_jax.Whisper,
) -> None:
    names = ["jfk", "lj", "de", "zh", "lj_long"]
    alone = [base_model.transcribe(goldens.clip_path(name), **GREEDY) for name in names]
    paths = [goldens.clip_path(name) for name in names] * 2
    together = base_model.transcribe_batch(paths, **GREEDY)
    # On a busy machine the last bits of scores may differ.
    for one, other in zip(together, alone * 2, strict=True):
        assert (one.text, one.language) == (other.text, other.language)
        assert [without_scores(s) for s in one.segments] == [
            without_scores(s) for s in other.segments
        ]
        for segment, same in zip(one.segments, other.segments, strict=True):
            assert segment.avg_logprob == pytest.approx(same.avg_logprob, abs=1e-4)
            assert segment.no_speech_prob == pytest.approx(same.no_speech_prob, abs=1e-4)


def without_scores(segment: whisper_jax.Segment) -> whisper_jax.Segment:
    return replace(segment, avg_logprob=0.0, no_speech_prob=0.0)


@pytest.mark.weights
def test_languages_are_detected_as_by_the_reference(base_model: whisper_jax.Whisper) -> None:
    import json

    golden = json.loads((goldens.DATA / "base_languages.json").read_text())["languages"]
    for name, probabilities in golden.items():
        result = base_model.transcribe(goldens.clip_path(name), **GREEDY)
        best = max(probabilities, key=lambda code: probabilities[code])
        assert result.language == best
        # The reference hears 30 s of silence after a short clip where we hear padding.
        assert result.language_probability == pytest.approx(probabilities[best], abs=0.1)


@pytest.mark.weights
def test_the_same_samples_in_any_form_give_the_same_transcript(
    base_model: whisper_jax.Whisper,
) -> None:
    path = goldens.clip_path("jfk")
    expected = base_model.transcribe(path, language="en", **GREEDY)
    with path.open("rb") as file:
        forms = [path.read_bytes(), file, goldens.samples("jfk")]
        for form in forms:
            assert base_model.transcribe(form, language="en", **GREEDY) == expected


@pytest.mark.weights
def test_silence_noise_and_what_is_too_short_end_in_peace(
    base_model: whisper_jax.Whisper,
) -> None:
    rng = np.random.default_rng(0)
    silence = np.zeros(16_000 * 35, np.float32)
    noise = rng.normal(0, 0.05, 16_000 * 5).astype(np.float32)
    short = noise[:1600]
    nothing = noise[:100]
    empty = noise[:0]
    results = base_model.transcribe_batch(
        [silence, noise, short, nothing, empty], language="en", **GREEDY
    )
    assert all(result.error is None for result in results)
    assert [result.duration for result in results[2:]] == [0.1, 100 / 16_000, 0.0]
    assert results[3].segments == results[4].segments == ()
    for result in results:
        for segment in result.segments:
            assert segment.start < segment.end <= result.duration + 30
