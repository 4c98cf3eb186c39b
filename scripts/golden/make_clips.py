"""Make the clips of tests/golden/data from a folder of speech with references.

    python scripts/golden/make_clips.py SPEECH_FOLDER

The folder holds ``manifest.jsonl``: one recording a line with path, language, text, licence and
source. A clip that is kept at 16 kHz in a lossless format decodes to the same samples everywhere,
so that what a test sees is what the oracle saw.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import numpy as np

SAMPLE_RATE = 16_000
DATA = Path(__file__).parents[2] / "tests" / "golden" / "data"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is made from which recording.

    Attributes:
        name: Name of the clip in the tests.
        file: File it is written to; its ending chooses the format.
        recording: Path in the manifest.
        n_sentences: Sentences kept, from the start, where the manifest gives their times.
    """

    name: str
    file: str
    recording: str
    n_sentences: int | None = None


CLIPS = (
    Clip(name="jfk", file="jfk.flac", recording="jfk/jfk.flac"),
    Clip(name="lj", file="lj.flac", recording="ljspeech/LJ001-0011.flac"),
    Clip(name="de", file="de.mp3", recording="cv_de/common_voice_de_18037637.mp3"),
    Clip(name="zh", file="zh.mp3", recording="cv_zh-CN/common_voice_zh-CN_18665520.mp3"),
    Clip(
        name="lj_long",
        file="lj_long.mp3",
        recording="lj_long/LJ001_0001-0032.flac",
        n_sentences=11,
    ),
)


def decode(path: Path, sample_format: str) -> np.ndarray:
    """Mono samples at 16 kHz, in one of FFmpeg's packed formats (``s16``, ``flt``)."""
    resampler = av.AudioResampler(format=sample_format, layout="mono", rate=SAMPLE_RATE)
    with av.open(str(path)) as container:
        blocks = [
            out.to_ndarray()[0]
            for frame in (*container.decode(audio=0), None)
            for out in resampler.resample(frame)
        ]
    return np.concatenate(blocks)


def encode(samples: np.ndarray, path: Path) -> None:
    """Write int16 samples as FLAC, or as MP3 at 48 kbit/s, without dates or versions."""
    codec = {".flac": "flac", ".mp3": "libmp3lame"}[path.suffix]
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if codec == "flac":
            stream.codec_context.options = {"compression_level": "12"}
        else:
            stream.codec_context.bit_rate = 48_000
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        converter = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=SAMPLE_RATE
        )
        for part in (frame, None):
            for out in converter.resample(part):
                container.mux(stream.encode(out))
        container.mux(stream.encode(None))


def make(clip: Clip, row: dict, folder: Path) -> dict:
    """Write one clip and return its entry for clips.json."""
    source, out = folder / clip.recording, DATA / clip.file
    text, origin = row["text"], row["source"]
    if clip.n_sentences is None and source.suffix == ".mp3":
        shutil.copyfile(source, out)
    else:
        samples = decode(source, "s16")
        origin += "; 16 kHz mono"
        if clip.n_sentences is not None:
            sentences = row["segments"][: clip.n_sentences]
            samples = samples[: round((sentences[-1]["end"] + 0.3) * SAMPLE_RATE)]
            text = " ".join(sentence["text"] for sentence in sentences)
            origin += f"; the first {clip.n_sentences} sentences"
        encode(samples, out)
        if out.suffix == ".flac" and not np.array_equal(decode(out, "s16"), samples):
            raise SystemExit(f"{out} does not decode to what was written")
    n_samples = len(decode(out, "flt"))
    return {
        "name": clip.name,
        "path": clip.file,
        "language": row["language"].split("-")[0],
        "text": text,
        "n_samples": n_samples,
        "duration_s": round(n_samples / SAMPLE_RATE, 3),
        "licence": row["licence"],
        "source": origin,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path, help="folder with manifest.jsonl")
    args = parser.parse_args()
    lines = (args.speech / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["path"]: row for row in map(json.loads, lines)}
    DATA.mkdir(parents=True, exist_ok=True)
    clips = {
        "command": "python scripts/golden/make_clips.py SPEECH_FOLDER",
        "versions": {"av": av.__version__},
        "clips": [make(clip, rows[clip.recording], args.speech) for clip in CLIPS],
    }
    text = json.dumps(clips, ensure_ascii=False, indent=1)
    (DATA / "clips.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
