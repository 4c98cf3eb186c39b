"""A live stream of the plain protocol, which outlives the connection that opened it."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.wire import Encoding, WireAudio
from whisper_jax.server.errors import ApiError, refused
from whisper_jax.server.live.broadcast import Broadcast, StreamFacts
from whisper_jax.server.live.checks import json_object
from whisper_jax.server.live.intake import Intake, Taken
from whisper_jax.server.live.lives import Hold, LiveStreamLike, send_to
from whisper_jax.server.live.metrics import LiveMetrics
from whisper_jax.server.live.outbox import CLOSE_TAKEN_OVER, Closing, Outbox
from whisper_jax.stream.events import LiveEvent, StreamEnded
from whisper_jax.stream.settings import LiveOptions

MAX_MESSAGE_BYTES: Final = 1 << 20
"""Half a minute of `pcm16` at 16 kHz: nothing else happens while a message is being converted."""
POSITION_BYTES: Final = 8
"""Before the samples of a binary message with ``framing=positions``: little-endian, unsigned."""


@dataclass(frozen=True, kw_only=True)
class PlainOptions:
    """What a client asks for when it opens a stream.

    Attributes:
        model: The model's name, as it is served.
        live: How to transcribe.
        encoding: Of the samples.
        rate: Samples a second.
        has_positions: Whether binary messages begin with a position.
        room: The room in which it speaks, or None.
    """

    model: str
    live: LiveOptions
    encoding: Encoding = "pcm16"
    rate: int = 16_000
    has_positions: bool = False
    room: str | None = None


@final
class PlainSession:
    """One stream: takes messages, tells events.

    Args:
        name: The session's id.
        owner: Whose it is.
        options: What was asked for.
        metrics: What is counted.
        on_end: Called once, when the stream has come to its end.

    Attributes:
        broadcast: Who listens.
    """

    def __init__(
        self,
        name: str,
        owner: str,
        options: PlainOptions,
        metrics: LiveMetrics,
        on_end: "Callable[[PlainSession], None]",
    ) -> None:
        self.name = name
        self.owner = owner
        self.options = options
        facts = StreamFacts(
            model=options.model,
            language=options.live.language,
            task=options.live.task,
            room=options.room,
        )
        self.broadcast = Broadcast(facts)
        self._wire = WireAudio(options.encoding, options.rate)
        self._intake = Intake(self._wire.silence, options.rate)
        self._metrics = metrics
        self._on_end = on_end
        self._stream: LiveStreamLike | None = None
        self._hold: Hold | None = None
        self._is_finished = False
        self._closing = Closing()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, hold: Hold) -> None:
        """Begin to listen, on a model that is held from now on.

        Raises:
            OptionError: The model cannot do what was asked for.
        """
        self._stream = hold.open(self._note, self.owner, self.options.live)
        self._hold = hold

    @property
    def stream(self) -> LiveStreamLike:
        """What listens.

        Raises:
            RuntimeError: It has not begun.
        """
        if self._stream is None:
            raise RuntimeError("the stream has not begun")
        return self._stream

    @property
    def backlog_s(self) -> float:
        """Audio that has not been looked at; none once the stream has ended."""
        return 0.0 if self.broadcast.has_ended else self.stream.backlog_s

    # --- connections -----------------------------------------------------------------------------

    def attach(self, after: int | None, resume_timeout_s: float) -> Outbox:
        """A client is there; one that was there before is sent away.

        Raises:
            ApiError: The events after ``after`` are no longer kept.
        """
        first = {
            "type": "session",
            "session": self.name,
            "received_samples": self._intake.n_received,
            "last_seq": self.broadcast.n_told,
            "resume_timeout_s": resume_timeout_s,
            "encoding": self.options.encoding,
            "rate": self.options.rate,
        } | vars(self.broadcast.facts)
        taken_over = Closing(CLOSE_TAKEN_OVER, "resumed on another connection")
        outbox = self.broadcast.speak(first, after, taken_over)
        # What the former connection had sent of a sample is sent again.
        self._intake.break_off()
        self._wire.drop_part()
        self.stop_timer()
        return outbox

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something unless a client comes back before."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def stop_timer(self) -> None:
        """Do it not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- messages --------------------------------------------------------------------------------

    def take_bytes(self, data: bytes) -> None:
        """A binary message.

        Raises:
            ApiError: It makes no sense; the stream goes on.
        """
        _require_small(data)
        if not self.options.has_positions:
            self._take(lambda: self._intake.follow(data))
            return
        if len(data) < POSITION_BYTES:
            raise refused(f"a message begins with a position of {POSITION_BYTES} bytes", "audio")
        position = int.from_bytes(data[:POSITION_BYTES], "little")
        self._take(lambda: self._intake.place(position, data[POSITION_BYTES:]))

    def take_text(self, text: str) -> dict[str, Any] | None:
        """A command.

        Returns:
            What it is answered with, if it is.

        Raises:
            ApiError: It makes no sense; the stream goes on.
        """
        _require_small(text)
        command = _command(text)
        match command["type"]:
            case "audio":
                self._take_json(command)
            case "commit":
                self._require_open()
                self._settle()
                self.stream.commit()
            case "clear":
                self._require_open()
                self._settle()
                self.stream.clear()
            case "finish":
                self.finish()
            case "status":
                return {
                    "type": "status",
                    "received_samples": self._intake.n_received,
                    "doubled_samples": self._intake.n_doubled,
                    "backlog_s": round(self.backlog_s, 3),
                    "last_seq": self.broadcast.n_told,
                }
            case unknown:
                raise refused(
                    f"no command {unknown!r}; there are: audio, commit, clear, finish, status",
                    "type",
                )
        return None

    def finish(self, closing: Closing | None = None) -> None:
        """Nothing more comes: what there is gets committed. A second call does nothing."""
        if self._is_finished:
            return
        self._settle()
        self._send(self._wire.flush())
        self._is_finished = True
        self._closing = closing or self._closing
        self.stream.finish()

    def cancel(self) -> None:
        """End at once."""
        self._is_finished = True
        self.stream.cancel()

    def _take_json(self, command: dict[str, Any]) -> None:
        audio, position = command.get("audio"), command.get("position")
        if not isinstance(audio, str):
            raise refused("audio is to be text in base64", "audio")
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError) as error:
            raise refused(f"audio is no base64: {error}", "audio") from error
        if position is None:
            self._take(lambda: self._intake.follow(data))
        elif isinstance(position, int) and not isinstance(position, bool):
            self._take(lambda: self._intake.place(position, data))
        else:
            raise refused("position is to be a whole number of samples", "position")

    def _take(self, take: Callable[[], Taken]) -> None:
        self._require_open()
        self._pass_on(take())

    def _require_open(self) -> None:
        if self._is_finished:
            raise ApiError(409, "the stream has been finished", code="stream_finished")

    def _settle(self) -> None:
        """Wait no longer for audio that is missing."""
        self._pass_on(self._intake.close_gaps())

    def _pass_on(self, taken: Taken) -> None:
        for gap in taken.gaps:
            self.broadcast.add(
                {"type": "audio_lost", "position": gap.position, "samples": gap.n_samples}
            )
        self._send(self._wire.feed(taken.data))

    def _send(self, samples: NDArray[np.float32]) -> None:
        if len(samples) and not self.broadcast.has_ended:
            self._metrics.note_audio(self.options.model, len(samples))
            send_to(self.stream, samples)

    # --- events ----------------------------------------------------------------------------------

    def _note(self, event: LiveEvent) -> None:
        """What the stream tells."""
        self._metrics.note(event, self.stream.received_s)
        if not isinstance(event, StreamEnded):
            self.broadcast.tell(event)
            return
        self._is_finished = True
        self.broadcast.tell(event, self._closing)
        if self._hold is not None:
            self._hold.release()
        self._on_end(self)


def _require_small(message: str | bytes) -> None:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ApiError(
            413,
            f"a message has {len(message)} bytes; send pieces of {MAX_MESSAGE_BYTES} at most",
            code="message_too_large",
        )


def _command(text: str) -> dict[str, Any]:
    command = json_object(text, "command")
    if not isinstance(command.get("type"), str):
        raise refused("a command has a type", "type", "missing_field")
    return command
