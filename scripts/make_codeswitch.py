"""Make code-switched clips by joining utterances of different languages of a manifest.

    python scripts/make_codeswitch.py MANIFEST --output FOLDER

The utterances are those of the sets whose names begin with ``cv_``. Two to five of them, each in
another language than the one before, follow each other with pauses of 0.2 to 0.8 s, each as loud
as it was recorded. The folder gets a ``manifest.jsonl`` with times, language and text of every
piece. The same seed makes the same clips.

Speakers change with the language, so this is not spontaneous code-switching, whose references are
hard to come by freely. It asks the same of a system: to notice the change, and to write both.
"""

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from golden.make_clips import SAMPLE_RATE, decode, encode

from whisper_jax.checkpoints.cache import read_settings

UTTERANCES = "cv_"
N_PIECES = (2, 5)
DURATION_S = (8.0, 60.0)
PAUSE_S = (0.2, 0.8)
MANDARIN_ENGLISH = ("zh", "en")
EUROPEAN = ("en", "de", "fr")
KINDS = (MANDARIN_ENGLISH, EUROPEAN, None, MANDARIN_ENGLISH, EUROPEAN)
"""The languages of clips in turn; None is for two or three drawn from all, one at least of which
is in neither of the other groups."""

type Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """An utterance and the silence after it."""

    row: Row
    samples: np.ndarray
    pause: int

    @property
    def language(self) -> str:
        return primary(self.row["language"])


def primary(tag: str) -> str:
    return tag.partition("-")[0]


def endless(rows: Sequence[Row], rng: random.Random) -> Iterator[Row]:
    """The rows in an order of chance, again and again: none comes twice before all came."""
    while True:
        yield from rng.sample(rows, len(rows))


def draw_languages(
    kind: tuple[str, ...] | None, known: Sequence[str], rng: random.Random
) -> list[str]:
    """As many languages as the clip has pieces, each different from the one before."""
    if kind is None:
        common = {*MANDARIN_ENGLISH, *EUROPEAN}
        rare = rng.choice([one for one in known if one not in common])
        others = [one for one in known if one != rare]
        kind = (rare, *rng.sample(others, rng.randint(1, 2)))
    languages = [rng.choice(kind)]
    for _ in range(rng.randint(*N_PIECES) - 1):
        languages.append(rng.choice([one for one in kind if one != languages[-1]]))
    return languages


def draw_clip(
    kind: tuple[str, ...] | None,
    decks: dict[str, Iterator[Row]],
    folder: Path,
    rng: random.Random,
) -> list[Piece]:
    """The pieces of one clip; drawn again if together they are too short or too long."""
    while True:
        pieces = []
        for language in draw_languages(kind, tuple(decks), rng):
            row = next(decks[language])
            samples = decode(folder / row["path"], "s16")
            pause = round(rng.uniform(*PAUSE_S) * SAMPLE_RATE)
            pieces.append(Piece(row=row, samples=samples, pause=pause))
        n_samples = sum(len(piece.samples) + piece.pause for piece in pieces) - pieces[-1].pause
        if DURATION_S[0] <= n_samples / SAMPLE_RATE <= DURATION_S[1]:
            return pieces


def write_clip(pieces: Sequence[Piece], number: int, folder: Path) -> Row:
    """Write the clip and return its row of the manifest."""
    languages = list(dict.fromkeys(piece.language for piece in pieces))
    parts: list[np.ndarray] = []
    segments: list[Row] = []
    position = 0
    for piece in pieces:
        stop = position + len(piece.samples)
        segments.append(
            {
                "start": round(position / SAMPLE_RATE, 3),
                "end": round(stop / SAMPLE_RATE, 3),
                "language": piece.row["language"],
                "text": piece.row["text"],
                "path": piece.row["path"],
            }
        )
        parts += [piece.samples, np.zeros(piece.pause, np.int16)]
        position = stop + piece.pause
    samples = np.concatenate(parts[:-1])
    name = f"{number:02}_{'-'.join(languages)}.flac"
    encode(samples, folder / name)
    return {
        "path": name,
        "set": "codeswitch_joined",
        "language": "+".join(languages),
        "text": "\n".join(segment["text"] for segment in segments),
        "duration_s": round(len(samples) / SAMPLE_RATE, 3),
        "licence": "; ".join(sorted({piece.row.get("licence", "") for piece in pieces})),
        "source": "utterances of different speakers joined (not spontaneous code-switching)",
        "segments": segments,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="manifest.jsonl; paths are relative to it")
    parser.add_argument("--output", type=Path, help="default: codeswitch/ in the cache")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    rows: dict[str, list[Row]] = {}
    for line in args.manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["set"].startswith(UTTERANCES):
            rows.setdefault(primary(row["language"]), []).append(row)
    decks = {language: endless(own, rng) for language, own in rows.items()}
    output = args.output or read_settings().cache / "codeswitch"
    output.mkdir(parents=True, exist_ok=True)
    clips = [
        write_clip(
            draw_clip(KINDS[number % len(KINDS)], decks, args.manifest.parent, rng), number, output
        )
        for number in range(args.clips)
    ]
    # Written last: with it the folder is whole.
    text = "".join(json.dumps(clip, ensure_ascii=False) + "\n" for clip in clips)
    (output / "manifest.jsonl").write_text(text, encoding="utf-8")
    print(f"{len(clips)} clips, {sum(clip['duration_s'] for clip in clips) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
