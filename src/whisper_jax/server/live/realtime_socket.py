"""A realtime session over a WebSocket: what it asks for is done, what is heard goes back to it."""

import asyncio
from typing import Any, Final, final

from starlette.websockets import WebSocket

from whisper_jax.audio.units import SAMPLE_RATE
from whisper_jax.errors import WhisperJaxError
from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.actions import Action, Begin, Do, Hear, Say
from whisper_jax.server.live.broadcast import Broadcast, StreamFacts
from whisper_jax.server.live.journal import told
from whisper_jax.server.live.lives import MAX_BACKLOG_S, Hold, LiveStreamLike, send_to
from whisper_jax.server.live.outbox import CLOSE_IDLE, CLOSE_TOO_SLOW, Closing, Outbox
from whisper_jax.server.live.realtime import RealtimeSession
from whisper_jax.server.live.service import STOPPING, LiveService
from whisper_jax.server.live.sockets import drive, idle, read, subprotocol_of
from whisper_jax.server.live.telling import Timeline
from whisper_jax.server.settings import ServerSettings
from whisper_jax.stream.events import LiveEvent, StreamEnded

_MOST_ENDING: Final = 4
"""Streams of a session that are finishing: a client that commits more often waits."""
_POLL_S: Final = 0.05


async def serve_realtime(websocket: WebSocket, live: LiveService, session: RealtimeSession) -> None:
    """``/v1/realtime``: one session.

    Raises:
        ApiError: There are too many; nothing has been accepted.
    """
    owner: str = websocket.state.owner
    live.places.take(owner)
    speaker = RealtimeSpeaker(session, live, owner)
    live.speakers.add(speaker)
    work: dict[str, Any] = {"session": session.name}
    websocket.state.work = work
    try:
        await websocket.accept(subprotocol_of(websocket))
        speaker.start()
        await drive(websocket, speaker.outbox, speaker.read(websocket))
    finally:
        live.speakers.discard(speaker)
        speaker.leave()
        live.places.give_back(owner)
        work["audio_s"] = round(speaker.received_s, 2)


@final
class _Running:
    """A stream under way.

    Attributes:
        stream: What listens.
        hold: Its model.
        model: The model's name.
        begun_s: Where it began, in seconds of the session's audio.
    """

    def __init__(self, stream: LiveStreamLike, hold: Hold, model: str, begun_s: float) -> None:
        self.stream = stream
        self.hold = hold
        self.model = model
        self.begun_s = begun_s


