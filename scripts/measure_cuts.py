"""Is anything that is spoken lost or doubled where a recording is cut?

    python scripts/measure_cuts.py MANIFEST --sets crimson_long,lj_long,udhr,fleurs_long

Cuts are those that the cutter makes at silences, with several lengths of regions and beginnings of
the recording, so that there are enough of them. Around each, 30 s are transcribed

- whole, as one window: this is the reference;
- cut, as two windows: what stands before the cut, and what follows it;
- shifted, as one window that begins 1 s later: what a window does to a text without any cut.

All with the default settings, so each by the rules of a region. The words of cut and shifted are
aligned with those of whole, and substitutions, insertions and deletions within 5 s of the cut are
counted; a word's time is taken from its place in its segment. If cut has no more insertions and
deletions than shifted, nothing is lost or doubled at the cuts.
"""

import argparse
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import jiwer
import numpy as np

import whisper_jax
from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.units import FRAMES_PER_SECOND, SAMPLE_RATE
from whisper_jax.evaluate import Clip, read_manifest, select_clips
from whisper_jax.options import TranscribeOptions
from whisper_jax.scoring import normalise
from whisper_jax.speech.cutting import Cutting

CHUNK_LENGTHS = (10.0, 12.0, 15.0, 20.0, 25.0, 30.0)
BEGINNINGS_S = range(0, 30, 3)
SAME_CUT_S = 0.1
AROUND_S = 15.0
NEAR_S = 5.0
SHIFT_S = 1.0
CHANGES = ("substitute", "insert", "delete")

