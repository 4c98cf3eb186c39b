"""Does a recording's text depend on how many windows are decoded at once?

    python scripts/compare_batch_sizes.py MANIFEST --sets crimson_long,lj_long,ljspeech,cv_ja

The recordings are transcribed with several batch sizes, with the default settings. Numbers of rows
change the last bits of a product, so where two texts are as likely as each other the choice may
fall otherwise. Windows whose tokens differ from those of the first batch size are counted and
printed with both texts' mean log probabilities: a near-tie if they are within 1e-3.
"""

import argparse
from pathlib import Path

import whisper_jax
from whisper_jax.evaluate import Clip, read_manifest, select_clips

NEAR_TIE = 1e-3

type Windows = dict[tuple[str, int], tuple[tuple[int, ...], str, float]]
"""For each window, by recording and first frame: tokens, text, mean log probability."""


def windows_of(
    model: whisper_jax.Whisper, clips: list[Clip], batch_size: int, beam_size: int
) -> Windows:
    """What was found in each window; clips of one language share a call."""
    found: Windows = {}
    for language in dict.fromkeys(clip.given_language for clip in clips):
        own = [clip for clip in clips if clip.given_language == language]
        transcripts = model.transcribe_batch(
            [clip.path for clip in own],
            language=language,
            batch_size=batch_size,
            beam_size=beam_size,
        )
        for clip, transcript in zip(own, transcripts, strict=True):
            for segment in transcript.segments:
                key = clip.name, segment.seek
                tokens, text, _ = found.get(key, ((), "", 0.0))
                found[key] = tokens + segment.tokens, text + segment.text, segment.avg_logprob
    return found


def compare(first: Windows, other: Windows, batch_size: int) -> None:
    """Print and count the windows that differ."""
    differing = sorted(key for key in first | other if first.get(key) != other.get(key))
    empty = ((), "", 0.0)
    pairs = [(key, first.get(key, empty), other.get(key, empty)) for key in differing]
    other_tokens = [(key, a, b) for key, a, b in pairs if a[0] != b[0]]
    n_ties = sum(abs(a[2] - b[2]) <= NEAR_TIE for _, a, b in other_tokens)
    for (name, seek), a, b in other_tokens:
        print(f"  {name} at {seek / 100:.2f} s: {a[2]:.5f} {a[1]!r}\n    {b[2]:.5f} {b[1]!r}")
    print(
        f"batch size {batch_size}: {len(first | other)} windows, {len(other_tokens)} with other "
        f"tokens, {n_ties} of them near-ties; {len(pairs) - len(other_tokens)} more with other "
        "last bits of the score",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--sets", help="names of sets with commas between; all by default")
    parser.add_argument("--model", default="base")
    parser.add_argument("--compute-type", default="float32")
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--batch-sizes", default="16,1,2,4,8,32", help="the first one is compared")
    args = parser.parse_args()
    sets = args.sets.split(",") if args.sets else None
    clips = select_clips(read_manifest(args.manifest), sets=sets)
    sizes = [int(size) for size in args.batch_sizes.split(",")]
    with whisper_jax.load_model(args.model, compute_type=args.compute_type) as model:
        first = windows_of(model, clips, sizes[0], args.beam_size)
        print(f"batch size {sizes[0]}: {len(first)} windows of {len(clips)} recordings")
        for size in sizes[1:]:
            compare(first, windows_of(model, clips, size, args.beam_size), size)


if __name__ == "__main__":
    main()
