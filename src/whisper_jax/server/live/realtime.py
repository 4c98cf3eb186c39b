"""OpenAI's realtime transcription without sockets or clocks: events in, events and actions out.

A session transcribes with one or more streams, one after the other: with ``server_vad`` another
one begins when settings change; without, each turn that the client commits is a stream of its own,
whose end is the end of the turn.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.audio.wire import WireAudio
from whisper_jax.server.errors import ApiError, as_api_error, refused
from whisper_jax.server.live.actions import Action, Begin, Do, Hear, Say
from whisper_jax.server.live.checks import json_object
from whisper_jax.server.live.items import Item, Items
from whisper_jax.server.live.realtime_fields import RealtimeSettings, from_former, updated
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    SpeechStopped,
    StreamEnded,
    Tentative,
)

MAX_APPEND_BYTES: Final = 15 << 20
"""Of audio in one ``input_audio_buffer.append``: OpenAI's limit."""
_PIECE_BYTES = 1 << 18
_LEAST_SAMPLES = SAMPLE_RATE // 10
"""OpenAI commits no less than 100 ms."""
_NOT_HERE = ("response.", "conversation.", "output_audio_buffer.")


@dataclass(kw_only=True)
class _Stream:
    """A stream of the session that has not ended.

    Attributes:
        number: Its number.
        start_ms: Where it begins, in milliseconds of the session's audio.
        n_samples: What it was sent.
        turn: The item that it is, if the client commits turns.
        items: Items by segment, if pauses end them.
        tells_tentative: Whether tentative text is told.
        is_dropped: Whether what it tells is of no interest any more.
    """

    number: int
    start_ms: int
    tells_tentative: bool
    turn: Item | None
    n_samples: int = 0
    items: dict[int, Item] = field(default_factory=dict[int, Item])
    is_dropped: bool = False


