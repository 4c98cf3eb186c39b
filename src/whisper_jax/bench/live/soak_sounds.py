"""What a stream of hours hears: recordings again and again, silence, or a quiet room.

No sample is held twice: a sound is a list of arrays, most of them the same ones many times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.live.tracks import Track, shortened
from whisper_jax.errors import OptionError

NOISE_DBFS = -60.0
"""Of a quiet room, as a microphone that is set for speech hears it."""
_NOISE_SEED = 0
_PART_S = 60
_APART_S = 1.0
_LEAST_S = 5.0
"""Less of a recording is not begun at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """What is played into a stream.

    Attributes:
        name: For people.
        parts: float32 [n] each, mono, 16 kHz, one after the other.
        language: Code that the stream is told; None to let it find out.
        tag: Language tag that decides how the text is scored.
        reference: What is said; empty if nothing is.
    """

    name: str
    parts: tuple[NDArray[np.float32], ...]
    language: str | None = None
    tag: str = "en"
    reference: str = ""

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return sum(len(part) for part in self.parts) / SAMPLE_RATE

    def blocks(self, n_samples: int) -> Iterator[NDArray[np.float32]]:
        """All of it in blocks of so many samples; those at the ends of parts may be shorter."""
        for part in self.parts:
            for start in range(0, len(part), n_samples):
                yield part[start : start + n_samples]

    def first(self, seconds: float) -> "Sound":
        """The sound up to there; nobody knows any more what is said."""
        return replace(self, parts=_cut(self.parts, round(seconds * SAMPLE_RATE)), reference="")


def recordings_sound(tracks: Sequence[Track], total_s: float) -> Sound:
    """Recordings one after the other, a second apart, and again from the first.

    Args:
        tracks: Whole recordings, at least one.
        total_s: How long it lasts; the last recording ends at a pause.

    Raises:
        OptionError: They are in several languages.
    """
    languages = sorted({track.tag for track in tracks})
    if len(languages) > 1:
        raise OptionError(
            f"a stream has one language, and the recordings have {', '.join(languages)};"
            " choose some with --sets"
        )
    gap = np.zeros(round(_APART_S * SAMPLE_RATE), np.float32)
    parts: list[NDArray[np.float32]] = []
    references: list[str] = []
    left_s, number = total_s, 0
    while left_s >= _LEAST_S or not parts:
        track = shortened(tracks[number % len(tracks)], left_s)
        parts += [track.samples, gap]
        references.append(track.reference)
        left_s -= track.duration_s + _APART_S
        number += 1
    return Sound(
        name="recordings",
        parts=tuple(parts),
        language=tracks[0].language,
        tag=tracks[0].tag,
        reference="\n".join(references),
    )


def silent_sounds(total_s: float) -> list[Sound]:
    """Sounds in which nobody speaks: exact zeros, and the noise of a quiet room.

    Args:
        total_s: How long each lasts.
    """
    zeros = np.zeros(_PART_S * SAMPLE_RATE, np.float32)
    return [
        Sound(name=name, parts=_cut((part,) * -int(-total_s // _PART_S), n_samples))
        for n_samples in (round(total_s * SAMPLE_RATE),)
        for name, part in (("zeros", zeros), (f"noise, {NOISE_DBFS:g} dBFS", quiet_noise()))
    ]


def quiet_noise() -> NDArray[np.float32]:
    """A minute of pink noise, always the same; played again and again it has no seam."""
    n_samples = _PART_S * SAMPLE_RATE
    random = np.random.default_rng(_NOISE_SEED)
    # Of a spectrum that falls by 3 dB an octave the transform is periodic.
    frequencies = np.arange(1, n_samples // 2 + 1)
    phases = np.exp(2j * np.pi * random.random(len(frequencies)))
    noise = np.fft.irfft(np.concatenate([[0], phases / np.sqrt(frequencies)]), n_samples)
    level = 10 ** (NOISE_DBFS / 20)
    return (noise * (level / np.sqrt(np.mean(np.square(noise))))).astype(np.float32)


def _cut(parts: Sequence[NDArray[np.float32]], n_samples: int) -> tuple[NDArray[np.float32], ...]:
    """The parts up to so many samples."""
    found: list[NDArray[np.float32]] = []
    for part in parts:
        if n_samples <= 0:
            break
        found.append(part[:n_samples])
        n_samples -= len(part)
    return tuple(found)
