"""Record every window that openai-whisper decodes over a manifest. See record_windows.py."""

import argparse
import json
import os
from pathlib import Path

from openai import (
    WindowRecorder,
    about,
    language_of,
    load_model,
    read_audio,
    significant,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--command", required=True)
    args = parser.parse_args()
    model = load_model(args.checkpoint, args.threads)
    rows = [json.loads(line) for line in args.manifest.read_text(encoding="utf-8").splitlines()]
    part = args.output.with_suffix(".part")
    with part.open("w", encoding="utf-8") as lines:
        for done, row in enumerate(rows, start=1):
            record = recorded(model, row, args.manifest.parent)
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            lines.flush()
            print(f"{done}/{len(rows)} {row['path']}", flush=True)
    notes = args.output.with_suffix(".about.json")
    notes.write_text(json.dumps(about(args.command), indent=1) + "\n", encoding="utf-8")
    os.replace(part, args.output)


def recorded(model, row: dict, folder: Path) -> dict:
    """One recording: the text, the segments' times, and each window."""
    samples = read_audio(folder / row["path"])
    recorder = WindowRecorder(model)
    given = language_of(row["language"])
    result = recorder.transcribe(samples, language=given)
    return {
        "path": row["path"],
        "set": row["set"],
        "language_given": given,
        "language": result["language"],
        "n_samples": len(samples),
        "reference": row["text"],
        "text": result["text"],
        "segments": [
            {"start": significant(s["start"]), "end": significant(s["end"]), "text": s["text"]}
            for s in result["segments"]
        ],
        "peak": recorder.peak,
        "windows": recorder.windows,
    }


if __name__ == "__main__":
    main()
