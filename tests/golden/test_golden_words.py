"""Words and their times beside openai-whisper's, on the same weights, temperature 0."""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

import goldens
import pytest

import whisper_jax
from whisper_jax.types import Segment, Word

NEAR_S = 0.1 + 1e-9
GREEDY = {"beam_size": 1, "temperature": 0.0}
CASES = [
    (model, t["clip"], t["case"])
    for model in ("base", "tiny.en")
    for t in goldens.transcripts(model)
    if t["options"].get("word_timestamps")
]
BASE = [goldens.case(*names) for names in CASES if names[0] == "base"]


@pytest.fixture(scope="module")
def model_of(base_model: whisper_jax.Whisper) -> Iterator[dict[str, whisper_jax.Whisper]]:
    with whisper_jax.load_model("tiny.en", compute_type="float32") as tiny_en:
        yield {"base": base_model, "tiny.en": tiny_en}


def words_of(segments: Iterable[Any]) -> list[Any]:
    return [word for segment in segments for word in segment["words"]]


def is_near(ours: Word, theirs: dict[str, Any]) -> bool:
    off = (abs(ours.start - theirs["start"]), abs(ours.end - theirs["end"]))
    return max(off) <= NEAR_S


def same_words(ours: list[Word], theirs: list[dict[str, Any]]) -> list[tuple[Word, dict[str, Any]]]:
    """The words that both have, whatever signs stand at them."""
    letters = [
        ["".join(c for c in word["word"].lower() if c.isalnum()) for word in words]
        for words in (ours, theirs)
    ]
    blocks = SequenceMatcher(None, *letters, autojunk=False).get_matching_blocks()
    return [(ours[b.a + k], theirs[b.b + k]) for b in blocks for k in range(b.size)]


def check_segments(segments: Iterable[Segment]) -> None:
    """Words make up their segment's text, lie within it and run forward, as segments do."""
    reached = 0.0
    for segment in segments:
        assert segment.words
        assert "".join(word.word for word in segment.words) == segment.text
        times = [time for word in segment.words for time in (word.start, word.end)]
        row = [reached, segment.start, *times, segment.end]
        assert row == sorted(row)
        assert all(0 <= word.probability <= 1 for word in segment.words)
        reached = segment.end


@pytest.mark.weights
@pytest.mark.parametrize(("name", "clip", "case"), CASES)
def test_window_after_window_every_word_is_where_the_reference_has_it(
    name: str, clip: str, case: str, model_of: dict[str, whisper_jax.Whisper]
) -> None:
    golden = goldens.case(name, clip, case)
    result = model_of[name].transcribe(
        goldens.clip_path(clip), long_form="sequential", **(GREEDY | golden["options"])
    )
    ours, theirs = words_of(result.segments), words_of(golden["result"]["segments"])
    assert [word.word for word in ours] == [word["word"] for word in theirs]
    assert [pair for pair in zip(ours, theirs, strict=True) if not is_near(*pair)] == []
    for word, expected in zip(ours, theirs, strict=True):
        assert word.probability == pytest.approx(expected["probability"], abs=1e-3)
    check_segments(result.segments)


@pytest.mark.weights
def test_with_the_defaults_nine_of_ten_words_are_where_the_reference_has_them() -> None:
    """Regions in parallel, in the number types of ``auto``: windows lie elsewhere."""
    with whisper_jax.load_model("base") as model:
        results = [
            model.transcribe(goldens.clip_path(golden["clip"]), **(GREEDY | golden["options"]))
            for golden in BASE
        ]
    n_words, pairs = 0, []
    for golden, result in zip(BASE, results, strict=True):
        check_segments(result.segments)
        theirs = words_of(golden["result"]["segments"])
        n_words += len(theirs)
        pairs += same_words(words_of(result.segments), theirs)
    assert len(pairs) >= 0.95 * n_words, "the texts are nearly the same"
    assert sum(is_near(*pair) for pair in pairs) >= 0.9 * len(pairs)
