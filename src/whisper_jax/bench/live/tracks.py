"""What each stream is played: a recording from some point on, with the words that are said.

Streams that play the same recording begin at different points of it, so that they do not do the
same things at the same moments. A recording that is begun later goes on with its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.bench.workload import Recording
from whisper_jax.types import Word

_PAUSE_S = 0.25
"""A recording is cut between words that are so far apart; where none are, between the farthest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """What is played in a stream.

    Attributes:
        name: Of the recording, for people.
        set_name: What it is reported under.
        language: Code that systems are told; None to let them find out.
        tag: Language tag that decides how it is scored.
        samples: float32 [n], mono, 16 kHz.
        words: What is said, with seconds of the track; probability 0 where the time is a guess.
        reference: What the text is scored against.
    """

    name: str
    set_name: str
    language: str | None
    tag: str
    samples: NDArray[np.float32]
    words: tuple[Word, ...]
    reference: str

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / SAMPLE_RATE


def read_track(recording: Recording, set_name: str, words: Sequence[Word]) -> Track:
    """A whole recording.

    Args:
        recording: With its reference.
        set_name: What it is reported under.
        words: Its words with their times.

    Raises:
        AudioError: It cannot be read.
    """
    with open_audio(str(recording.path)) as stream:
        samples = np.concatenate([*stream.blocks()])
    return Track(
        name=recording.path.stem,
        set_name=set_name,
        language=recording.language,
        tag=recording.tag,
        samples=samples,
        words=tuple(words),
        reference=recording.reference or "",
    )


def tracks_of_rounds(
    tracks: Sequence[Track], n_streams: int, most_s: float | None
) -> list[tuple[Track, ...]]:
    """What is played at once, round by round, so that every recording is played.

    Args:
        tracks: Whole recordings.
        n_streams: Streams at once.
        most_s: Most seconds of each; None for all of it.

    Returns:
        As many tracks as streams in each round.
    """
    n_rounds = -(-len(tracks) // n_streams)
    n_all = n_rounds * n_streams
    chosen: list[Track] = []
    for number in range(n_all):
        whole = tracks[number % len(tracks)]
        n_plays = len(range(number % len(tracks), n_all, len(tracks)))
        begun = begun_later(whole, whole.duration_s * (number // len(tracks)) / n_plays)
        chosen.append(begun if most_s is None else shortened(begun, most_s))
    return [tuple(chosen[k : k + n_streams]) for k in range(0, n_all, n_streams)]


def begun_later(track: Track, at_s: float) -> Track:
    """The track from the pause that is nearest to a point, and after its end its beginning."""
    if at_s <= 0:
        return track
    place, cut_s = _pause_near(track, at_s)
    cut = round(cut_s * SAMPLE_RATE)
    later = [_moved(word, -cut_s) for word in track.words[place:]]
    earlier = [_moved(word, track.duration_s - cut_s) for word in track.words[:place]]
    return replace(
        track,
        samples=np.concatenate([track.samples[cut:], track.samples[:cut]]),
        words=(*later, *earlier),
        reference=f"{_text(later)} {_text(earlier)}",
    )


def shortened(track: Track, most_s: float) -> Track:
    """The track up to a pause, after so many seconds at most if there is one."""
    if track.duration_s <= most_s:
        return track
    before = [place for place, word in enumerate(track.words) if word.start <= most_s]
    place, cut_s = _pause_near(track, most_s, len(before))
    words = track.words[:place]
    return replace(
        track,
        samples=track.samples[: round(cut_s * SAMPLE_RATE)],
        words=words,
        reference=_text(words),
    )


def _pause_near(track: Track, at_s: float, most_words: int | None = None) -> tuple[int, float]:
    """Words before the pause nearest to a point, and the pause's middle."""
    pauses = [
        (place, (before.end + after.start) / 2, after.start - before.end)
        for place, (before, after) in enumerate(pairwise(track.words[:most_words]), start=1)
    ]
    if not pauses:
        spoken = [word for word in track.words[:1] if word.start <= at_s]
        return len(spoken), max(at_s, *(word.end for word in spoken)) if spoken else at_s
    wide = [one for one in pauses if one[2] >= _PAUSE_S]
    if wide:
        place, middle_s, _ = min(wide, key=lambda one: abs(one[1] - at_s))
    else:
        place, middle_s, _ = max(pauses, key=lambda one: one[2])
    return place, middle_s


def _text(words: Sequence[Word]) -> str:
    return "".join(word.word for word in words)


def _moved(word: Word, by_s: float) -> Word:
    return replace(word, start=word.start + by_s, end=word.end + by_s)
