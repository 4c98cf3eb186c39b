"""What comes out: files as soon as each is done, text on stdout in the order of the files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whisper_jax.cli.progress import Display
from whisper_jax.errors import WhisperJaxError
from whisper_jax.formats import SubtitleOptions, write_transcript
from whisper_jax.types import Segment, Transcript

if TYPE_CHECKING:
    from whisper_jax.transcribe import FileProgress


class Results:
    """Takes transcripts in the order they are done in.

    One file's segments are printed as they come; several files are printed one after the other,
    each under its name. A file that failed is named with its reason on stderr.
    """

    def __init__(
        self,
        files: Sequence[str],
        paths: Mapping[str, Sequence[Path]],
        display: Display,
        *,
        prints: bool,
        layout: SubtitleOptions | None = None,
    ) -> None:
        """Results of ``files``, which go to ``paths[format][index]`` and, if asked, to stdout."""
        self._layout = layout
        self.n_done = 0
        self.n_failed = 0
        self._files = files
        self._paths = paths
        self._display = display
        self._prints = prints
        self._waiting: dict[int, Transcript | None] = {}
        self._next_file = 0
        self._next_segment = 0

    def progressed(self, index: int, progress: "FileProgress") -> None:
        """A file has got further."""
        self._display.transcribed(index, progress)
        if len(self._files) == 1:
            self._print_segments(progress.segments)

    def completed(
        self, index: int, transcript: Transcript, translation: Transcript | None = None
    ) -> None:
        """A file is done, with an error or without."""
        for done in (transcript, translation):
            if done is not None and done.error is not None:
                self.failed(index, str(done.error))
                return
        try:
            for name, paths in self._paths.items():
                write_transcript(
                    transcript, paths[index], name, self._layout, translation=translation
                )
                self._display.note(f"{self._files[index]} → {paths[index]}")
        except WhisperJaxError as error:
            self.failed(index, str(error))
            return
        self.n_done += 1
        self._display.file_done(index, transcript.duration)
        if not transcript.segments:
            self._display.note(f"{self._files[index]}: no speech was found")
        self._waiting[index] = transcript
        self._print_in_order()

    def failed(self, index: int, reason: str) -> None:
        """A file could not be transcribed, or its text not be written."""
        self.n_failed += 1
        self._display.file_failed(index)
        name = self._files[index]
        # Most errors of a recording name it already.
        self._display.problem(reason if name in reason else f"{name}: {reason}")
        self._waiting[index] = None
        self._print_in_order()

    def print_rest(self) -> None:
        """Print what is done, though files before it are not."""
        for index in sorted(self._waiting):
            self._print_file(index)

    def _print_in_order(self) -> None:
        while self._next_file in self._waiting:
            self._print_file(self._next_file)
            self._next_file += 1

    def _print_file(self, index: int) -> None:
        transcript = self._waiting.pop(index)
        if transcript is None or not self._prints:
            return
        if len(self._files) > 1:
            self._display.line(self._files[index])
            self._next_segment = 0
        self._print_segments(transcript.segments)
        if len(self._files) > 1:
            self._display.line("")

    def _print_segments(self, segments: Sequence[Segment]) -> None:
        """Print those that have not been printed yet."""
        for segment in segments:
            if self._prints and segment.id >= self._next_segment:
                speaker = "" if segment.speaker is None else f"{segment.speaker}: "
                self._display.line(
                    f"[{_time(segment.start)} --> {_time(segment.end)}]  "
                    f"{speaker}{segment.text.strip()}"
                )
                self._next_segment = segment.id + 1


def _time(seconds: float) -> str:
    """``MM:SS.mmm``, with hours in front where there are any."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
    return f"{hours:02}:{clock}" if hours else clock
