"""Words that are invented where nobody speaks: a Markdown table of words a minute.

    python scripts/measure_inventions.py MANIFEST --output FOLDER
        [--minutes 10] [--kinds silence,tones] [--peers faster-whisper,openai-whisper]
        [--peer-minutes 2] [--model base]

Made from a seed, the same at every run, and kept as WAV files in FOLDER: digital silence; white
noise; pink noise; tones (sines of one or two frequencies, with gaps); music (chords, bass and drums
put together by this script: no instrument was recorded); and speech, utterances of the manifest's
set (``--speech``) in groups of 10 s or more with 60 s of faint noise between them.

Where nobody speaks every word is invented; a Chinese, Japanese or Korean character counts as one,
what stands in brackets as none. What was written goes to standard error.
Of the speech, words inserted against its reference are, and the words lost and the error rate stand
beside them. Ours runs with the default settings, with its guards off, and in ``sequential``; peers
as they are by default, on the first ``--peer-minutes`` of each file. Languages are detected unless
``--language`` is given, which all are then told.
"""

import argparse
import sys
import unicodedata
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from golden.make_clips import SAMPLE_RATE, decode

from whisper_jax import load_model
from whisper_jax.bench.peers.run import PeerFile, PeerJob, peer_texts
from whisper_jax.bench.peers.settings import PeerSettings
from whisper_jax.checkpoints import resolve_model
from whisper_jax.evaluate import read_manifest
from whisper_jax.scoring import error_rate, normalise

UNGUARDED = {
    "vad_filter": False,
    "no_speech_threshold": None,
    "logprob_threshold": None,
    "compression_ratio_threshold": None,
    "drop_known_hallucinations": False,
}
SEQUENTIAL = {"long_form": "sequential"}
WORDS = {"word_timestamps": True, "hallucination_silence_threshold": 2.0}
RUNS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "guards off": UNGUARDED,
    "sequential": SEQUENTIAL,
    "sequential, known phrases kept": {**SEQUENTIAL, "drop_known_hallucinations": False},
    "sequential, hallucination_silence_threshold 2": {**SEQUENTIAL, **WORDS},
    "sequential, guards off": {**SEQUENTIAL, **UNGUARDED},
}
PAUSE_S = 60
GROUP_S = 10
LEVEL = 0.1
BEAT_S = 60 / 108
CHORDS = ((48, 64, 67, 72), (43, 62, 67, 71), (45, 64, 69, 72), (41, 65, 69, 72))
"""A bass note and three above it, as MIDI numbers: C, G, A minor, F."""

type Samples = np.ndarray
"""float32 [n_samples], at 16 kHz."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file, and what is said in it: nothing but in speech.

    Attributes:
        kind: What is heard.
        path: Its WAV file.
        minutes: Its length.
        text: What is said in it, in English.
    """

    kind: str
    path: Path
    minutes: float
    text: str = ""


def silence(n: int, _: np.random.Generator) -> Samples:
    return np.zeros(n, np.float32)


def white_noise(n: int, rng: np.random.Generator) -> Samples:
    return (LEVEL * rng.standard_normal(n)).astype(np.float32)


