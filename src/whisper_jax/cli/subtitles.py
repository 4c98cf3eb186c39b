"""Subtitles on the command line: what may be asked for together, and translations beside texts."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from whisper_jax.cli.options import spelled, taken
from whisper_jax.errors import OptionError
from whisper_jax.formats import SUBTITLE_FORMATS, SubtitleOptions
from whisper_jax.options import TranscribeOptions
from whisper_jax.types import Transcript

if TYPE_CHECKING:
    from whisper_jax.transcribe import FileProgress, Whisper

_FORMATS_WITH = {"highlight_words": ("srt", "vtt", "ass"), "karaoke": ("vtt", "ass", "lrc")}
"""The formats that an option is for, where it is not for all subtitles."""


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """What is asked for.

    Attributes:
        options: The layout.
        has_translation: Whether the translation into English stands under what is said.
    """

    options: SubtitleOptions
    has_translation: bool

    def require(self, options: TranscribeOptions, formats: Collection[str]) -> None:
        """Check that what is asked for can be had from such a transcription.

        Raises:
            OptionError: It cannot; the sentence says what to do.
        """
        asked = [
            field.name
            for field in fields(self.options)
            if getattr(self.options, field.name) != field.default
        ]
        asked += ["subtitle_translation"] * self.has_translation
        for name in asked:
            wanted = _FORMATS_WITH.get(name, SUBTITLE_FORMATS)
            if not set(wanted) & set(formats):
                raise OptionError(
                    f"{spelled(name)} is for {', '.join(wanted)}; add --format {wanted[0]}"
                )
        if self.options.needs_words and not options.word_timestamps:
            raise OptionError(
                f"{spelled(self.options.needs_words[0])} needs the times of words; "
                "add --word-timestamps True"
            )
        if self.has_translation and options.task == "translate":
            raise OptionError(
                "--subtitle-translation writes what is said and its translation; leave out --task"
            )


def take_subtitles(given: dict[str, Any], *, has_translation: bool) -> Subtitles:
    """Take the options of subtitles out of those of a command line."""
    return Subtitles(options=taken(SubtitleOptions, given), has_translation=has_translation)


type Done = tuple[int, Transcript, Transcript | None]
"""A recording's place, its transcript, and its translation if there is to be one."""


def transcribed(
    model: "Whisper",
    audios: Sequence[str],
    options: Mapping[str, Any],
    *,
    has_translation: bool,
    on_progress: "Callable[[FileProgress], None]",
    cancel: threading.Event,
) -> Iterator[Done]:
    """The transcripts of recordings, each as it is done, and if asked for their translations.

    Both tasks run at once, on one model.
    """
    if not has_translation:
        done = model.as_completed(audios, on_progress=on_progress, cancel=cancel, **options)
        return ((index, transcript, None) for index, transcript in done)
    halves = _Halves(on_progress)
    said, meant = (
        model.as_completed(
            audios, on_progress=halves.listener(task), cancel=cancel, **{**options, "task": task}
        )
        for task in ("transcribe", "translate")
    )
    return _paired(said, meant)


def _paired(
    said: Iterator[tuple[int, Transcript]], meant: Iterator[tuple[int, Transcript]]
) -> Iterator[Done]:
    """Transcripts with their translations, whichever is done first."""
    waiting: tuple[dict[int, Transcript], dict[int, Transcript]] = ({}, {})
    for done in zip_longest(said, meant):
        for side, item in zip(waiting, done, strict=True):
            if item is not None:
                side[item[0]] = item[1]
        for index in sorted(waiting[0].keys() & waiting[1].keys()):
            yield index, waiting[0].pop(index), waiting[1].pop(index)


class _Halves:
    """The progress of two tasks on each recording, told as that of one."""

    def __init__(self, tell: "Callable[[FileProgress], None]") -> None:
        self._tell = tell
        self._positions_s: dict[tuple[int, str], float] = {}

    def listener(self, task: str) -> "Callable[[FileProgress], None]":
        """What to call with the progress of a task; the segments of a translation are not told."""

        def listen(progress: "FileProgress") -> None:
            self._positions_s[progress.index, task] = progress.position_s
            both = (
                self._positions_s.get((progress.index, name), 0.0)
                for name in ("transcribe", "translate")
            )
            segments = progress.segments if task == "transcribe" else ()
            self._tell(replace(progress, position_s=sum(both) / 2, segments=segments))

        return listen
