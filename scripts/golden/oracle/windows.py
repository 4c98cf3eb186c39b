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
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--beam-size", type=int)
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--command", required=True)
    args = parser.parse_args()
    model = load_model(args.checkpoint, args.name, args.threads)
    rows = [json.loads(line) for line in args.manifest.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["set"] in (args.sets or [row["set"]])]
    options = {"beam_size": args.beam_size, "word_timestamps": args.words}
    part = args.output.with_suffix(".part")
    records = finished(part)
    with part.open("a", encoding="utf-8") as lines:
        for done, row in enumerate(rows, start=1):
            if row["path"] in records:
                continue
            records[row["path"]] = recorded(model, row, args.manifest.parent, options)
            lines.write(json.dumps(records[row["path"]], ensure_ascii=False) + "\n")
            lines.flush()
            print(f"{done}/{len(rows)} {row['path']}", flush=True)
    ordered = [json.dumps(records[row["path"]], ensure_ascii=False) + "\n" for row in rows]
    part.write_text("".join(ordered), encoding="utf-8")
    notes = args.output.with_suffix(".about.json")
    notes.write_text(json.dumps(about(args.command), indent=1) + "\n", encoding="utf-8")
    os.replace(part, args.output)


def finished(part: Path) -> dict[str, dict]:
    """What an interrupted run has recorded, by path; a last line that was cut off is dropped."""
    whole = part.read_bytes().rpartition(b"\n")[0] if part.exists() else b""
    part.write_bytes(whole + b"\n" if whole else b"")
    return {record["path"]: record for record in map(json.loads, whole.splitlines())}


def recorded(model, row: dict, folder: Path, options: dict) -> dict:
    """One recording: the text, the segments' times, and each window."""
    samples = read_audio(folder / row["path"])
    recorder = WindowRecorder(model)
    given = language_of(row["language"])
    result = recorder.transcribe(samples, language=given, **options)
    return {
        "path": row["path"],
        "set": row["set"],
        "language_given": given,
        "language": result["language"],
        "n_samples": len(samples),
        "reference": row["text"],
        "text": result["text"],
        "segments": [
            significant({key: s[key] for key in ("start", "end", "text", "words") if key in s})
            for s in result["segments"]
        ],
        "peak": recorder.peak,
        "windows": recorder.windows,
    }


if __name__ == "__main__":
    main()
