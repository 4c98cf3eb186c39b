"""Subtitles for a video, in SubRip and WebVTT, beside it under its name.

python examples/subtitle_video.py VIDEO [--language de] [--translate]
"""

import argparse
from pathlib import Path

import whisper_jax
from whisper_jax.formats import SubtitleOptions, write_transcript

LAYOUT = SubtitleOptions(max_line_width=42, max_line_count=2, max_cue_duration=7, min_cue_gap=0.08)


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
            word_timestamps=True,
        )
    for subtitle_format in ("srt", "vtt"):
        target = arguments.video.with_suffix(f".{subtitle_format}")
        write_transcript(transcript, target, subtitle_format, LAYOUT)
        print(target)


if __name__ == "__main__":
    main()
