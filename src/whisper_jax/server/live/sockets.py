"""The plain protocol over WebSocket; rooms over that and server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from whisper_jax.server.errors import ApiError, unexpected
from whisper_jax.server.guard import note_error
from whisper_jax.server.live.broadcast import Broadcast
from whisper_jax.server.live.journal import told
from whisper_jax.server.live.lives import MAX_BACKLOG_S
from whisper_jax.server.live.outbox import (
    CLOSE_FAILED,
    CLOSE_IDLE,
    CLOSE_TOO_SLOW,
    Closing,
    Outbox,
)
from whisper_jax.server.live.plain_fields import Resumed
from whisper_jax.server.live.service import LiveService
from whisper_jax.server.live.session import PlainOptions, PlainSession
from whisper_jax.server.logs import LOGGER

_POLL_S: Final = 0.05
MAX_MESSAGE_BYTES: Final = 21 << 20
"""OpenAI's 15 MiB in base64, and what is around it."""

type TakeMessage = Callable[[str | bytes], Awaitable[None]]


def idle(timeout_s: float) -> ApiError:
    """A client sends nothing."""
    return ApiError(408, f"nothing was sent for {timeout_s:g} s", code="idle_timeout")


def subprotocol_of(websocket: WebSocket) -> str | None:
    """The first subprotocol offered that is a name: one that holds a key is not sent back."""
    names = [name for name in websocket.scope["subprotocols"] if "." not in name]
    return names[0] if names else None


async def serve_stream(
    websocket: WebSocket, live: LiveService, asked: PlainOptions | Resumed
) -> None:
    """``/v1/live``: one stream, or a part of one that is resumed.

    Raises:
        ApiError: It cannot begin; nothing has been accepted.
    """
    owner: str = websocket.state.owner
    if isinstance(asked, Resumed):
        session, after = live.resume(owner, asked.session), asked.after
    else:
        session, after = await live.open(owner, asked), 0
    outbox = session.attach(after, live.settings.resume_timeout_s)
    websocket.state.work = {"model": session.options.model, "resumed": isinstance(asked, Resumed)}
    try:
        await websocket.accept(subprotocol_of(websocket))
        reading = _read_stream(websocket, live, session, outbox)
        await drive(websocket, outbox, reading)
    finally:
        if outbox.closing is not None and outbox.closing.code == CLOSE_TOO_SLOW:
            live.metrics.cut_off.inc()
        live.leave(session, outbox)
        websocket.state.work["audio_s"] = round(session.stream.received_s, 2)


async def _read_stream(
    websocket: WebSocket, live: LiveService, session: PlainSession, outbox: Outbox
) -> bool:
    async def take(message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                session.take_bytes(message)
            elif (answer := session.take_text(message)) is not None:
                outbox.put(told(answer))
        except ApiError as error:
            note_error(websocket.scope, error)
            outbox.put(told({"type": "error"} | error.body()))
        while session.backlog_s > MAX_BACKLOG_S and outbox.closing is None:
            await asyncio.sleep(_POLL_S)

    def give_up() -> None:
        timeout_s = live.settings.stream_idle_timeout_s
        outbox.put(told({"type": "error"} | idle(timeout_s).body()))
        session.finish(Closing(CLOSE_IDLE, "idle"))

    return await read(websocket, outbox, take, live.settings.stream_idle_timeout_s, give_up)


async def serve_viewer(websocket: WebSocket, room: Broadcast, after: int | None) -> None:
    """``/v1/rooms/{name}``: what is heard there."""
    outbox = room.view(after)

    async def take(_: str | bytes) -> None:
        pass  # there is nothing that a viewer could say

    try:
        await websocket.accept(subprotocol_of(websocket))
        await drive(websocket, outbox, read(websocket, outbox, take, None, lambda: None))
    finally:
        room.leave(outbox)


async def room_events(room: Broadcast, after: int | None) -> AsyncGenerator[bytes]:
    """The same as server-sent events; their ids are the events' numbers."""
    outbox = room.view(after)
    try:
        async for event in outbox.events():
            yield f"id: {event.seq}\ndata: {event.text}\n\n".encode()
    finally:
        room.leave(outbox)


async def read(
    websocket: WebSocket,
    outbox: Outbox,
    take: TakeMessage,
    timeout_s: float | None,
    give_up: Callable[[], None],
) -> bool:
    """Take messages until the client leaves or is sent away.

    Args:
        websocket: Accepted.
        outbox: Once that is closing, messages are no longer taken.
        take: What is done with a message.
        timeout_s: Most seconds between two messages; None waits for ever.
        give_up: What is done if there are more.

    Returns:
        Whether the client has left.
    """
    while True:
        try:
            message = await asyncio.wait_for(websocket.receive(), timeout_s)
        except TimeoutError:
            give_up()
            return False
        if message["type"] == "websocket.disconnect":
            return True
        if outbox.closing is not None:
            return False
        data = message.get("bytes")
        await take(message["text"] if data is None else data)


async def drive(websocket: WebSocket, outbox: Outbox, reading: Coroutine[Any, Any, bool]) -> None:
    """Send what an outbox holds while something reads; say goodbye when it is closing.

    Args:
        websocket: Accepted.
        outbox: What is sent.
        reading: Takes what comes; whether the client has left.
    """
    reader = asyncio.ensure_future(reading)
    writer = asyncio.ensure_future(_send_all(websocket, outbox))
    cut_off = asyncio.ensure_future(outbox.cut_off.wait())
    try:
        done, _ = await asyncio.wait({reader, writer, cut_off}, return_when=asyncio.FIRST_COMPLETED)
        if reader in done:
            if _has_failed(reader):
                outbox.put(told({"type": "error"} | unexpected().body()))
                outbox.end(Closing(CLOSE_FAILED, "the server failed"))
            elif reader.result():
                return
            await asyncio.wait({writer, cut_off}, return_when=asyncio.FIRST_COMPLETED)
        if writer.done() and outbox.closing is not None:
            with suppress(WebSocketDisconnect, RuntimeError):
                await websocket.close(outbox.closing.code, outbox.closing.reason)
    finally:
        for task in (reader, writer, cut_off):
            task.cancel()
        await asyncio.wait({reader, writer, cut_off})


def _has_failed(reader: "asyncio.Future[bool]") -> bool:
    error = reader.exception()
    if error is not None:
        LOGGER.error("failed", exc_info=error)
    return error is not None


async def _send_all(websocket: WebSocket, outbox: Outbox) -> None:
    with suppress(WebSocketDisconnect):  # the reader sees it too
        async for event in outbox.events():
            await websocket.send_text(event.text)
