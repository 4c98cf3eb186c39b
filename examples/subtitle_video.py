"""Subtitles for a video, in SubRip and WebVTT, beside it under its name.

python examples/subtitle_video.py VIDEO [--language de] [--translate]
"""

import argparse
from pathlib import Path

import whisper_jax
from whisper_jax.formats import write_transcript


def main() -> None:
    """Write VIDEO.srt and VIDEO.vtt."""
    parser = argparse.ArgumentParser(description="Subtitles for a video.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", help="spoken in the video; detected if not given")
    parser.add_argument("--translate", action="store_true", help="into English")
    arguments = parser.parse_args()

    with whisper_jax.load_model(arguments.model) as model:
        transcript = model.transcribe(
            arguments.video,
            language=arguments.language,
            task="translate" if arguments.translate else "transcribe",
        )
    for subtitle_format in ("srt", "vtt"):
        target = arguments.video.with_suffix(f".{subtitle_format}")
        write_transcript(transcript, target, subtitle_format)
        print(target)


if __name__ == "__main__":
    main()
