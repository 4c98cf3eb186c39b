"""The workloads that the project is known for: an hour, ten files in a batch, mixed languages.

They are made from the recordings of a manifest, always the same ones for the same manifest.
"""

import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.workload import Recording, duration_of, recording_of
from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip, read_manifest, select_clips

_HOUR_S = 3600.0
_PAUSE_S = 1.0
_N_FILES = 10


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One of the workloads.

    Attributes:
        name: ``hour``, ``batch`` or ``languages``.
        title: What it is, with what it was made of.
        recordings: What is transcribed in one call.
    """

    name: str
    title: str
    recordings: tuple[Recording, ...]


def headlines(
    manifest: Path, sets: Sequence[str] | None, minutes: float | None, folder: Path
) -> tuple[Headline, ...]:
    """The three workloads from a manifest, which has to tell lengths.

    The first two are in the language that the manifest has most of, which every system is told.

    - ``hour``: recordings joined in the manifest's order, a second apart, again from the first
      until there is an hour; a recording that no longer fits is left out.
    - ``batch``: the ten longest.
    - ``languages``: the longest of each language, detected by every system.

    Args:
        manifest: See `whisper_jax.evaluate.manifest`.
        sets: Only these sets; None for all.
        minutes: Most minutes of each; None for an hour, and no bound for the others. Where a bound
            leaves no recording the shortest is taken.
        folder: Where the joined recording is written.

    Raises:
        OptionError: ``minutes`` is not above 0, or the manifest has no recording in one language
            or does not tell its length.
    """
    if minutes is not None and not minutes > 0:
        raise OptionError(f"minutes is {minutes}; give more than 0")
    clips = select_clips(read_manifest(manifest), sets=sets)
    by_language: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.given_language is not None:
            by_language.setdefault(clip.given_language, []).append(clip)
    if not by_language:
        raise OptionError(f"{manifest} has no recordings in one language")
    language = max(by_language, key=lambda code: sum(map(duration_of, by_language[code])))
    own, bound_s = by_language[language], None if minutes is None else 60 * minutes
    return (
        _joined(own, bound_s or _HOUR_S, folder),
        _ten(own, bound_s),
        _mixed(by_language, bound_s),
    )


def _joined(clips: Sequence[Clip], bound_s: float, folder: Path) -> Headline:
    chosen, total_s = [], 0.0
    is_growing = True
    while is_growing:
        is_growing = False
        for clip in clips:
            more_s = duration_of(clip) + _PAUSE_S
            if 0 < more_s <= bound_s - total_s:
                chosen.append(clip)
                total_s += more_s
                is_growing = True
    chosen = chosen or [min(clips, key=duration_of)]
    path = folder / "joined.wav"
    joined_s = join(chosen, path)
    text = " ".join(clip.text for clip in chosen)
    recording = recording_of(replace(chosen[0], path=path, text=text), chosen[0].given_language)
    n_distinct = len(set(chosen))
    title = (
        f"One recording of {joined_s / 60:.1f} minutes ({len(chosen)} joined, {n_distinct} of them"
        " different)"
    )
    return Headline(name="hour", title=title, recordings=(recording,))


def _ten(clips: Sequence[Clip], bound_s: float | None) -> Headline:
    each_s = None if bound_s is None else bound_s / _N_FILES
    chosen = _longest(clips, _N_FILES, each_s)
    recordings = tuple(recording_of(clip, clip.given_language) for clip in chosen)
    return Headline(name="batch", title=f"{len(chosen)} files in a batch", recordings=recordings)


def _mixed(by_language: dict[str, list[Clip]], bound_s: float | None) -> Headline:
    each_s = None if bound_s is None else bound_s / len(by_language)
    chosen = [_longest(clips, 1, each_s)[0] for clips in by_language.values()]
    return Headline(
        name="languages",
        title=f"Files in {len(chosen)} languages in one call, each language detected",
        recordings=tuple(recording_of(clip, None) for clip in chosen),
    )


def _longest(clips: Sequence[Clip], n: int, bound_s: float | None) -> list[Clip]:
    """The ``n`` longest of those within a bound, in order; the shortest of all if there is none."""
    within = [clip for clip in clips if bound_s is None or duration_of(clip) <= bound_s]
    return sorted(within, key=duration_of, reverse=True)[:n] or [min(clips, key=duration_of)]


def join(clips: Iterable[Clip], path: Path) -> float:
    """Write recordings into one WAV file, 16 kHz, 16 bits, a second of silence after each.

    Returns:
        Its seconds.
    """
    pause = bytes(2 * round(_PAUSE_S * SAMPLE_RATE))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        for clip in clips:
            with open_audio(clip.path) as stream:
                for block in stream.blocks():
                    scaled = np.clip(np.rint(block * 32768), -32768, 32767)
                    out.writeframes(scaled.astype("<i2").tobytes())
            out.writeframes(pause)
        return out.tell() / SAMPLE_RATE
