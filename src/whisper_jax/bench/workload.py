"""What is transcribed in a benchmark: recordings, with references where they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from whisper_jax.errors import OptionError
from whisper_jax.evaluate.manifest import Clip, read_manifest, select_clips
from whisper_jax.options import WINDOW_S
from whisper_jax.scoring import ErrorRate, error_rate

type WorkloadName = Literal["all", "short", "long"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording of a workload.

    Attributes:
        path: Where it is.
        language: Language code that every system is told, or None to let it find out.
        tag: Language tag of the reference, which decides how it is scored.
        reference: What is said, or None if that is not known.
    """

    path: Path
    language: str | None = None
    tag: str = ""
    reference: str | None = None


def workload_from_files(files: Sequence[Path], language: str | None) -> tuple[Recording, ...]:
    """Recordings without references.

    Raises:
        OptionError: One of them is no file.
    """
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise OptionError(f"no file {', '.join(missing)}")
    return tuple(Recording(path=file.absolute(), language=language) for file in files)


def workload_from_manifest(
    manifest: Path, sets: Sequence[str] | None, name: WorkloadName
) -> tuple[Recording, ...]:
    """Recordings of a manifest with their references and languages.

    Args:
        manifest: See `whisper_jax.evaluate.manifest`.
        sets: Only these sets (``udhr``, ``udhr:en``); None for all.
        name: ``short`` takes the recordings of one window (30 s) at most, ``long`` those beyond.

    Raises:
        OptionError: There are none, a length that is needed is not in the manifest, or there is
            no such set or workload.
    """
    names = get_args(WorkloadName.__value__)
    if name not in names:
        raise OptionError(f"no workload {name!r}; there are: {', '.join(names)}")
    clips = select_clips(read_manifest(manifest), sets=sets)
    if name != "all":
        clips = [clip for clip in clips if (duration_of(clip) > WINDOW_S) == (name == "long")]
    if not clips:
        raise OptionError(f"no {name} recordings in these sets of {manifest}")
    missing = [clip.name for clip in clips if not clip.path.is_file()]
    if missing:
        raise OptionError(f"{manifest} names files that are not there: {', '.join(missing)}")
    return tuple(recording_of(clip, clip.given_language) for clip in clips)


def recording_of(clip: Clip, language: str | None) -> Recording:
    """A clip with its reference, for systems that are told ``language``."""
    return Recording(
        path=clip.path.absolute(), language=language, tag=clip.language, reference=clip.text
    )


def repeated(recordings: Sequence[Recording], n_times: int) -> tuple[Recording, ...]:
    """All recordings, that many times one after the other.

    Raises:
        OptionError: ``n_times`` is below 1.
    """
    if n_times < 1:
        raise OptionError(f"repeat is {n_times}; give 1 or more")
    return tuple(recordings) * n_times


def score(recordings: Sequence[Recording], texts: Sequence[str]) -> tuple[ErrorRate, ...]:
    """Errors in words and in characters, one of each that occurs, pooled over the recordings."""
    pooled: dict[str, ErrorRate] = {}
    for recording, text in zip(recordings, texts, strict=True):
        if recording.reference is not None:
            rate = error_rate([recording.reference], [text], recording.tag)
            before = pooled.get(rate.unit)
            pooled[rate.unit] = rate if before is None else before + rate
    return tuple(pooled.values())


def duration_of(clip: Clip) -> float:
    """Seconds of a clip, as its manifest tells; OptionError if it does not."""
    if clip.duration_s is None:
        raise OptionError(
            f"the manifest does not tell the length of {clip.name}; give it a 'duration_s', or"
            " take the workload 'all'"
        )
    return clip.duration_s
