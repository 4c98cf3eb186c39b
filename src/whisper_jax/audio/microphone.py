"""The microphone, through PortAudio: the package `sounddevice`, which the extra ``live`` brings.

PyAV is no way to it: its wheels read ALSA on Linux alone, with a path to ALSA's configuration that
exists on the machine that built them only.
"""

import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, cast, final

import av
import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.container import AudioStream
from whisper_jax.audio.frames import Block, even_blocks
from whisper_jax.audio.live import LIVE_BLOCK_SAMPLES
from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import AudioError

MAX_WAITING_S: Final = 300.0
"""Seconds of sound that wait for whoever reads them; what comes then is lost."""

_BLOCKS_A_SECOND = 20
_SILENT_S = 2.0
_INSTALL = "pip install 'whisper-jax[live]'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Microphone:
    """A device that sound comes from.

    Attributes:
        index: Its number, which `open_microphone` takes.
        name: Its name, with that of the system's interface to it.
        n_channels: Its channels.
        rate: Samples a second that it gives by itself.
        is_default: Whether it is the one that is used if none is named.
    """

    index: int
    name: str
    n_channels: int
    rate: int
    is_default: bool


def microphones() -> list[Microphone]:
    """The devices that sound can be had from.

    Raises:
        AudioError: The package or the library for them is not installed.
    """
    sounddevice = _sounddevice()
    interfaces = [interface["name"] for interface in sounddevice.query_hostapis()]
    default = sounddevice.default.device[0]
    return [
        Microphone(
            index=index,
            name=f"{device['name']} ({interfaces[device['hostapi']]})",
            n_channels=device["max_input_channels"],
            rate=round(device["default_samplerate"]),
            is_default=index == default,
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_input_channels"] > 0
    ]


def open_microphone(
    device: str | None = None, on_notice: Callable[[str], None] = lambda text: None
) -> AudioStream:
    """Listen to a microphone, from now on.

    Args:
        device: Its number, its name or a part of that; the system's own choice if None.
        on_notice: Is told when sound is lost.

    Returns:
        Its sound; it has no end. Sound waits for who reads it, up to `MAX_WAITING_S`.

    Raises:
        AudioError: There is no such device, it cannot be used, or what is needed for it is not
            installed.
    """
    sounddevice = _sounddevice()
    wanted = int(device) if device is not None and device.isdecimal() else device
    try:
        about = cast("dict[str, Any]", sounddevice.query_devices(wanted, "input"))
    except (ValueError, sounddevice.PortAudioError) as error:
        which = "no microphone was found" if device is None else f"no microphone {device!r}"
        raise AudioError(
            f"{which} ({error}); --list-devices shows what there is. A pipe works too: "
            "whisper-jax live -"
        ) from error
    return _Listening(sounddevice, wanted, about, on_notice).stream


def _sounddevice() -> ModuleType:
    """The package that knows PortAudio.

    Raises:
        AudioError: It, or PortAudio, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(f"the microphone needs the package sounddevice: {_INSTALL}") from error
    except OSError as error:
        raise AudioError(
            "the microphone needs the library PortAudio: apt install libportaudio2, or "
            "dnf install portaudio"
        ) from error
    return sounddevice


@final
class _Listening:
    """A microphone that is open: PortAudio's thread puts its sound into a queue."""

    def __init__(
        self,
        library: ModuleType,
        device: int | str | None,
        about: Any,
        on_notice: Callable[[str], None],
    ) -> None:
        self._library = library
        self._name = str(about["name"])
        self._waiting: queue.Queue[NDArray[np.float32]] = queue.Queue(
            round(MAX_WAITING_S * _BLOCKS_A_SECOND)
        )
        self._notice = on_notice
        self._overflowed = False
        self._n_lost = 0
        self._input, self._rate = self._open(device, about)
        self.stream = AudioStream(
            name=self._name,
            duration_s=None,
            blocks=even_blocks(self._samples(), LIVE_BLOCK_SAMPLES),
            close=self._input.close,
        )

    def _open(self, device: int | str | None, about: Any) -> tuple[Any, int]:
        """Open it as we want it, or else as it is: many devices know one rate only."""
        own_rate = round(about["default_samplerate"])
        n_channels = int(about["max_input_channels"])
        failure: Exception | None = None
        for rate, channels in ((SAMPLE_RATE, 1), (own_rate, 1), (own_rate, n_channels)):
            try:
                opened = self._library.InputStream(
                    device=device,
                    samplerate=rate,
                    channels=channels,
                    dtype="float32",
                    blocksize=rate // _BLOCKS_A_SECOND,
                    callback=self._heard,
                )
                opened.start()
            except (ValueError, self._library.PortAudioError) as error:
                failure = error
            else:
                return opened, rate
        raise AudioError(
            f"cannot listen to {self._name!r}: {failure}; is it in use, or is the permission "
            "for microphones missing? --list-devices shows what there is"
        )

    def _heard(self, samples: NDArray[np.float32], n: int, times: Any, status: Any) -> None:
        """What PortAudio calls: it must not wait, and its array is used again."""
        self._overflowed = self._overflowed or bool(status.input_overflow)
        try:
            self._waiting.put_nowait(samples.mean(axis=1, dtype=np.float32))
        except queue.Full:
            self._n_lost += n

    def _at_own_rate(self) -> Iterator[Block]:
        while True:
            try:
                samples = self._waiting.get(timeout=_SILENT_S)
            except queue.Empty:
                if self._input.active:
                    continue  # the machine slept, or the device is off for a moment
                raise AudioError(f"{self._name!r} gives no more sound; was it unplugged?") from None
            if self._overflowed:
                self._overflowed = False
                self._notice(f"some sound of {self._name!r} was lost: the machine is too busy")
            if self._n_lost:
                n_lost, self._n_lost = self._n_lost, 0
                self._notice(f"{n_lost / self._rate:.1f} s of {self._name!r} were lost")
                # Silence in its place keeps the times true.
                yield np.zeros(n_lost, np.float32)
            yield samples

    def _samples(self) -> Iterator[Block]:
        if self._rate == SAMPLE_RATE:
            yield from self._at_own_rate()
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for samples in self._at_own_rate():
            frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
            frame.sample_rate = self._rate
            for resampled in resampler.resample(frame):
                if resampled.samples:
                    yield cast("Block", resampled.to_ndarray())[0]
