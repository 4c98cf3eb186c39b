"""What ``whisper-jax live`` writes to files while it goes on."""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, final

from whisper_jax.cli.options import option
from whisper_jax.errors import OptionError, WhisperJaxError
from whisper_jax.formats import FORMATS, write_transcript
from whisper_jax.stream.collected import Collected
from whisper_jax.types import Transcript

if TYPE_CHECKING:
    from whisper_jax.audio.encode import AudioWriter
    from whisper_jax.audio.frames import Block

RECORDINGS: Final = ("flac", "wav")
"""The formats of recordings, which are the endings of their names too."""

_OUTPUT = "Output"
_LEAST_INTERVAL_S = 2.0
_REST = 20
"""Writing takes a twentieth of the time at most, however long the transcript becomes."""


@dataclass(frozen=True, kw_only=True)
class FileChoice:
    """The options that say what is written to files."""

    output: Annotated[
        list[Path] | None,
        option(
            _OUTPUT,
            "Write the transcript to this file, and renew it while it goes on; its ending says "
            f"how: {', '.join(FORMATS)}. Give it again for more.",
            "--output",
            "-o",
            metavar="FILE",
        ),
    ] = None
    record: Annotated[
        Path | None,
        option(
            _OUTPUT,
            f"Keep what is heard in this file: {' or '.join(RECORDINGS)}.",
            metavar="FILE",
        ),
    ] = None
    finish: Annotated[
        bool,
        option(
            _OUTPUT,
            "Transcribe the recording again at the end, with all the time it takes, and say what "
            "changed.",
            "--finish",
        ),
    ] = False

    def require(self) -> None:
        """Check that files of these names can be written.

        Raises:
            OptionError: One cannot.
        """
        for path in self.output or ():
            _require_ending(path, "--output", FORMATS)
        if self.record is not None:
            _require_ending(self.record, "--record", RECORDINGS)
            if self.record.exists():
                raise OptionError(f"{self.record} is there already; name another --record")
        for path in (*(self.output or ()), *([self.record] if self.record else ())):
            if path.is_dir():
                raise OptionError(f"{path} is a folder; name a file in it")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OptionError(
                    f"cannot use {path.parent} for {path.name}: {error.strerror}"
                ) from error
            if not os.access(path.parent, os.W_OK):
                raise OptionError(f"no permission to write into {path.parent}")


def _require_ending(path: Path, name: str, endings: Sequence[str]) -> None:
    if path.suffix.removeprefix(".").lower() not in endings:
        raise OptionError(f"{name} is {str(path)!r}; let it end in .{', .'.join(endings)}")


def _writer(path: Path) -> "AudioWriter":
    # Here and not above: this loads FFmpeg.
    from whisper_jax.audio.encode import AudioWriter

    return AudioWriter(path, path.suffix.removeprefix(".").lower())


@final
class LiveFiles:
    """The files of a live stream: transcripts that are renewed, and a recording that grows.

    Attributes:
        recording: Where the recording is; None if there is none, or it could not be kept.
        failures: What could not be written, and why; each is said once.
    """

    def __init__(self, choice: FileChoice) -> None:
        """Begin the recording, if there is to be one.

        Raises:
            AudioError: It cannot be written.
        """
        self.recording: Path | None = choice.record
        self.failures: list[str] = []
        self._paths = choice.output or []
        self._resources = ExitStack()
        if choice.record is None and choice.finish:
            folder = self._resources.enter_context(
                tempfile.TemporaryDirectory(prefix="whisper-jax-")
            )
            self.recording = Path(folder) / "live.flac"
        self._writer: "AudioWriter | None" = None
        if self.recording is not None:
            self._writer = _writer(self.recording)
        self._due_s = 0.0

    @property
    def has_outputs(self) -> bool:
        """Whether transcripts are written."""
        return bool(self._paths)

    def keep(self, samples: "Block") -> None:
        """Add to the recording; if that fails there is none from now on."""
        if self._writer is None:
            return
        try:
            self._writer.write(samples)
        except WhisperJaxError as error:
            self._writer, self.recording = None, None
            self.failures.append(str(error))

    def end_recording(self) -> None:
        """The recording is whole."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except WhisperJaxError as error:
            self.recording = None
            self.failures.append(str(error))

    def renew(self, collected: Collected) -> None:
        """Write the transcript so far, unless that was done a moment ago."""
        started_s = time.monotonic()
        if not self._paths or started_s < self._due_s:
            return
        self.write(collected.transcript())
        took_s = time.monotonic() - started_s
        self._due_s = started_s + max(_LEAST_INTERVAL_S, _REST * took_s)

    def write(self, transcript: Transcript) -> None:
        """Write a transcript to all files."""
        for path in self._paths:
            try:
                write_transcript(transcript, path, path.suffix.removeprefix(".").lower())
            except WhisperJaxError as error:
                if str(error) not in self.failures:
                    self.failures.append(str(error))

    def close(self) -> None:
        """Delete what was kept for a while only."""
        self.end_recording()
        self._resources.close()
