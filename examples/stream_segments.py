"""Print each segment of a recording as soon as it is final, with how far the work is.

    python examples/stream_segments.py RECORDING

Ctrl-C stops it: what was printed until then is final.
"""

import argparse

import whisper_jax


def show(progress: whisper_jax.FileProgress) -> None:
    """Print what is new."""
    share = "  ?"
    if progress.duration_s:
        share = f"{min(progress.position_s / progress.duration_s, 1.0):4.0%}"
    for segment in progress.segments:
        print(f"{share}  {segment.start:7.2f} s  {segment.text.strip()}", flush=True)


def main() -> None:
    """Transcribe one recording and print as it goes."""
    parser = argparse.ArgumentParser(description="Segments of a recording as they come.")
    parser.add_argument("recording", help="a path or a URL")
    parser.add_argument("--model", default="base")
    arguments = parser.parse_args()

    with whisper_jax.load_model(arguments.model) as model:
        try:
            transcript = model.transcribe(arguments.recording, on_progress=show)
        except KeyboardInterrupt:
            print("stopped")
        else:
            print(f"{len(transcript.segments)} segments in {transcript.language}")


if __name__ == "__main__":
    main()