def pink_noise(n: int, rng: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency, as 1 / f."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), n)
    return (LEVEL * pink / pink.std()).astype(np.float32)


def tones(n: int, rng: np.random.Generator) -> Samples:
    """Sines of 0.2 to 4 s, alone or in pairs, with gaps of up to 2 s."""
    found, at = np.zeros(n, np.float32), 0
    while at < n:
        length = round(rng.uniform(0.2, 4) * SAMPLE_RATE)
        time = np.arange(min(length, n - at)) / SAMPLE_RATE
        for frequency in rng.uniform(80, 4000, rng.integers(1, 3)):
            found[at : at + length] += LEVEL * np.sin(2 * np.pi * frequency * time)
        at += length + round(rng.uniform(0, 2) * SAMPLE_RATE)
    return found


def music(n: int, rng: np.random.Generator) -> Samples:
    """Four chords in turn, each for four beats, struck at every beat over bass and drums."""
    found = np.zeros(n + 4 * SAMPLE_RATE, np.float32)
    for beat in range(int(n / SAMPLE_RATE / BEAT_S)):
        at = round(beat * BEAT_S * SAMPLE_RATE)
        bass, *chord = CHORDS[beat // 4 % len(CHORDS)]
        loudness = rng.uniform(0.7, 1)
        parts = [note(pitch, loudness) for pitch in chord]
        parts += [2 * note(bass, loudness)] if beat % 2 == 0 else []
        parts.append(kick() if beat % 2 == 0 else snare(rng))
        for part in parts:
            found[at : at + len(part)] += part
        for half in (0, round(BEAT_S / 2 * SAMPLE_RATE)):
            stroke = hat(rng)
            found[at + half : at + half + len(stroke)] += stroke
    return LEVEL * found[:n]


def note(pitch: int, loudness: float) -> Samples:
    """A struck string: eight harmonics that fade, the higher ones sooner."""
    time = np.arange(round(1.5 * SAMPLE_RATE)) / SAMPLE_RATE
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    harmonics = [
        np.sin(2 * np.pi * k * frequency * time) * np.exp(-(1 + k) * time) / k for k in range(1, 9)
    ]
    return loudness * np.sum(harmonics, axis=0)


def kick() -> Samples:
    time = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    return 3 * np.sin(2 * np.pi * (50 * time - 4 * np.exp(-30 * time))) * np.exp(-15 * time)


def snare(rng: np.random.Generator) -> Samples:
    time = np.arange(round(0.15 * SAMPLE_RATE)) / SAMPLE_RATE
    return 1.5 * rng.standard_normal(len(time)) * np.exp(-25 * time)


def hat(rng: np.random.Generator) -> Samples:
    time = np.arange(round(0.05 * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.5 * np.diff(rng.standard_normal(len(time) + 1)) * np.exp(-80 * time)


KINDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "silence": silence,
    "white noise": white_noise,
    "pink noise": pink_noise,
    "tones": tones,
    "music": music,
}
SPEECH = "speech with pauses"


def groups(manifest: Path, set_name: str) -> Iterator[tuple[Samples, str]]:
    """Utterances of a set, put together until they last as long as a group, and their text."""
    parts: list[Samples] = []
    texts: list[str] = []
    for clip in read_manifest(manifest):
        if clip.set_name == set_name:
            parts.append(decode(clip.path, "flt"))
            texts.append(clip.text)
            if sum(map(len, parts)) >= GROUP_S * SAMPLE_RATE:
                yield np.concatenate(parts), " ".join(texts)
                parts, texts = [], []


def speech(
    n: int, rng: np.random.Generator, said: Iterator[tuple[Samples, str]]
) -> tuple[Samples, str]:
    """Groups of utterances whole, each followed by a minute of noise at -66 dB, up to a length."""
    parts: list[Samples] = []
    texts: list[str] = []
    n_pause = PAUSE_S * SAMPLE_RATE
    for samples, text in said:
        if sum(map(len, parts)) + len(samples) + n_pause > n:
            break
        parts += [samples, (0.0005 * rng.standard_normal(n_pause)).astype(np.float32)]
        texts.append(text)
    if not parts:
        raise SystemExit(f"no utterance and pause fit into {n / SAMPLE_RATE:.0f} s")
    return np.concatenate(parts), " ".join(texts)


def write(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def make(kind: str, minutes: float, args: argparse.Namespace) -> Piece:
    """A file of a kind, which depends on nothing but kind, length and seed."""
    rng = np.random.default_rng([args.seed, *kind.encode()])
    n, text = round(minutes * 60 * SAMPLE_RATE), ""
    if kind == SPEECH:
        samples, text = speech(n, rng, groups(args.manifest, args.speech))
    else:
        samples = KINDS[kind](n, rng)
    path = args.output / f"{kind.replace(' ', '_')}_{minutes:g}.wav"
    write(path, samples)
    return Piece(kind=kind, path=path, minutes=len(samples) / SAMPLE_RATE / 60, text=text)


def n_words(text: str) -> int:
    """Words of a text in any language; a wide character is one."""
    plain = normalise(text, "und")
    wide = [c for c in plain if unicodedata.east_asian_width(c) in "WF" and c.isalnum()]
    rest = "".join(" " if c in wide else c for c in plain)
    return len(wide) + len(rest.split())


def cell(piece: Piece, text: str) -> str:
    """Words invented a minute; of speech, the words lost and the error rate too."""
    if not piece.text:
        return f"{n_words(text) / piece.minutes:.1f}"
    rate = error_rate([piece.text], [text], "en")
    invented = rate.insertions / piece.minutes
    return f"{invented:.1f} ({rate.deletions} lost, {100 * rate.rate:.2f} %)"


def row(name: str, pieces: Sequence[Piece], texts: Sequence[str]) -> None:
    for piece, text in zip(pieces, texts, strict=True):
        if not piece.text and text.strip():
            print(f"{name}, {piece.kind}: {text[:200]!r}", file=sys.stderr)
    cells = [cell(piece, text) for piece, text in zip(pieces, texts, strict=True)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def header(pieces: Sequence[Piece]) -> None:
    print(f"\n| | {' | '.join(f'{p.kind}, {p.minutes:.1f} min' for p in pieces)} |")
    print(f"| --- |{' --- |' * len(pieces)}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kinds", default=",".join((*KINDS, SPEECH)))
    parser.add_argument("--runs", default=";".join(RUNS), help="some of ours, parted by ;")
    parser.add_argument("--speech", default="ljspeech", help="set of English utterances")
    parser.add_argument("--peers", default="", help="systems, parted by commas")
    parser.add_argument("--peer-minutes", type=float, default=2.0)
    parser.add_argument("--model", default="base", help="name, or folder; peers need CTranslate2's")
    parser.add_argument("--compute-type", default="auto")
    parser.add_argument("--beam-size", type=int, default=None)
    parser.add_argument("--language", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--make-only", action="store_true")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    args.output.mkdir(parents=True, exist_ok=True)
    kinds = args.kinds.split(",")
    pieces = [make(kind, args.minutes, args) for kind in kinds]
    if args.make_only:
        return
    beams = {} if args.beam_size is None else {"beam_size": args.beam_size}
    wanted = [name.strip() for name in args.runs.split(";") if name.strip()]
    if wanted:
        header(pieces)
        with load_model(args.model, compute_type=args.compute_type) as model:
            for name in wanted:
                told = {"language": args.language, **beams, **RUNS[name]}
                paths = [piece.path for piece in pieces]
                found = model.transcribe_batch(paths, on_error="raise", **told)
                row(name, pieces, [transcript.text for transcript in found])
    peers = [name for name in args.peers.split(",") if name]
    if peers:
        shorter = [make(kind, args.peer_minutes, args) for kind in kinds]
        header(shorter)
        files = tuple(PeerFile(path=piece.path, language=args.language) for piece in shorter)
        for name in peers:
            settings = PeerSettings(system=name, beam_size=args.beam_size)
            job = PeerJob(settings=settings, model=resolve_model(args.model), files=files)
            answers = list(peer_texts(job))
            for piece, answer in zip(shorter, answers, strict=True):
                if answer.error is not None:
                    raise SystemExit(f"{name} failed on {piece.path}: {answer.error}")
            row(name, shorter, [answer.text for answer in answers])


if __name__ == "__main__":
    main()
