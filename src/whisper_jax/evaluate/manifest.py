"""The list of recordings to evaluate on, with what is said in them.

A manifest is a file of JSON lines, one clip each::

    {"path": "clips/a.flac", "set": "read", "language": "en", "text": "Hello.", "duration_s": 1.2}

``path`` is relative to the manifest's folder; ``set`` (what the clip is reported under) is the
manifest's own name if left out; ``duration_s`` is optional; further keys are let be. In a clip
with several languages (``zh+en``), ``segments`` may tell ``language`` and ``text`` of each part.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from whisper_jax.errors import OptionError
from whisper_jax.scoring import is_code_switched, primary_languages


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One recording and its reference.

    Attributes:
        path: Where the recording is.
        name: The path as the manifest writes it.
        set_name: What the clip is reported under.
        language: Language tag of what is said: ``en``, ``sv-SE``, or ``zh+en`` if code-switched.
        text: The reference: what is said.
        duration_s: Seconds of audio, if the manifest tells.
        segments: Language tag and reference of each part of a code-switched clip, in order, if
            the manifest tells.
    """

    path: Path
    name: str
    set_name: str
    language: str
    text: str
    duration_s: float | None
    segments: tuple[tuple[str, str], ...] = ()

    @property
    def given_language(self) -> str | None:
        """The language code a system is told, None if it has to find out (code-switched)."""
        if is_code_switched(self.language):
            return None
        return primary_languages(self.language)[0]


def read_manifest(path: Path) -> list[Clip]:
    """All clips of a manifest, in order. The recordings themselves are not looked at.

    Raises:
        OptionError: The manifest cannot be read, is empty, or has a wrong line, which is named.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"the manifest {path} cannot be read: {error}") from error
    clips: list[Clip] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            clips.append(_clip(json.loads(line), path))
        except ValueError as error:  # JSONDecodeError is one
            raise OptionError(f"{path}, line {number}: {error}") from error
    if not clips:
        raise OptionError(f"the manifest {path} has no clips; it needs one JSON object a line")
    return clips


def select_clips(
    clips: Iterable[Clip], *, sets: Collection[str] | None = None, limit: int | None = None
) -> list[Clip]:
    """The clips of some sets, and only the first few of each.

    Args:
        clips: All clips.
        sets: The sets wanted, as `is_of_set` takes them; None for all.
        limit: Most clips of each set; None for all.

    Raises:
        OptionError: A set is not in the manifest, or the limit is below 1.
    """
    all_clips = list(clips)
    present = list(dict.fromkeys(clip.set_name for clip in all_clips))
    unknown = [name for name in sets or () if not any(is_of_set(clip, name) for clip in all_clips)]
    if unknown:
        raise OptionError(f"no set {', '.join(unknown)}; there are: {', '.join(present)}")
    if limit is not None and limit < 1:
        raise OptionError(f"the limit is {limit}; give the number of clips of each set, from 1")
    patterns = ["*"] if sets is None else sets
    wanted = [clip for clip in all_clips if any(is_of_set(clip, name) for name in patterns)]
    return [
        clip
        for name in present
        for clip in [clip for clip in wanted if clip.set_name == name][:limit]
    ]


def is_of_set(clip: Clip, pattern: str) -> bool:
    """Whether a clip belongs to a set.

    Args:
        clip: The clip.
        pattern: A set's name, where ``*`` stands for anything (``cv_*``); ``set:language`` is of
            one language alone (``udhr:en``).
    """
    languages = "+".join(primary_languages(clip.language))
    names = (clip.set_name, f"{clip.set_name}:{languages}")
    return any(fnmatchcase(name, pattern) for name in names)


def _clip(row: Any, manifest: Path) -> Clip:
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    language = _string(row, "language")
    if not primary_languages(language):
        raise ValueError("'language' is empty; give a tag such as 'en', or 'zh+en' for both")
    name = _string(row, "path")
    if not name:
        raise ValueError("'path' is empty")
    duration_s = row.get("duration_s")
    is_number = isinstance(duration_s, int | float) and not isinstance(duration_s, bool)
    if duration_s is not None and not (is_number and duration_s >= 0):
        raise ValueError(f"'duration_s' is {duration_s!r}; give seconds")
    return Clip(
        path=manifest.parent / name,
        name=name,
        set_name=_string(row, "set") if "set" in row else manifest.stem,
        language=language,
        text=_string(row, "text"),
        duration_s=None if duration_s is None else float(duration_s),
        segments=_segments(row) if is_code_switched(language) else (),
    )


def _segments(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    segments = row.get("segments", [])
    if not isinstance(segments, list) or not all(isinstance(one, dict) for one in segments):
        raise ValueError("'segments' has to be a list of objects with 'language' and 'text'")
    parts = tuple((_string(one, "language"), _string(one, "text")) for one in segments)
    if any(len(primary_languages(language)) != 1 for language, _ in parts):
        raise ValueError("each of the 'segments' needs one language")
    return parts


def _string(row: dict[str, Any], key: str) -> str:
    if key not in row:
        raise ValueError(f"{key!r} is missing; a clip has 'path', 'language' and 'text'")
    value = row[key]
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is {value!r}; it has to be a string")
    return value
