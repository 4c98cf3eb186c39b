"""Record what faster-whisper writes, greedily and sequentially, for a collection of recordings.

    python scripts/golden/record_faster_whisper.py MANIFEST --model FOLDER --compute-type int8

For each recording of a ``manifest.jsonl`` one JSON line: reference, text and seconds of audio.
Temperature 0, one beam; the language is the primary subtag of the manifest's, or detected if that
is a mixture (``en+zh``). Times and versions stand beside the output in ``.about.json``.
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from whisper_jax.bench.peers.run import PeerFile, PeerJob, run_peer
from whisper_jax.checkpoints.cache import read_settings

COMMAND = "python scripts/golden/record_faster_whisper.py MANIFEST --model FOLDER"


def language_of(tag: str) -> str | None:
    """The language given to the system: the primary subtag, or None for a mixture."""
    return None if "+" in tag else tag.split("-")[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path, help="manifest.jsonl; paths are relative to it")
    parser.add_argument("--model", type=Path, required=True, help="CTranslate2 model folder")
    parser.add_argument("--name", default="base", help="name of the model, for the output's name")
    parser.add_argument("--compute-type", default="float32", help="float32 or int8")
    parser.add_argument("--sets", help="names of sets with commas between; all by default")
    parser.add_argument("--output", type=Path, help="default: oracle/ in the cache")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--interpreter", help="Python to make faster-whisper's environment with")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    sets = args.sets.split(",") if args.sets else None
    lines = args.manifest.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if sets is None or row["set"] in sets]
    languages = [language_of(row["language"]) for row in rows]
    paths = [args.manifest.parent / row["path"] for row in rows]
    files = [
        PeerFile(path=path, language=given) for path, given in zip(paths, languages, strict=True)
    ]
    job = PeerJob(
        peer="faster-whisper",
        model=args.model,
        files=tuple(files),
        compute_type=args.compute_type,
        threads=args.threads,
    )
    result = run_peer(job, interpreter=args.interpreter)
    name = f"faster-whisper-{args.name}-{args.compute_type}.jsonl"
    output = args.output or read_settings().cache / "oracle" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    records = [
        {
            "path": row["path"],
            "set": row["set"],
            "language_given": given,
            "duration_s": duration,
            "reference": row["text"],
            "text": text,
        }
        for row, given, duration, text in zip(
            rows, languages, result.durations_s, result.texts, strict=True
        )
    ]
    part = output.with_suffix(".part")
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    part.write_text(text, encoding="utf-8")
    os.replace(part, output)
    command = f"{COMMAND} --compute-type {args.compute_type}"
    command += f" --sets {args.sets}" if args.sets else ""
    notes = {"command": command, "threads": args.threads, **asdict(result)}
    del notes["texts"], notes["durations_s"]
    output.with_suffix(".about.json").write_text(json.dumps(notes, indent=1) + "\n")
    print(output)


if __name__ == "__main__":
    main()
