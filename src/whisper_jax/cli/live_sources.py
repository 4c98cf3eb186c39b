"""Where the sound of ``whisper-jax live`` comes from."""

import math
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from whisper_jax.audio.live_kinds import PCM_ENCODINGS, RECONNECTIONS
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.cli.options import option
from whisper_jax.errors import AudioError, OptionError

if TYPE_CHECKING:
    from whisper_jax.audio.container import AudioStream

_SOURCE = "Source"
_RATES = (1000, 768_000)
_MAX_SPEED = 1000.0


@dataclass(frozen=True, kw_only=True)
class SourceChoice:
    """The options that say what is listened to."""

    input_device: Annotated[
        str | None,
        option(_SOURCE, "Microphone: a number or name of --list-devices.", metavar="NAME|N"),
    ] = None
    encoding: Annotated[
        str | None,
        option(
            _SOURCE,
            f"A pipe brings samples without a container: {', '.join(PCM_ENCODINGS)}; s16le if "
            "only --rate or --pcm-channels is given.",
            metavar="NAME",
        ),
    ] = None
    rate: Annotated[
        int | None,
        option(_SOURCE, f"Samples a second of such a pipe; {SAMPLE_RATE} if unset.", metavar="N"),
    ] = None
    pcm_channels: Annotated[
        int | None, option(_SOURCE, "Channels of such a pipe; 1 if unset.", metavar="N")
    ] = None
    speed: Annotated[
        float,
        option(_SOURCE, "Play a recording so many times faster than real time.", metavar="NUMBER"),
    ] = 1.0
    reconnect: Annotated[
        int,
        option(_SOURCE, "How often in a row to connect again to a stream that stops.", metavar="N"),
    ] = RECONNECTIONS

    def require(self, source: str | None) -> None:
        """Check that these go together with a source.

        Raises:
            OptionError: They do not; the sentence says what to do.
        """
        pcm = {"--encoding": self.encoding, "--rate": self.rate}
        pcm["--pcm-channels"] = self.pcm_channels
        given = [name for name, value in pcm.items() if value is not None]
        if given and not _is_pipe(source):
            raise OptionError(f"{given[0]} is for samples that come through a pipe: give -")
        if self.encoding is not None and self.encoding not in PCM_ENCODINGS:
            raise OptionError(
                f"--encoding is {self.encoding!r}; there are: {', '.join(PCM_ENCODINGS)}"
            )
        _within("--rate", self.rate, *_RATES)
        _within("--pcm-channels", self.pcm_channels, 1, 64)
        _within("--reconnect", self.reconnect, 0, 1_000_000)
        if not 0 < self.speed <= _MAX_SPEED or math.isnan(self.speed):
            raise OptionError(f"--speed is {self.speed}; give a number above 0, up to 1000")
        if self.input_device is not None and source is not None:
            raise OptionError("--input-device names a microphone; give no other source")
        if source is not None and Path(source).is_dir():
            raise OptionError(f"{source} is a folder; name a file")
        if source == "-" and sys.stdin.isatty():
            raise OptionError("- is what comes through a pipe: ffmpeg … | whisper-jax live -")

    def check(self, source: str | None) -> None:
        """See whether the source is there, without listening to it.

        Raises:
            AudioError: It is not.
        """
        if source is None:
            from whisper_jax.audio.microphone import microphones

            if not microphones():
                raise AudioError("no microphone was found; give a file, a URL, or - for a pipe")
        elif source != "-" and "://" not in source and not Path(source).exists():
            raise AudioError(f"{source}: there is no such file")

    def open(self, source: str | None, on_notice: Callable[[str], None]) -> "AudioStream":
        """Listen.

        Raises:
            AudioError: There is nothing to listen to.
        """
        if source is None:
            from whisper_jax.audio.microphone import open_microphone

            return open_microphone(self.input_device, on_notice)
        # Here and not above: this loads FFmpeg.
        from whisper_jax.audio.decode import open_audio
        from whisper_jax.audio.live import open_live_url, open_pipe, paced

        if "://" in source:
            stream = open_live_url(source, on_notice, reconnections=self.reconnect)
            # What has an end is a recording, and is played as one.
            return stream if stream.duration_s is None else paced(stream, self.speed)
        if _is_pipe(source):
            return open_pipe(_pipe(source), name=_name(source), **self._pcm())
        return paced(open_audio(source), self.speed)

    def _pcm(self) -> dict[str, Any]:
        given = (self.encoding, self.rate, self.pcm_channels)
        if all(value is None for value in given):
            return {}
        return {
            "encoding": self.encoding or "s16le",
            "rate": self.rate or SAMPLE_RATE,
            "channels": self.pcm_channels or 1,
        }


def waits(source: str | None) -> bool:
    """Whether a source waits for whoever reads it slowly; a microphone does not."""
    return source is not None


def _within(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise OptionError(f"{name} is {value}; give {low} to {high}")


def _name(source: str) -> str:
    return "standard input" if source == "-" else source


def _is_pipe(source: str | None) -> bool:
    if source is None or "://" in source:
        return False
    if source == "-":
        return True
    try:
        return not stat.S_ISREG(os.stat(source).st_mode)
    except OSError:
        return False


def _pipe(source: str) -> BinaryIO:
    """The pipe as it is: a buffer would wait until it is full."""
    try:
        name = sys.stdin.fileno() if source == "-" else source
        return open(name, "rb", buffering=0, closefd=source != "-")
    except OSError as error:
        raise AudioError(f"cannot read {_name(source)}: {error.strerror or error}") from error
