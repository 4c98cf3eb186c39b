"""A server on a thread of its own, with models that need no weights."""

import socket
import threading
import time
import wave
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import httpx2 as httpx
import numpy as np

from whisper_jax.audio.decode import AudioInput, open_audio
from whisper_jax.driver import FileProgress
from whisper_jax.engine.device import DeviceCounts
from whisper_jax.errors import CancelledError
from whisper_jax.options import TranscribeOptions
from whisper_jax.server.run import listen, run_server
from whisper_jax.server.settings import ServerSettings
from whisper_jax.shelf import Models, ModelStatus
from whisper_jax.types import Segment, Transcript, Word

RATE = 16_000


class CountingWhisper:
    """Says a number for every second of a recording, which it really decodes.

    Attributes:
        gate: While it is clear, nobody gets beyond the first second.
        padding: Follows every number.
        asked: Owner and options of every call.
        batch_sizes: The most windows at once of every call.
        n_active: Calls under way.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[tuple[str, TranscribeOptions]] = []
        self.failure: Exception | None = None
        self.n_active = 0
        self.n_warmups = 0
        self.batch_sizes: list[int | None] = []
        self.padding = ""

    def warmup(self) -> None:
        self.n_warmups += 1

    def follow(
        self,
        audio: AudioInput,
        *,
        owner: str,
        priority: int = 0,
        cancel: threading.Event | None = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Generator[FileProgress | Transcript]:
        given = TranscribeOptions(**options)
        self.asked.append((owner, given))
        self.batch_sizes.append(batch_size)
        return self._follow(audio, given, cancel or threading.Event())

    def _follow(
        self, audio: AudioInput, options: TranscribeOptions, cancel: threading.Event
    ) -> Generator[FileProgress | Transcript]:
        self.n_active += 1
        segments: list[Segment] = []
        n_samples = 0
        try:
            with open_audio(audio) as stream:
                for block in stream.blocks():
                    n_samples += len(block)
                    while len(segments) < n_samples // RATE:
                        segments.append(_segment(len(segments), options, self.padding))
                        yield FileProgress(
                            index=0,
                            position_s=float(len(segments)),
                            duration_s=stream.duration_s,
                            segments=(segments[-1],),
                            language="en",
                            done=False,
                        )
                        while not self.gate.wait(0.01):
                            if cancel.is_set():
                                break
                        if cancel.is_set():
                            raise CancelledError("cancelled by the caller")
            if self.failure is not None:
                raise self.failure
            yield Transcript(
                text="".join(segment.text for segment in segments),
                segments=tuple(segments),
                language=options.language or "en",
                language_probability=None,
                duration=n_samples / RATE,
                task=options.task,
            )
        finally:
            self.n_active -= 1


def _segment(number: int, options: TranscribeOptions, padding: str) -> Segment:
    word = Word(start=number + 0.1, end=number + 0.9, word=f" {number}", probability=0.5)
    return Segment(
        id=number,
        seek=0,
        start=float(number),
        end=float(number + 1),
        text=f" {number}{padding}",
        tokens=(number,),
        temperature=0.0,
        avg_logprob=-0.5,
        compression_ratio=1.0,
        no_speech_prob=0.1,
        language="en",
        words=(word,) if options.word_timestamps else None,
        speaker="Speaker 1" if options.channels == "split" else None,
    )


class CountingModels:
    """Such models by name; loading one may be held back or fail."""

    def __init__(self, names: tuple[str, ...] = ("counting",)) -> None:
        self.names = names
        self.whisper = CountingWhisper()
        self.may_load = threading.Event()
        self.may_load.set()
        self.failure: Exception | None = None
        self.used: list[str] = []
        self.is_closed = False

    @contextmanager
    def use(self, name: str) -> Iterator[CountingWhisper]:
        self.used.append(name)
        self.may_load.wait()
        if self.failure is not None:
            raise self.failure
        yield self.whisper

    def status(self) -> list[ModelStatus]:
        return [
            ModelStatus(
                name=name,
                state="loaded",
                n_users=self.whisper.n_active,
                memory_bytes=1,
                most_windows=8,
                n_slots=4,
                n_windows=3,
                n_waiting=2,
                counts=DeviceCounts(),
            )
            for name in self.names
        ]

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Served:
    """A server that runs.

    Attributes:
        url: Its address.
        models: What it serves.
        stop: Set it to stop the server.
        thread: Where it runs.
    """

    url: str
    models: Any
    stop: threading.Event
    thread: threading.Thread
    errors: list[BaseException] = field(default_factory=list)

    def post(self, path: str = "/v1/audio/transcriptions", **settings: Any) -> httpx.Response:
        """Send a recording of three seconds, with these fields."""
        key = settings.pop("key", None)
        file = settings.pop("file", audio(3))
        fields: dict[str, Any] = {"model": "counting"} | settings.pop("fields", {})
        return httpx.post(
            self.url + path,
            data={name: value for name, value in fields.items() if value is not None},
            files={"file": ("a.wav", file)} if file is not None else {"x": (None, "")},
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=20,
        )

    def begin(self, **settings: Any) -> "Future[httpx.Response]":
        """The same on a thread."""
        done: Future[httpx.Response] = Future()

        def post() -> None:
            try:
                done.set_result(self.post(**settings))
            except Exception as error:
                done.set_exception(error)

        threading.Thread(target=post, daemon=True).start()
        return done

    def raw(
        self, content: Any, headers: dict[str, str], path: str = "/v1/audio/transcriptions"
    ) -> httpx.Response:
        """Send a body as it is."""
        return httpx.post(self.url + path, content=content, headers=headers, timeout=20)

    def post_json(self, path: str, body: Any) -> httpx.Response:
        """Send JSON."""
        return httpx.post(self.url + path, json=body, timeout=20)

    def connect(self) -> socket.socket:
        """A connection on which anything may be sent."""
        client = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), 10)
        client.settimeout(10)
        return client

    def is_closed_by_server(self, client: socket.socket) -> bool:
        """Whether a connection has been broken off."""
        try:
            client.setblocking(False)
            client.sendall(b"x")
        except ConnectionError:
            return True
        except BlockingIOError:
            pass
        return False

    def waiting(self, key: str) -> float:
        """Requests that wait, where a key is needed to know."""
        text = self.get("/metrics", headers={"Authorization": f"Bearer {key}"}).text
        return float(text.partition("\nwhisper_jax_waiting_requests ")[2].split()[0])

    def get(self, path: str, **settings: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=20, **settings)

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise KeyError(name)


@contextmanager
def serving(
    models: CountingModels | Models | None = None, *, waits: bool = True, **settings: Any
) -> Iterator[Served]:
    """A server for the block; it stops at once after it."""
    models = models or CountingModels()
    live = {name: settings.pop(name) for name in ("make_live",) if name in settings}
    options = {"stop_timeout_s": 0.0, "models": models.names} | settings
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    stop = threading.Event()
    served = Served(f"http://127.0.0.1:{port}", models, stop, threading.Thread())

    def run() -> None:
        try:
            run_server(models, ServerSettings(**options), listener=listener, stop=stop, **live)
        except BaseException as error:
            served.errors.append(error)

    served.thread = threading.Thread(target=run)
    served.thread.start()
    try:
        if waits:
            until(lambda: served.get("/ready").status_code == 200, 60)
        yield served
    finally:
        stop.set()
        if isinstance(models, CountingModels):
            models.may_load.set()
        served.thread.join(20)
        assert not served.thread.is_alive()


def until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait for something to come true."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.02)


def audio(seconds: float, n_channels: int = 1) -> bytes:
    """A WAV file of noise."""
    file = BytesIO()
    samples = np.random.default_rng(0).integers(-3000, 3000, (round(seconds * RATE), n_channels))
    with wave.open(file, "wb") as writer:
        writer.setnchannels(n_channels)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