@final
class RealtimeSpeaker:
    """Carries out what a session asks for.

    Attributes:
        outbox: What the client is told.
        received_s: Seconds of audio received.
    """

    def __init__(self, session: RealtimeSession, live: LiveService, owner: str) -> None:
        self.outbox = Outbox()
        self.received_s = 0.0
        self._session = session
        self._live = live
        self._owner = owner
        self._running: dict[int, _Running] = {}
        self._timeline = Timeline()
        self._kept: tuple[str, Hold] | None = None
        self._room: Broadcast | None = None
        self._is_stopping = self._has_left = False
        self._closing = Closing()

    @property
    def backlog_s(self) -> float:
        """Audio that has not been looked at."""
        return sum(one.stream.backlog_s for one in self._running.values())

    def start(self) -> None:
        """The client is there."""
        self._apply(self._session.begin())

    async def read(self, websocket: WebSocket) -> bool:
        """Take the client's messages.

        Returns:
            Whether the client has left.
        """

        async def take(message: str | bytes) -> None:
            for action in self._session.receive(message):
                if self._is_stopping:
                    return
                if isinstance(action, Begin):
                    await self._begin(action)
                else:
                    self._apply([action])
                await asyncio.sleep(0)
                while self._has_enough() and self.outbox.closing is None:
                    await asyncio.sleep(_POLL_S)

        timeout_s = self._live.settings.stream_idle_timeout_s

        def give_up() -> None:
            self._apply([self._session.error(idle(timeout_s))])
            self._end(Closing(CLOSE_IDLE, "idle"))

        return await read(websocket, self.outbox, take, timeout_s, give_up)

    def finish(self) -> None:
        """The server stops: what there is gets committed."""
        self._end(STOPPING)

    def cancel(self) -> None:
        """End at once."""
        for running in self._running.values():
            running.stream.cancel()
        self.outbox.end(STOPPING)

    def leave(self) -> None:
        """The connection is gone."""
        if self.outbox.closing is not None and self.outbox.closing.code == CLOSE_TOO_SLOW:
            self._live.metrics.cut_off.inc()
        self._has_left = True
        for running in self._running.values():
            running.stream.cancel()
        self._let_go_if_done()

    # --- actions ---------------------------------------------------------------------------------

    def _has_enough(self) -> bool:
        return self.backlog_s > MAX_BACKLOG_S or self._session.n_ending > _MOST_ENDING

    async def _begin(self, begin: Begin) -> None:
        self._timeline.begin(begin.stream, begin.start_s)
        name = model_of(self._live.settings, begin.model)
        try:
            self._open_room(begin, name)
            await self._keep(name)
            hold = await self._live.lives.hold(name)
        except (ApiError, WhisperJaxError) as error:
            self._note(begin.stream, StreamEnded(error=error))
            return
        try:
            stream = hold.open(
                lambda event: self._note(begin.stream, event), self._owner, begin.options
            )
        except WhisperJaxError as error:
            hold.release()
            self._note(begin.stream, StreamEnded(error=error))
            return
        self._running[begin.stream] = _Running(stream, hold, name, begin.start_s)

    async def _keep(self, name: str) -> None:
        """Hold the model between two streams, too."""
        if self._kept is not None and self._kept[0] == name:
            return
        hold = await self._live.lives.hold(name)
        if self._kept is not None:
            self._kept[1].release()
        self._kept = name, hold

    def _open_room(self, begin: Begin, model: str) -> None:
        """Speak in the room that is wanted now, and in no other."""
        if self._room is not None:
            if self._room.facts.room == begin.room:
                return
            self._close_room()
        if begin.room is not None:
            options = begin.options
            facts = StreamFacts(
                model=model, language=options.language, task=options.task, room=begin.room
            )
            room = Broadcast(facts)
            self._live.rooms.open(begin.room, room)
            self._room = room

    def _close_room(self) -> None:
        if self._room is not None and self._room.facts.room is not None:
            self._live.rooms.close(self._room.facts.room)
            self._room.tell(StreamEnded())
            self._room = None

    def _apply(self, actions: list[Action]) -> None:
        """Do what needs no waiting."""
        for action in actions:
            match action:
                case Say(event=event):
                    self.outbox.put(told(event))
                case Hear(stream=number, samples=samples) if number in self._running:
                    running = self._running[number]
                    self.received_s += len(samples) / SAMPLE_RATE
                    self._live.metrics.note_audio(running.model, len(samples))
                    send_to(running.stream, samples)
                case Do(stream=number, what=what) if number in self._running:
                    _do(self._running[number].stream, what)
                case _:
                    pass  # of a stream that has ended

    def _end(self, closing: Closing) -> None:
        """Commit what there is, and close the connection when that is done."""
        self._is_stopping = True
        self._closing = closing
        self._apply(self._session.finish())
        self._let_go_if_done()

    # --- events ----------------------------------------------------------------------------------

    def _note(self, number: int, event: LiveEvent) -> None:
        """What a stream tells."""
        running = self._running.get(number)
        if running is not None:
            self._live.metrics.note(event, running.stream.received_s)
        self._apply(self._session.heard(number, event))
        placed = self._timeline.place(number, event)
        if isinstance(event, StreamEnded):
            if running is not None:
                del self._running[number]
                running.hold.release()
            self._let_go_if_done()
        elif self._room is not None:
            self._room.tell(placed)

    def _let_go_if_done(self) -> None:
        """Once all streams of a session that ends have ended, nothing is kept."""
        if self._running or not (self._is_stopping or self._has_left):
            return
        self._close_room()
        if self._kept is not None:
            self._kept[1].release()
            self._kept = None
        self.outbox.end(self._closing)


def _do(stream: LiveStreamLike, what: str) -> None:
    match what:
        case "commit":
            stream.commit()
        case "clear":
            stream.clear()
        case "finish":
            stream.finish()
        case _:
            stream.cancel()


def model_of(settings: ServerSettings, name: str) -> str:
    """The served model of a name that has been checked."""
    found = settings.model_of(name)
    if found is None:
        raise RuntimeError(f"{name!r} has not been checked")
    return found
