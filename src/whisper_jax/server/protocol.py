"""HTTP/1.1 for clients that may be slow on purpose."""

import asyncio
import logging
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from whisper_jax.server.logs import log_event

HEAD_TIMEOUT_S: Final = 15.0
"""Seconds that a client has for the head of a request."""


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which waits for a request's head for ever, with a limit to that.

    A connection that sends nothing, or a byte now and then, would stay open: enough of them, and
    nobody else gets in ("slowloris").
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A client has connected."""
        super().connection_made(transport)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has left."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came; only a whole head stops the clock."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._time_head()

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
