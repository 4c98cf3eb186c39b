"""What every request goes through before the application: who, how much, how slowly."""

import asyncio
import logging
import re
import uuid
from contextlib import suppress
from time import perf_counter
from typing import Final, final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from whisper_jax.server.admission import Admission
from whisper_jax.server.errors import ApiError, unexpected
from whisper_jax.server.live.outbox import CLOSE_FAILED
from whisper_jax.server.logs import LOGGER, log_event
from whisper_jax.server.metrics import Metrics
from whisper_jax.server.settings import MIN_UPLOAD_RATE, ServerSettings

AUDIO_PATHS: Final = ("/v1/audio/transcriptions", "/v1/audio/translations")
MAX_OTHER_BYTES: Final = 8 << 20
"""Of requests that are not recordings: a transcript of hours is less."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?")
_PAGE_POLICY = (
    "default-src 'self'; media-src 'self' blob:; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@final
class Guard:
    """ASGI middleware: identity, limits of time and size, one line of log for each request."""

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, metrics: Metrics, admission: Admission
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "websocket":
            await self._let_in(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(scope, receive, send, self._settings)
        try:
            try:
                scope["state"]["owner"] = self._admission.owner(scope)
                scope["state"]["request_id"] = passage.request_id
            except ApiError as error:
                note_error(scope, error)
                await error.response()(scope, passage.receive, passage.send)
                return
            await self._app(scope, passage.receive, passage.send)
        except Exception:
            LOGGER.exception("failed", extra={"fields": {"request_id": passage.request_id}})
            if passage.status is None:
                await unexpected().response()(scope, passage.receive, passage.send)
        finally:
            self._note(scope, passage)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same for a WebSocket, which may stay for hours."""
        passage = _SocketPassage(scope, receive, send)
        socket = WebSocket(scope, passage.receive, passage.send)
        try:
            try:
                scope["state"]["request_id"] = passage.request_id
                scope["state"]["owner"] = self._admission.owner(scope)
            except ApiError as error:
                note_error(scope, error)
                await socket.send_denial_response(error.response())
                return
            await self._app(scope, passage.receive, passage.send)
        except Exception:
            LOGGER.exception("failed", extra={"fields": {"request_id": passage.request_id}})
            with suppress(Exception):  # the client may have left
                await passage.send({"type": "websocket.close", "code": CLOSE_FAILED})
        finally:
            self._note(scope, passage, method="WEBSOCKET")

    def _note(
        self, scope: Scope, passage: "_Passage | _SocketPassage", *, method: str | None = None
    ) -> None:
        """Count and log a request that has ended."""
        state = scope["state"]
        route = scope.get("route")
        path = getattr(route, "path", "other")
        seconds = perf_counter() - passage.start_s
        status = passage.status or 499  # nginx's word for a client that left
        method = method or scope["method"]
        self._metrics.requests.labels(method, path, str(status)).inc()
        if status != 101:  # how long a stream lasts is not how long a request takes
            self._metrics.seconds.labels(path).observe(seconds)
        code = state.get("code")
        if code is not None:
            self._metrics.errors.labels(code).inc()
        log_event(
            "request",
            logging.WARNING if status >= 500 else logging.INFO,
            request_id=passage.request_id,
            method=method,
            path=scope["path"][:200],
            status=status,
            seconds=round(seconds, 3),
            owner=state.get("owner"),
            received_bytes=passage.n_received,
            code=code,
            close_code=passage.close_code,
            **state.get("work", {}),
        )


def note_error(scope: Scope, error: ApiError) -> None:
    """Keep what a client was told for the log and the metrics."""
    scope["state"]["code"] = error.code or f"status_{error.status}"


@final
class _Passage:
    """One request's way in and out."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, settings: ServerSettings
    ) -> None:
        headers = Headers(scope=scope)
        self.request_id = request_id_of(headers)
        self.status: int | None = None
        self.close_code: int | None = None
        self.n_received = 0
        self.start_s = perf_counter()
        self._policy = page_policy(headers.get("host", ""))
        self._scope = scope
        self._receive = receive
        self._send = send
        self._settings = settings
        self._has_body = True
        is_audio = scope["path"] in AUDIO_PATHS
        self._max_bytes = settings.max_upload_bytes if is_audio else MAX_OTHER_BYTES
        length = headers.get("content-length", "")
        self._stated_bytes = int(length) if length.isdecimal() and len(length) < 20 else 0

    async def receive(self) -> Message:
        """The next part of the body, in time and within limits.

        Raises:
            ApiError: It is not.
        """
        if not self._has_body:
            return await self._receive()
        if self._stated_bytes > self._max_bytes:
            raise self._too_large()
        # Slow at the beginning is forgiven, slow for ever is not.
        allowed_s = self._settings.upload_timeout_s + self.n_received / MIN_UPLOAD_RATE
        left_s = min(self._settings.upload_timeout_s, self.start_s + allowed_s - perf_counter())
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, left_s))
        except TimeoutError:
            raise ApiError(408, "the upload is too slow", code="upload_timeout") from None
        self._has_body = message.get("more_body", False)
        self.n_received += len(message.get("body", b""))
        if self.n_received > self._max_bytes:
            raise self._too_large()
        return message

    async def send(self, message: Message) -> None:
        """Part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", self._policy)
            is_page = self._scope["path"] == "/" or self._scope["path"].startswith("/static/")
            headers.setdefault("Cache-Control", "no-cache" if is_page else "no-store")
            if self.status == 408:
                headers["Connection"] = "close"
        await self._send(message)

    def _too_large(self) -> ApiError:
        return ApiError(
            413,
            f"the request is larger than the {self._max_bytes} bytes that are allowed",
            param="file" if self._scope["path"] in AUDIO_PATHS else None,
            code="upload_too_large",
        )


@final
class _SocketPassage:
    """A WebSocket's way in and out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request_id = request_id_of(Headers(scope=scope))
        self.status: int | None = None
        self.close_code: int | None = None
        self.n_received = 0
        self.start_s = perf_counter()
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """The next message."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.close_code = self.close_code or message.get("code")
        self.n_received += len(message.get("bytes") or message.get("text") or "")
        return message

    async def send(self, message: Message) -> None:
        """An answer."""
        match message["type"]:
            case "websocket.accept":
                self.status = 101
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                headers["X-Request-Id"] = self.request_id
                message["headers"] = headers.raw
            case "websocket.http.response.start":
                self.status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = self.request_id
            case "websocket.close":
                self.status = self.status or 403
                self.close_code = message.get("code")
            case _:
                pass
        await self._send(message)


def page_policy(host: str) -> str:
    """What a page that was asked for at a host may load, and where it may connect.

    In Safari before 15.4, ``'self'`` is not its own host's WebSockets: they are named.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return f"{_PAGE_POLICY}; connect-src 'self'{sockets}"


def request_id_of(headers: Headers) -> str:
    """The id that a request has, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
