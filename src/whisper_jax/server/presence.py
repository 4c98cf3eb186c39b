"""Work for a client as long as it is there."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_QUIET_S = 15.0
"""Seconds after which a stream says that it is still there."""
_COMMENT = b": waiting\n\n"
"""Says nothing, and keeps proxies from giving the connection up."""


def client_left() -> Response:
    """What nobody receives; 499 is nginx's word for it."""
    return Response(status_code=499)


async def while_there[T](receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Do something while the client is there.

    Args:
        receive: The request's, whose body has been read.
        work: What to do; it is cancelled when the client leaves.

    Returns:
        What was done, or None if the client left.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.wait({task, gone})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@final
class EventStream(Response):
    """Server-sent events, until there are no more or the client leaves.

    Starlette's own is not used: it cancels what makes the events again and again while that is
    cleaning up.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes]) -> None:
        # nginx would keep events back until it has a bufferful.
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        await while_there(receive, self._send_all(send))

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(_with_comments(self._events)) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _with_comments(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same chunks, and a comment whenever there was none for a while."""
    async with aclosing(stream):
        while True:
            upcoming = asyncio.ensure_future(_next(stream))
            try:
                while not (await asyncio.wait({upcoming}, timeout=_QUIET_S))[0]:
                    yield _COMMENT
            finally:
                if not upcoming.done():
                    upcoming.cancel()
                    await asyncio.wait({upcoming})
            chunk = upcoming.result()
            if chunk is None:
                return
            yield chunk


async def _next(stream: AsyncGenerator[bytes]) -> bytes | None:
    return await anext(stream, None)
