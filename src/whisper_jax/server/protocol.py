"""HTTP/1.1 and WebSocket for clients that may be slow on purpose."""

import asyncio
import logging
from functools import cached_property
from typing import Final, final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from whisper_jax.server.logs import log_event

HEAD_TIMEOUT_S: Final = 15.0
"""Seconds that a client has for the head of a request."""
SEND_TIMEOUT_S: Final = 60.0
"""Seconds that a client may take to read some of an answer when there is much to read."""


@final
class _SendLimit:
    """Cuts off a client that does not read what it is sent."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def start(self, protocol: "TimedProtocol | TimedWebSocket") -> None:
        """It reads more slowly than it is sent to."""
        self._timer = protocol.loop.call_later(SEND_TIMEOUT_S, _abort, protocol)

    def stop(self) -> None:
        """It has caught up, or left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _abort(protocol: "TimedProtocol | TimedWebSocket") -> None:
    owner = protocol.client[0] if protocol.client else None
    log_event("slow reader", logging.WARNING, owner=owner)
    # Closing would wait until all has been read.
    protocol.transport.abort()


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which waits for ever for a request's head and for a reader, with limits.

    A connection that sends nothing, or a byte now and then, would stay open: enough of them, and
    nobody else gets in ("slowloris"). So would one that does not read what it asked for.
    """

    _head_timer: asyncio.TimerHandle | None = None

    @cached_property
    def _send_limit(self) -> _SendLimit:
        return _SendLimit()

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A client has connected."""
        super().connection_made(transport)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has left."""
        self._stop_timer()
        self._send_limit.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came; only a whole head stops the clock."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._time_head()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._send_limit.start(self)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._send_limit.stop()
        super().resume_writing()

    def _time_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        # Between two requests, uvicorn's own clock for idle connections runs.
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            address = self.client[0] if self.client else None
            log_event("slow head", logging.WARNING, owner=address)
            self.transport.close()


class TimedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which waits for ever for a reader, with a limit.

    It also leaves a client alone that is not being read from, since its answers to pings cannot be
    seen, and leaves it to the application to say goodbye when the server stops.
    """

    @cached_property
    def _send_limit(self) -> _SendLimit:
        return _SendLimit()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has left."""
        self._send_limit.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is told."""
        super().pause_writing()
        self._send_limit.start(self)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._send_limit.stop()
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        """No answer to a ping has been seen."""
        if self.read_paused:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def shutdown(self) -> None:
        """The server stops: the application ends its streams and closes what it has accepted."""
        if not self.handshake_complete:
            super().shutdown()