@final
class RealtimeSession:
    """The state of one session.

    Args:
        settings: To begin with.
        is_served: Whether there is a model of a name.
        is_former: Whether the client speaks the former dialect (``OpenAI-Beta: realtime=v1``), in
            which some events have other names. ``transcription_session.update`` changes to it,
            ``session.update`` back.

    Attributes:
        name: The session's id.
    """

    def __init__(
        self,
        settings: RealtimeSettings,
        is_served: Callable[[str], bool],
        *,
        is_former: bool = False,
    ) -> None:
        self.name = f"sess_{secrets.token_hex(12)}"
        self.settings = settings
        self._is_served = is_served
        self._is_former = is_former
        self._wire = WireAudio(settings.encoding, settings.rate)
        self._items = Items()
        self._streams: dict[int, _Stream] = {}
        self._current: _Stream | None = None
        self._n_streams = 0
        self._n_samples = 0

    @property
    def n_ending(self) -> int:
        """Streams that take no more audio and have not ended."""
        return len(self._streams) - (self._current is not None)

    def begin(self) -> list[Action]:
        """The client is there."""
        return [self._say_session("created")]

    def receive(self, message: str | bytes) -> Iterator[Action]:
        """Take a message; one that makes no sense is answered with an error and changes nothing.

        Yields:
            What it leads to; audio in pieces, between which other things may be done.
        """
        event_id: str | None = None
        try:
            if isinstance(message, bytes):
                raise refused("events are text; audio is sent in base64", "type", "invalid_json")
            event = json_object(message, "event")
            given = event.get("event_id")
            event_id = given if isinstance(given, str) else None
            yield from self._take(event)
        except ApiError as error:
            yield self.error(error, event_id)

    def error(self, error: ApiError, event_id: str | None = None) -> Say:
        """Tell the client of an error."""
        return self._say("error", error=error.body()["error"] | {"event_id": event_id})

    def finish(self) -> list[Action]:
        """Nothing more comes; what there is gets committed."""
        return list(self._end_stream())

    def heard(self, number: int, event: LiveEvent) -> list[Action]:
        """What a stream tells."""
        stream = self._streams[number]
        if isinstance(event, StreamEnded):
            del self._streams[number]
            if self._current is stream:
                self._current = None
        if stream.is_dropped:
            return []
        heard = self._heard_of_turn if stream.turn else self._heard_of_pauses
        return list(heard(stream, event))

    # --- messages --------------------------------------------------------------------------------

    def _take(self, event: dict[str, Any]) -> Iterator[Action]:
        match event.get("type"):
            case "input_audio_buffer.append":
                yield from self._append(event.get("audio"))
            case "input_audio_buffer.commit":
                yield from self._commit()
            case "input_audio_buffer.clear":
                yield from self._clear()
            case "session.update":
                yield from self._update(event.get("session"), is_former=False)
            case "transcription_session.update":
                yield from self._update(event.get("session"), is_former=True)
            case None:
                raise refused("an event has a type", "type", "missing_field")
            case str() as kind if kind.startswith(_NOT_HERE):
                raise refused(
                    f"{kind!r} is not for transcription sessions", "type", "unsupported_parameter"
                )
            case kind:
                raise refused(f"there is no event {str(kind)[:100]!r}", "type")

    def _append(self, audio: Any) -> Iterator[Action]:
        if not isinstance(audio, str):
            raise refused("audio is to be text in base64", "audio")
        if len(audio) > MAX_APPEND_BYTES * 4 // 3 + 4:
            raise ApiError(
                413,
                f"audio is longer than {MAX_APPEND_BYTES} bytes; send it in pieces",
                param="audio",
                code="audio_too_long",
            )
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError) as error:
            raise refused(f"audio is no base64: {error}", "audio") from error
        for start in range(0, len(data), _PIECE_BYTES):
            samples = self._wire.feed(data[start : start + _PIECE_BYTES])
            if len(samples):
                yield from self._hear(samples)

    def _hear(self, samples: NDArray[np.float32]) -> Iterator[Action]:
        stream = self._current
        if stream is None:
            settings = self.settings
            start_s = self._n_samples / SAMPLE_RATE
            stream = self._current = _Stream(
                number=self._n_streams,
                start_ms=round(start_s * 1000),
                tells_tentative=settings.tells_tentative,
                turn=None if settings.turn_detection else self._items.new(),
            )
            self._streams[stream.number] = stream
            self._n_streams += 1
            yield Begin(
                stream=stream.number,
                model=settings.model,
                options=settings.live_options(),
                start_s=start_s,
                room=settings.room,
            )
        stream.n_samples += len(samples)
        self._n_samples += len(samples)
        yield Hear(stream=stream.number, samples=samples)

    def _commit(self) -> Iterator[Action]:
        stream = self._current
        if self.settings.turn_detection is None:
            n_samples = 0 if stream is None else stream.n_samples
            if n_samples < _LEAST_SAMPLES:
                raise refused(
                    f"the buffer holds {n_samples * 1000 // SAMPLE_RATE} ms of audio; 100 ms are "
                    "the least",
                    "type",
                    "input_audio_buffer_commit_empty",
                )
            yield from self._end_stream()
        elif stream is None or not any(not item.is_committed for item in stream.items.values()):
            raise refused("nobody speaks", "type", "input_audio_buffer_commit_empty")
        else:
            yield Do(stream=stream.number, what="commit")

    def _clear(self) -> Iterator[Action]:
        stream = self._current
        if stream is not None and stream.turn is not None:
            stream.is_dropped = True
            self._current = None
            yield Do(stream=stream.number, what="cancel")
        elif stream is not None:
            yield Do(stream=stream.number, what="clear")
        self._wire = WireAudio(self.settings.encoding, self.settings.rate)
        yield self._say("input_audio_buffer.cleared")

    def _update(self, session: Any, *, is_former: bool) -> Iterator[Action]:
        given = from_former(session) if is_former else session
        before, now = self.settings, updated(self.settings, given, self._is_served)
        self._is_former = is_former
        if self._current is not None:
            self._current.tells_tentative = now.tells_tentative
        if replace(now, tells_tentative=before.tells_tentative) != before:
            waits_for_commit = before.turn_detection is None and now.turn_detection is None
            is_other_format = now.audio_format != before.audio_format
            if not waits_for_commit:
                # What comes next is heard as is wanted now.
                yield from self._end_stream()
            elif is_other_format:
                yield from self._flush()
            if is_other_format:
                self._wire = WireAudio(now.encoding, now.rate)
        self.settings = now
        yield self._say_session("updated")

    def _flush(self) -> Iterator[Action]:
        """What the resampler still holds; another one takes its place."""
        samples = self._wire.flush()
        self._wire = WireAudio(self.settings.encoding, self.settings.rate)
        if len(samples) and self._current is not None:
            yield from self._hear(samples)

    def _end_stream(self) -> Iterator[Action]:
        """The stream takes no more audio; a turn is committed."""
        yield from self._flush()
        stream, self._current = self._current, None
        if stream is None:
            return
        if stream.turn is not None:
            yield from self._say_committed(stream.turn)
        yield Do(stream=stream.number, what="finish")

    # --- what is heard ---------------------------------------------------------------------------

    def _heard_of_pauses(self, stream: _Stream, event: LiveEvent) -> Iterator[Action]:
        """Each segment is an item."""
        match event:
            case SpeechStarted():
                item = stream.items[event.segment] = self._items.new()
                start_ms = stream.start_ms + round(event.start_s * 1000)
                yield self._say(
                    "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item.name
                )
            case Committed():
                yield from self._say_delta(stream.items[event.segment], event.text)
            case Tentative() if stream.tells_tentative:
                yield self._say_tentative(stream.items[event.segment], event.text)
            case SpeechStopped():
                item = stream.items[event.segment]
                end_ms = stream.start_ms + round(event.end_s * 1000)
                yield self._say(
                    "input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item.name
                )
                yield from self._say_committed(item)
            case SegmentDone(segment=segment):
                item = stream.items.pop(segment.id)
                yield from self._say_committed(item)
                yield from self._say_completed(item, segment.end - segment.start)
            case StreamEnded(error=error) if error is not None:
                yield from self._say_failed(list(stream.items.values()), error)
            case _:
                pass

    def _heard_of_turn(self, stream: _Stream, event: LiveEvent) -> Iterator[Action]:
        """All segments together are one item."""
        if stream.turn is None:
            return
        match event:
            case Committed():
                yield from self._say_delta(stream.turn, event.text)
            case Tentative() if stream.tells_tentative:
                yield self._say_tentative(stream.turn, event.text)
            case StreamEnded(error=None):
                yield from self._say_completed(stream.turn, stream.n_samples / SAMPLE_RATE)
            case StreamEnded(error=error) if error is not None:
                yield from self._say_failed([stream.turn], error)
            case _:
                pass

    # --- what is said ----------------------------------------------------------------------------

    def _say(self, kind: str, **fields: Any) -> Say:
        return Say(event={"event_id": f"event_{secrets.token_hex(12)}", "type": kind} | fields)

    def _say_session(self, what: str) -> Say:
        if self._is_former:
            session = self.settings.shown_formerly(self.name)
            return self._say(f"transcription_session.{what}", session=session)
        return self._say(f"session.{what}", session=self.settings.shown(self.name))

    def _say_committed(self, item: Item) -> Iterator[Action]:
        if item.is_committed:
            return
        self._items.commit(item)
        before = {"previous_item_id": item.previous}
        yield self._say("input_audio_buffer.committed", item_id=item.name, **before)
        added = "created" if self._is_former else "added"
        yield self._say(f"conversation.item.{added}", item=item.shown(), **before)

    def _say_delta(self, item: Item, text: str) -> Iterator[Action]:
        if delta := item.add(text):
            yield self._say_transcription("delta", item, delta=delta)

    def _say_tentative(self, item: Item, text: str) -> Say:
        return self._say_transcription("tentative", item, text=item.continued(text))

    def _say_completed(self, item: Item, seconds: float) -> Iterator[Action]:
        item.is_completed = True
        usage = {"type": "duration", "seconds": round(seconds, 3)}
        yield self._say_transcription("completed", item, transcript=item.text, usage=usage)
        if not self._is_former:
            yield self._say(
                "conversation.item.done", item=item.shown(), previous_item_id=item.previous
            )

    def _say_failed(self, items: list[Item], error: Exception) -> Iterator[Action]:
        known = as_api_error(error)
        for item in items:
            yield from self._say_committed(item)
            yield self._say_transcription("failed", item, error=known.body()["error"])
        if not items:
            yield self.error(known)

    def _say_transcription(self, what: str, item: Item, **fields: Any) -> Say:
        return self._say(
            f"conversation.item.input_audio_transcription.{what}",
            item_id=item.name,
            content_index=0,
            **fields,
        )
