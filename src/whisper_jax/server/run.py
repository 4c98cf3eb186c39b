"""Serve until told to stop, and then finish what is under way."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from whisper_jax.errors import OptionError
from whisper_jax.server.app import make_app
from whisper_jax.server.live.lives import MakeLive, make_live
from whisper_jax.server.live.sockets import MAX_MESSAGE_BYTES
from whisper_jax.server.logs import log_event
from whisper_jax.server.protocol import TimedProtocol, TimedWebSocket
from whisper_jax.server.service import Service
from whisper_jax.server.settings import ServerSettings
from whisper_jax.server.work import ModelsLike

_POLL_S = 0.1
_LAST_ANSWERS_S = 5
"""Seconds for the answers of what was stopped to get out."""
_KEEP_ALIVE_S = 15
_PING_TIMEOUT_S = 60
"""Seconds that the client of a WebSocket has to answer a ping."""
_MAX_HEAD_BYTES = 32 * 1024
_MAX_PORT = 65_535
_MANY_FILES = 65_536
_SPARE_CONNECTIONS = 256
"""Connections beyond those of requests for work: of pages, probes and those that idle."""


def run_server(
    models: ModelsLike,
    settings: ServerSettings,
    *,
    listener: socket.socket | None = None,
    stop: threading.Event | None = None,
    make_live: MakeLive = make_live,
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests finish for ``stop_timeout_s``.

    Args:
        models: What is served; closed in the end.
        settings: Limits and access.
        listener: Where to listen, if not at the settings' host and port (`listen`).
        stop: Stops the server too, set from any thread.
        make_live: Makes live streams of a model.

    Raises:
        OptionError: The address cannot be had.
        WhisperJaxError: The first model cannot be loaded.
    """
    _allow_many_files()
    stop = stop or threading.Event()
    with listener or listen(settings.host, settings.port) as listener, _stopped_by_signals(stop):
        asyncio.run(_serve(Service(models, settings, make_live), listener, stop))


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OptionError: The address cannot be had.
    """
    if not 0 <= port <= _MAX_PORT:
        raise OptionError(f"cannot listen on port {port}; give 0 to {_MAX_PORT}")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OptionError(f"cannot listen on {host!r}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise OptionError(f"cannot listen on {host} port {port}: {error}") from error
    return listener


def _allow_many_files() -> None:
    """As many open files as the system lets us have: each client takes a few."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _MANY_FILES) if hard != resource.RLIM_INFINITY else _MANY_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Signals set ``stop``.

    uvicorn has handlers of its own while it serves, and raises the signals again when it is done:
    without these, they would end the process before the models are closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(number, lambda *_: stop.set()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, former, strict=True):
            signal.signal(number, handler)


async def _serve(service: Service, listener: socket.socket, stop: threading.Event) -> None:
    settings = service.settings
    most = settings.max_waiting + settings.max_running + settings.max_streams + settings.max_viewers
    config = uvicorn.Config(
        make_app(service),
        http=TimedProtocol,
        ws=TimedWebSocket,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_timeout=_PING_TIMEOUT_S,
        # Audio hardly gets smaller, and what unpacks to a thousand times its size does harm.
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.stop_timeout_s) + _LAST_ANSWERS_S,
        limit_concurrency=most + _SPARE_CONNECTIONS,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
    )
    server = uvicorn.Server(config)
    host, port = listener.getsockname()[:2]
    log_event("listening", address=f"http://{host}:{port}", models=list(settings.models))
    loading = asyncio.create_task(service.load())
    stopping = asyncio.create_task(_stop_in_time(server, service, stop))
    try:
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await stopping
        await loading
    if service.failure is not None:
        raise service.failure


async def _stop_in_time(server: uvicorn.Server, service: Service, stop: threading.Event) -> None:
    """Once the server is to stop, end what has not finished in time."""
    while not server.should_exit:
        if stop.is_set() or service.failure is not None:
            server.should_exit = True
        await asyncio.sleep(_POLL_S)
    log_event("stopping", logging.WARNING, under_way=service.n_under_way)
    service.live.finish()
    loop = asyncio.get_running_loop()
    end_s = loop.time() + service.settings.stop_timeout_s
    while service.n_under_way and loop.time() < end_s:
        await asyncio.sleep(_POLL_S)
    if service.n_under_way:
        log_event("not finished in time", logging.WARNING, under_way=service.n_under_way)
    service.stop()