type Window = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A cut at a silence: a region ends, and the next one begins, in seconds."""

    clip: Clip
    stop: float
    start: float
    duration: float

    @property
    def middle(self) -> float:
        return (self.stop + self.start) / 2

    @property
    def whole(self) -> Window:
        return max(0.0, self.middle - AROUND_S), min(self.duration, self.middle + AROUND_S)


@dataclass(frozen=True, kw_only=True)
class Word:
    text: str
    time: float


def cuts_of(clip: Clip) -> list[Cut]:
    """Each silence that the cutter cuts at, with some length of regions and beginning, once."""
    with open_audio(clip.path) as stream:
        samples = np.concatenate(list(stream.blocks()))
    found: dict[int, Cut] = {}
    for chunk_length, beginning_s in product(CHUNK_LENGTHS, BEGINNINGS_S):
        cutting = Cutting(TranscribeOptions(chunk_length=chunk_length, language="en"))
        regions = cutting.push(samples[beginning_s * SAMPLE_RATE :])
        for before, after in pairwise(regions + cutting.finish()):
            if before.speech[-1][1] < after.speech[0][0]:
                cut = Cut(
                    clip=clip,
                    stop=beginning_s + before.stop / FRAMES_PER_SECOND,
                    start=beginning_s + after.start / FRAMES_PER_SECOND,
                    duration=len(samples) / SAMPLE_RATE,
                )
                found.setdefault(round(cut.middle / SAME_CUT_S), cut)
    # Nearer to an end than that, the windows are not those of a long recording.
    return [cut for cut in found.values() if NEAR_S < cut.middle < cut.duration - NEAR_S]


def passes(windows: Sequence[Window]) -> list[list[int]]:
    """Windows put together so that those of a pass do not overlap: places in the sequence."""
    groups: list[list[int]] = []
    for i in sorted(range(len(windows)), key=windows.__getitem__):
        for group in groups:
            if windows[group[-1]][1] < windows[i][0]:
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def words_of(segments: Sequence[whisper_jax.Segment], language: str) -> list[Word]:
    words: list[Word] = []
    for segment in segments:
        texts = normalise(segment.text, language).split()
        for i, text in enumerate(texts):
            share = (i + 0.5) / len(texts)
            time = segment.start + share * (segment.end - segment.start)
            words.append(Word(text=text, time=time))
    return words


def transcribe_windows(
    model: whisper_jax.Whisper, clip: Clip, windows: Sequence[Window], workers: ThreadPoolExecutor
) -> list[list[Word]]:
    """The words of each window of a recording."""
    language = clip.given_language or "en"

    def run(group: list[int]) -> tuple[whisper_jax.Segment, ...]:
        return model.transcribe(
            clip.path,
            language=language,
            clip_timestamps=[time for i in group for time in windows[i]],
        ).segments

    groups = passes(windows)
    found: list[list[Word]] = [[] for _ in windows]
    for group, segments in zip(groups, workers.map(run, groups), strict=True):
        for i in group:
            first, last = (round(time * FRAMES_PER_SECOND) for time in windows[i])
            own = [segment for segment in segments if first <= segment.seek < last]
            found[i] = words_of(own, language)
    return found


def changes_near(reference: list[Word], other: list[Word], time: float) -> list[tuple[str, str]]:
    """What kind of change, and of which words, for each one near a time."""
    if not reference or not other:
        kind = "delete" if reference else "insert"
        return [(kind, w.text) for w in reference + other if abs(w.time - time) <= NEAR_S]
    aligned = jiwer.process_words(
        " ".join(word.text for word in reference), " ".join(word.text for word in other)
    )
    found: list[tuple[str, str]] = []
    for chunk in aligned.alignments[0]:
        if chunk.type == "equal":
            continue
        ours = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        theirs = other[chunk.hyp_start_idx : chunk.hyp_end_idx]
        for i in range(max(len(ours), len(theirs))):
            word = ours[i] if i < len(ours) else theirs[i]
            if abs(word.time - time) <= NEAR_S:
                pair = f"{ours[i].text if ours else ''} > {theirs[i].text if theirs else ''}"
                found.append((chunk.type, pair))
    return found


def measure(
    model: whisper_jax.Whisper, cuts: Sequence[Cut], workers: ThreadPoolExecutor, show: bool
) -> dict[str, dict[str, int]]:
    """Changes of each kind, of the cuts of one recording, ``cut`` and ``shifted``."""

    whole = [cut.whole for cut in cuts]
    before = [(cut.whole[0], cut.stop) for cut in cuts]
    after = [(cut.start, cut.whole[1]) for cut in cuts]
    shift = [(a + SHIFT_S, min(b + SHIFT_S, cuts[0].duration)) for a, b in whole]
    windows = [*whole, *before, *after, *shift]
    words = iter(transcribe_windows(model, cuts[0].clip, windows, workers))
    in_whole, in_before, in_after, in_shifted = ([next(words) for _ in cuts] for _ in range(4))
    counts = {name: dict.fromkeys(("words", *CHANGES), 0) for name in ("cut", "shifted")}
    for i, cut in enumerate(cuts):
        n_near = sum(abs(word.time - cut.middle) <= NEAR_S for word in in_whole[i])
        for name, found in (("cut", in_before[i] + in_after[i]), ("shifted", in_shifted[i])):
            counts[name]["words"] += n_near
            for kind, pair in changes_near(in_whole[i], found, cut.middle):
                counts[name][kind] += 1
                if show and kind != "substitute":
                    print(f"  {cut.middle:7.2f} {name:8s} {kind:8s} {pair}", flush=True)
    return counts


def add(totals: dict[str, dict[str, int]], counts: dict[str, dict[str, int]]) -> None:
    for name, numbers in counts.items():
        total = totals.setdefault(name, dict.fromkeys(numbers, 0))
        for key, number in numbers.items():
            total[key] += number


def print_counts(title: str, counts: dict[str, dict[str, int]]) -> None:
    print(title)
    for name, numbers in counts.items():
        print(f"  {name:8s} " + "  ".join(f"{key} {number}" for key, number in numbers.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--sets", help="names of sets with commas between; all by default")
    parser.add_argument("--model", default="base")
    parser.add_argument("--compute-type", default="float32", help="float32 or bfloat16")
    parser.add_argument("--cuts", type=int, default=300, help="how many cuts are drawn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8, help="transcriptions at once")
    parser.add_argument("--show", action="store_true", help="print each insertion and deletion")
    args = parser.parse_args()
    sets = args.sets.split(",") if args.sets else None
    clips = select_clips(read_manifest(args.manifest), sets=sets)
    cuts = [cut for clip in clips for cut in cuts_of(clip)]
    chosen = random.Random(args.seed).sample(cuts, min(args.cuts, len(cuts)))
    print(f"{len(chosen)} of {len(cuts)} cuts at silences, seed {args.seed}, {args.model}")
    totals: dict[str, dict[str, int]] = {}
    loaded = whisper_jax.load_model(args.model, compute_type=args.compute_type)
    with loaded as model, ThreadPoolExecutor(args.workers) as workers:
        for clip in clips:
            own = [cut for cut in chosen if cut.clip == clip]
            if own:
                counts = measure(model, own, workers, args.show)
                print_counts(f"{clip.name}: {len(own)} cuts", counts)
                add(totals, counts)
    print_counts(f"all: {len(chosen)} cuts", totals)


if __name__ == "__main__":
    main()
