"""What waits to be sent to one client; who reads too slowly is cut off."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final, final

from whisper_jax.server.live.journal import Told

MOST_WAITING: Final = 2_000
"""Events that a client may be behind with: minutes of speech."""

CLOSE_DONE: Final = 1000
CLOSE_GOING_AWAY: Final = 1001
CLOSE_REFUSED: Final = 1008
CLOSE_FAILED: Final = 1011
CLOSE_RESTART: Final = 1012
CLOSE_TAKEN_OVER: Final = 4001
CLOSE_TOO_SLOW: Final = 4002
CLOSE_IDLE: Final = 4003


@dataclass(frozen=True)
class Closing:
    """How a connection is closed.

    Attributes:
        code: RFC 6455's, or one of ours from 4000 on.
        reason: A few words.
    """

    code: int = CLOSE_DONE
    reason: str = ""


@final
class Outbox:
    """A bounded queue on the event loop.

    Attributes:
        closing: How the connection is to be closed once all has been sent; None while it is not.
        cut_off: Set when the client is not waited for any longer.
    """

    def __init__(self, first: Iterable[Told] = ()) -> None:
        self.closing: Closing | None = None
        self.cut_off = asyncio.Event()
        self._waiting = deque(first)
        # What a client is given at the beginning is bounded by itself.
        self._most = MOST_WAITING + len(self._waiting)
        self._changed = asyncio.Event()
        self._changed.set()

    def put(self, event: Told) -> None:
        """Send an event. If too many wait, they are forgotten and the client is cut off."""
        if self.closing is not None:
            return
        if len(self._waiting) >= self._most:
            self._waiting.clear()
            self.cut_off.set()
            self.end(Closing(CLOSE_TOO_SLOW, "too slow"))
            return
        self._waiting.append(event)
        self._changed.set()

    def end(self, closing: Closing) -> None:
        """Close the connection after what waits; the first word counts."""
        if self.closing is None:
            self.closing = closing
            self._changed.set()

    async def events(self) -> AsyncIterator[Told]:
        """What is to be sent, until the end."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self.closing is not None:
                return
            self._changed.clear()
            await self._changed.wait()
