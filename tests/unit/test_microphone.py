"""The microphone, with a library for sound devices that is played."""

import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_live import speech
from live_command import Run, fake_live, fake_model, run_live

from whisper_jax.audio import microphone
from whisper_jax.audio.microphone import Microphone, microphones, open_microphone
from whisper_jax.errors import AudioError

model, live, run = fake_model, fake_live, run_live

FINE = SimpleNamespace(input_overflow=False)


class PortAudioError(Exception):
    pass


class Devices:
    """What the package `sounddevice` is to us: a laptop with two microphones and a speaker.

    Attributes:
        sound: What the opened microphone hears, float32 [n] at its rate; None for nothing yet.
        refuses: The settings (rate, channels) that the device does not know.
        opened: The settings that were asked for.
    """

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.default = SimpleNamespace(device=[1, 0])
        self.sound: np.ndarray | None = None
        self.refuses: set[tuple[int, int]] = set()
        self.opened: list[dict[str, Any]] = []
        self.is_unplugged = False
        self.status = FINE
        self._devices = [
            {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"name": "Built-in", "max_input_channels": 1, "default_samplerate": 44100.0},
            {"name": "USB", "max_input_channels": 2, "default_samplerate": 48000.0},
        ]
        for device in self._devices:
            device["hostapi"] = 0

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return self._devices
        if device is None:
            return self._devices[self.default.device[0]]
        for index, about in enumerate(self._devices):
            if about["max_input_channels"] and (
                index == device or (isinstance(device, str) and device in str(about["name"]))
            ):
                return about
        raise ValueError(f"No input device matching {device!r}")

    def InputStream(self, *, callback: Callable[..., None], **settings: Any) -> "Opened":  # noqa: N802
        self.opened.append(settings)
        if (settings["samplerate"], settings["channels"]) in self.refuses:
            raise PortAudioError("Invalid sample rate")
        return Opened(self, callback, settings)


class Opened:
    """A microphone that gives all it hears as fast as it is asked, on a thread of its own."""

    def __init__(self, devices: Devices, callback: Callable[..., None], settings: Any) -> None:
        self._devices, self._callback, self._settings = devices, callback, settings
        self.active = True

    def start(self) -> None:
        if self._devices.sound is not None:
            threading.Thread(target=self._play, daemon=True).start()

    def close(self) -> None:
        self.active = False

    def _play(self) -> None:
        sound = self._devices.sound
        assert sound is not None
        n_channels, n = self._settings["channels"], self._settings["blocksize"]
        buffer = np.empty((n, n_channels), np.float32)
        for first in range(0, len(sound) - n + 1, n):
            # One array is used again and again, as PortAudio does.
            buffer[:] = sound[first : first + n, None]
            self._callback(buffer, n, None, self._devices.status)
        buffer[:] = np.nan
        self.active = not self._devices.is_unplugged


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Devices:
    fake = Devices()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # pyright: ignore
    monkeypatch.setattr(microphone, "_SILENT_S", 0.05)
    return fake


def listen(device: str | None = None, **options: Any) -> tuple[np.ndarray, AudioError]:
    """All that is heard until the microphone is unplugged."""
    blocks: list[np.ndarray] = []
    with open_microphone(device, **options) as stream:
        assert stream.duration_s is None
        with pytest.raises(AudioError) as failure:
            blocks.extend(stream.blocks())
    assert all(len(block) <= 800 for block in blocks)
    return np.concatenate(blocks), failure.value


def test_devices_that_hear_are_listed(devices: Devices, run: Run):
    assert microphones() == [
        Microphone(index=1, name="Built-in (ALSA)", n_channels=1, rate=44100, is_default=True),
        Microphone(index=2, name="USB (ALSA)", n_channels=2, rate=48000, is_default=False),
    ]
    code, out, err = run("--list-devices")
    assert (code, err) == (0, "")
    assert out == (
        "*   1  Built-in (ALSA), 1 channels, 44100 Hz\n    2  USB (ALSA), 2 channels, 48000 Hz\n"
    )


