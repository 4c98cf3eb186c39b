"""Transcribe every file of a folder into subtitles, and say at the end which ones failed.

python examples/transcribe_folder.py RECORDINGS SUBTITLES
"""

import argparse
from pathlib import Path

import whisper_jax
from whisper_jax.formats import output_paths, write_transcript


def main() -> int:
    """Exit code 0 if all went well, 1 if some files failed."""
    parser = argparse.ArgumentParser(description="Subtitles for every file of a folder.")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("subtitles", type=Path)
    parser.add_argument("--model", default="base")
    arguments = parser.parse_args()

    files = sorted(path for path in arguments.recordings.iterdir() if path.is_file())
    targets = output_paths([str(path) for path in files], arguments.subtitles, "srt")
    failed: list[str] = []
    with whisper_jax.load_model(arguments.model) as model:
        for index, transcript in model.as_completed(files):
            if transcript.error is not None:
                failed.append(f"{files[index].name}: {transcript.error}")
                continue
            write_transcript(transcript, targets[index], "srt")
            print(f"{files[index].name} ({transcript.language}) -> {targets[index]}")

    for line in failed:
        print(f"failed: {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
