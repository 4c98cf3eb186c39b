"""All live streams of a server: their models, limits, sessions, rooms and keys."""

import logging
import secrets
from typing import Any, Protocol, final

from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.lives import Lives, MakeLive, Places
from whisper_jax.server.live.metrics import LiveMetrics
from whisper_jax.server.live.outbox import CLOSE_RESTART, Closing, Outbox
from whisper_jax.server.live.plain_fields import Resumed
from whisper_jax.server.live.rooms import Rooms
from whisper_jax.server.live.secrets import ClientSecrets
from whisper_jax.server.live.session import PlainOptions, PlainSession
from whisper_jax.server.logs import log_event
from whisper_jax.server.settings import ServerSettings
from whisper_jax.server.work import ModelsLike

STOPPING = Closing(CLOSE_RESTART, "the server is stopping")


class Speaker(Protocol):
    """A connection with a stream that ends with it."""

    @property
    def backlog_s(self) -> float:
        """Audio that has not been looked at."""
        ...

    def finish(self) -> None:
        """Nothing more comes: what there is gets committed."""
        ...

    def cancel(self) -> None:
        """End at once."""
        ...


@final
class LiveService:
    """What the paths of live streams share. To be used on one event loop.

    Attributes:
        settings: Limits and access.
        metrics: What is counted.
        lives: Models that streams hold.
        places: How many streams there may be.
        rooms: In which others listen.
        secrets: Keys for a short time.
        speakers: Connections of realtime sessions.
    """

    def __init__(
        self, models: ModelsLike, settings: ServerSettings, metrics: LiveMetrics, make: MakeLive
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.lives = Lives(models, make)
        self.places = Places(settings.max_streams, settings.max_streams_per_key)
        self.rooms = Rooms(settings.max_viewers)
        self.secrets = ClientSecrets()
        self.speakers: set[Speaker] = set()
        self._sessions: dict[str, PlainSession] = {}
        metrics.watch(
            streams=lambda: self.places.n_taken,
            viewers=lambda: self.rooms.n_viewers,
            backlog_s=self._most_backlog_s,
        )

    @property
    def n_under_way(self) -> int:
        """Streams that have not ended."""
        return self.places.n_taken

    async def open(self, owner: str, options: PlainOptions) -> PlainSession:
        """Begin a stream of the plain protocol.

        Raises:
            ApiError: There are too many, or somebody speaks in the room already.
            WhisperJaxError: The model cannot be had, or cannot do what was asked for.
        """
        self.places.take(owner)
        session = PlainSession(secrets.token_urlsafe(18), owner, options, self.metrics, self._ended)
        try:
            if options.room is not None:
                self.rooms.open(options.room, session.broadcast)
            try:
                await self._begin(session)
            except BaseException:
                if options.room is not None:
                    self.rooms.close(options.room)
                raise
        except BaseException:
            self.places.give_back(owner)
            raise
        self._make_room()
        self._sessions[session.name] = session
        return session

    def require(self, owner: str, asked: PlainOptions | Resumed) -> None:
        """Raises ApiError if a stream could not begin now, or be gone on with."""
        if isinstance(asked, Resumed):
            self._session(owner, asked.session)
            return
        self.places.require(owner)
        if asked.room is not None:
            self.rooms.require_free(asked.room)

    def resume(self, owner: str, name: str) -> PlainSession:
        """The stream that a client comes back to.

        Raises:
            ApiError: There is none of this owner.
        """
        session = self._session(owner, name)
        self.metrics.resumed.inc()
        return session

    def leave(self, session: PlainSession, outbox: Outbox) -> None:
        """A client has left; it has some time to come back."""
        session.broadcast.leave(outbox)
        if not session.broadcast.has_speaker:
            self._wait_for_client(session)

    def finish(self) -> None:
        """The server stops: what there is of all streams gets committed."""
        for session in self._sessions.values():
            session.finish(STOPPING)
        for speaker in list(self.speakers):
            speaker.finish()

    def cancel(self) -> None:
        """End all streams at once."""
        for session in self._sessions.values():
            if not session.broadcast.has_ended:
                session.cancel()
        for speaker in list(self.speakers):
            speaker.cancel()

    async def close(self) -> None:
        """Give everything back; streams have been told to end."""
        for session in self._sessions.values():
            session.stop_timer()
        await self.lives.close()

    def _session(self, owner: str, name: str) -> PlainSession:
        session = self._sessions.get(name)
        if session is None or session.owner != owner:
            raise ApiError(
                404,
                "there is no such session of yours, or no more; begin a new one",
                param="session",
                code="session_not_found",
            )
        return session

    async def _begin(self, session: PlainSession) -> None:
        hold = await self.lives.hold(session.options.model)
        try:
            session.begin(hold)
        except BaseException:
            hold.release()
            raise

    def _ended(self, session: PlainSession) -> None:
        """A stream has come to its end; its client may still come for the last events."""
        self.places.give_back(session.owner)
        if session.options.room is not None:
            self.rooms.close(session.options.room)
        if not session.broadcast.has_speaker:
            self._wait_for_client(session)

    def _wait_for_client(self, session: PlainSession) -> None:
        timeout_s = self.settings.resume_timeout_s

        def give_up() -> None:
            if session.broadcast.has_ended:
                self._sessions.pop(session.name, None)
            else:
                log_event("client did not come back", logging.INFO, owner=session.owner)
                session.finish()

        session.call_later(timeout_s, give_up)

    def _make_room(self) -> None:
        """Keep no more streams that have ended than may be under way."""
        ended = [one for one in self._sessions.values() if one.broadcast.has_ended]
        for session in ended[: max(0, len(ended) - self.settings.max_streams)]:
            session.stop_timer()
            del self._sessions[session.name]

    def _most_backlog_s(self) -> float:
        speakers: list[Any] = [*self._sessions.values(), *self.speakers]
        return max((one.backlog_s for one in speakers), default=0.0)