@pytest.mark.parametrize(
    ("device", "index"), [(None, None), ("2", 2), ("USB", "USB"), ("Built", "Built")]
)
def test_what_is_said_is_heard(devices: Devices, device: str | None, index: Any):
    devices.sound, devices.is_unplugged = speech(0.5), True
    samples, failure = listen(device)
    np.testing.assert_array_equal(samples, devices.sound)
    assert devices.opened == [
        {
            "device": index,
            "samplerate": 16_000,
            "channels": 1,
            "dtype": "float32",
            "blocksize": 800,
        }
    ]
    assert "was it unplugged?" in str(failure)


def test_a_device_with_one_rate_is_resampled(devices: Devices):
    devices.refuses = {(16_000, 1)}
    devices.is_unplugged = True
    time_s = np.arange(44_100) / 44_100
    devices.sound = np.sin(2 * np.pi * 440 * time_s).astype(np.float32)
    samples, _ = listen()
    assert [settings["samplerate"] for settings in devices.opened] == [16_000, 44_100]
    assert len(samples) == pytest.approx(16_000, abs=200)
    spectrum = np.abs(np.fft.rfft(samples[:8000]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_a_device_without_mono_is_mixed(devices: Devices):
    devices.refuses = {(16_000, 1), (48_000, 1)}
    devices.is_unplugged = True
    devices.sound = speech(0.5)
    assert len(listen("USB")[0]) > 0
    assert devices.opened[-1]["channels"] == 2


def test_a_device_that_cannot_be_opened(devices: Devices):
    devices.refuses = {(16_000, 1), (44_100, 1)}
    with pytest.raises(AudioError, match=r"cannot listen to 'Built-in': Invalid .* in use"):
        open_microphone()


@pytest.mark.parametrize("device", ["7", "Studio", "0"])
def test_a_device_that_is_not_there(devices: Devices, device: str):
    with pytest.raises(AudioError, match=f"no microphone '{device}' .*--list-devices"):
        open_microphone(device)


def test_sound_waits_for_who_reads_late_and_what_is_lost_is_told(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(microphone, "MAX_WAITING_S", 0.5)
    devices.sound, devices.is_unplugged = speech(1.0), True
    devices.status = SimpleNamespace(input_overflow=True)
    notices: list[str] = []
    with open_microphone(None, notices.append) as stream:
        time.sleep(0.3)
        blocks = [block for block, _ in zip(stream.blocks(), range(20), strict=False)]
    # Half a second was kept; the rest is silence, so that times stay true.
    heard = np.concatenate(blocks)
    assert notices == [
        "some sound of 'Built-in' was lost: the machine is too busy",
        "1.5 s of 'Built-in' were lost",
    ]
    assert np.count_nonzero(heard) <= 8000


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ImportError("No module named 'sounddevice'"), "pip install 'whisper-jax[live]'"),
        (OSError("PortAudio library not found"), "apt install libportaudio2"),
    ],
)
def test_what_is_not_installed_is_named(
    run: Run, model: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
):
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise error

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    code, out, err = run()
    assert (code, out) == (1, "")
    assert advice in err
    assert model.load == {}, "it is said before a model is loaded"


def test_a_machine_without_a_microphone(devices: Devices, run: Run):
    devices._devices = devices._devices[:1]
    assert run() == (
        1,
        "",
        "whisper-jax: no microphone was found; give a file, a URL, or - for a pipe\n",
    )


def test_the_microphone_is_the_default_source(devices: Devices, run: Run):
    devices.sound, devices.is_unplugged = speech(2.0, 1.0), True
    code, out, err = run("--input-device", "USB")
    assert (code, out) == (1, "word0.0 word0.1\nword1.0\n")
    assert "'USB' gives no more sound" in err
