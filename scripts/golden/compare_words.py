"""Times of words beside openai-whisper's, on the same recordings and weights.

    python scripts/golden/compare_words.py RECORDS SPEECH_FOLDER [--compute-types float32 auto]

RECORDS is what ``record_windows.py --words`` wrote. Each recording is transcribed by us with
``word_timestamps`` in both ways and in each compute type; where both texts have a word, its start
and its end are compared. Two words are the same if their letters are, in the same order.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from whisper_jax import load_model
from whisper_jax.types import Transcript

NEAR_S = 0.1


@dataclass(frozen=True)
class Timed:
    """A word with its times in seconds."""

    letters: str
    start: float
    end: float

    @classmethod
    def of(cls, word: Any) -> "Timed":
        """Of one of our words, or of one of openai-whisper's."""
        letters = "".join(c for c in word["word"].lower() if c.isalnum())
        return cls(letters, word["start"], word["end"])


def words_of(segments: Iterable[Any]) -> list[Timed]:
    """All words of a transcript, punctuation alone left out."""
    words = [Timed.of(word) for segment in segments for word in segment["words"] or ()]
    return [word for word in words if word.letters]


def pairs(ours: Sequence[Timed], theirs: Sequence[Timed]) -> list[tuple[Timed, Timed]]:
    """The words that both have."""
    matcher = SequenceMatcher(
        a=[w.letters for w in ours], b=[w.letters for w in theirs], autojunk=False
    )
    return [
        (ours[block.a + k], theirs[block.b + k])
        for block in matcher.get_matching_blocks()
        for k in range(block.size)
    ]


def is_contained(transcript: Transcript) -> bool:
    """Whether all words run forward within their segments, which run forward."""
    times = [
        (
            segment.start,
            *(t for word in segment.words or () for t in (word.start, word.end)),
            segment.end,
        )
        for segment in transcript.segments
    ]
    return all(list(row) == sorted(row) for row in times)


def report(name: str, found: Sequence[tuple[str, list[tuple[Timed, Timed]]]]) -> None:
    """A line for each set: how many words are near in both times, and how near the others are."""
    by_set: dict[str, list[tuple[Timed, Timed]]] = defaultdict(list)
    for set_name, matched in found:
        by_set[set_name] += matched
    for set_name, matched in by_set.items():
        off = np.array([[abs(a.start - b.start), abs(a.end - b.end)] for a, b in matched])
        near = (off <= NEAR_S + 1e-9).all(axis=1).mean()
        print(
            f"{name:24s} {set_name:13s} {len(matched):5d} words, {100 * near:6.2f} % within "
            f"{NEAR_S} s; starts {100 * (off[:, 0] <= NEAR_S + 1e-9).mean():.2f} %, ends "
            f"{100 * (off[:, 1] <= NEAR_S + 1e-9).mean():.2f} %; mean {off.mean():.3f} s, "
            f"most {off.max():.2f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--compute-types", nargs="*", default=["float32", "auto"])
    parser.add_argument("--beam-size", type=int, default=1, help="as RECORDS was made; 1: greedy")
    parser.add_argument("--show", action="store_true", help="print each word that is not near")
    args = parser.parse_args()
    records = [json.loads(line) for line in args.records.read_text().splitlines()]
    paths = [args.speech / record["path"] for record in records]
    for compute_type in args.compute_types:
        with load_model(args.model, compute_type=compute_type) as model:
            for long_form in ("sequential", "parallel"):
                results = model.transcribe_batch(
                    paths,
                    on_error="raise",
                    language="en",
                    beam_size=args.beam_size,
                    long_form=long_form,
                    word_timestamps=True,
                )
                found = [
                    (record["set"], pairs(words_of(result.segments), words_of(record["segments"])))
                    for record, result in zip(records, results, strict=True)
                ]
                report(f"{compute_type} {long_form}", found)
                if not all(map(is_contained, results)):
                    print("   NOT ALL WORDS ARE WITHIN THEIR SEGMENTS")
                for ours, theirs in (pair for _, matched in found for pair in matched):
                    off = max(abs(ours.start - theirs.start), abs(ours.end - theirs.end))
                    if args.show and off > NEAR_S + 1e-9:
                        print(
                            f"   {ours.letters:14s} {ours.start:8.2f} {ours.end:8.2f} "
                            f"theirs {theirs.start:8.2f} {theirs.end:8.2f}"
                        )


if __name__ == "__main__":
    main()
