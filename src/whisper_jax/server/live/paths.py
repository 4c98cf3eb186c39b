"""The paths of live streams."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from whisper_jax.errors import WhisperJaxError
from whisper_jax.server import schema
from whisper_jax.server.errors import ApiError, as_api_error, refused
from whisper_jax.server.guard import note_error
from whisper_jax.server.live.checks import a_number, an_object, json_object, unknown
from whisper_jax.server.live.plain_fields import after_of, read_query
from whisper_jax.server.live.realtime import RealtimeSession
from whisper_jax.server.live.realtime_fields import RealtimeSettings, from_former, updated
from whisper_jax.server.live.realtime_socket import serve_realtime
from whisper_jax.server.live.rooms import room_name
from whisper_jax.server.live.secrets import DEFAULT_S, MAX_S, MIN_S, Secret
from whisper_jax.server.live.sockets import room_events, serve_stream, serve_viewer
from whisper_jax.server.presence import EventStream
from whisper_jax.server.service import Service

REALTIME_FIELDS: Final = ("intent", "model")
_FORMER: Final = "openai-beta.realtime-v1"


def add_live(app: FastAPI, service: Service) -> None:
    """Add all of them."""
    _add_sockets(app, service)
    _add_secrets(app, service)
    _add_rooms(app, service)


def _add_sockets(app: FastAPI, service: Service) -> None:
    live = service.live

    @app.websocket("/v1/live")
    async def live_stream(websocket: WebSocket) -> None:
        async def serve() -> None:
            service.admit(websocket.state.owner)
            asked = read_query(websocket.query_params.multi_items(), service.model_of)
            await serve_stream(websocket, live, asked)

        await _or_refuse(websocket, serve)

    @app.websocket("/v1/realtime")
    async def realtime(websocket: WebSocket) -> None:
        async def serve() -> None:
            service.admit(websocket.state.owner)
            await serve_realtime(websocket, live, _session(websocket, service))

        await _or_refuse(websocket, serve)

    @app.websocket("/v1/rooms/{name}")
    async def room(websocket: WebSocket, name: str) -> None:
        async def serve() -> None:
            entered = live.rooms.enter(name)
            after = after_of(websocket.query_params.get("after"))
            await serve_viewer(websocket, entered, after)

        await _or_refuse(websocket, serve)

    async def why_not(request: Request) -> Response:
        # Browsers do not tell a page why a WebSocket was refused: it asks again without one.
        owner: str = request.state.owner
        service.admit(owner)
        live.require(owner, read_query(request.query_params.multi_items(), service.model_of))
        raise _for_sockets(request)

    async def not_a_socket(request: Request) -> Response:
        raise _for_sockets(request)

    for path, answer in (("/v1/live", why_not), ("/v1/realtime", not_a_socket)):
        app.add_api_route(path, answer, methods=["GET"], include_in_schema=False)


def _add_secrets(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/realtime/client_secrets",
        openapi_extra=schema.json_body(),
        responses=schema.CLIENT_SECRET,
    )
    async def create_client_secret(request: Request) -> Response:
        """A key that opens WebSockets for a short time."""
        service.admit(request.state.owner)
        given = await _body(request, ("expires_after", "session"))
        settings = RealtimeSettings(transcription={"model": service.settings.models[0]})
        session = an_object(given.get("session"), "session") or {"type": "transcription"}
        settings = updated(settings, session, service.is_served)
        value, secret = _secret(request, service, session, given.get("expires_after"))
        shown = settings.shown(f"sess_{value[-24:]}")
        return JSONResponse({"value": value, "expires_at": secret.expires_at, "session": shown})

    @app.post(
        "/v1/realtime/transcription_sessions",
        openapi_extra=schema.json_body(),
        responses=schema.CLIENT_SECRET,
    )
    async def create_transcription_session(request: Request) -> Response:
        """The same as OpenAI had it before."""
        service.admit(request.state.owner)
        given = await _body(request, None)
        wanted = an_object(given.pop("client_secret", None), "client_secret")
        session = from_former(given)
        settings = RealtimeSettings(transcription={"model": service.settings.models[0]})
        settings = updated(settings, session, service.is_served)
        value, secret = _secret(request, service, session, wanted.get("expires_at"))
        shown = settings.shown_formerly(f"sess_{value[-24:]}")
        key = {"value": value, "expires_at": secret.expires_at}
        return JSONResponse(shown | {"client_secret": key})


def _add_rooms(app: FastAPI, service: Service) -> None:
    live = service.live

    @app.get("/v1/rooms", responses=schema.ROOMS)
    async def list_rooms() -> Response:
        """The rooms in which somebody speaks."""
        return JSONResponse({"object": "list", "data": live.rooms.listed()})

    @app.get("/v1/rooms/{name}", responses=schema.ROOM, openapi_extra=schema.room_query())
    async def listen(request: Request, name: str) -> Response:
        """What is heard in a room, as server-sent events; the same over WebSocket."""
        last = request.headers.get("last-event-id")
        after = after_of(request.query_params.get("after", last))
        return EventStream(room_events(live.rooms.enter(room_name(name)), after))


async def _or_refuse(websocket: WebSocket, serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Serve a WebSocket, or answer it like a request if it cannot be."""
    try:
        await serve()
    except (ApiError, WhisperJaxError) as error:
        known = as_api_error(error)
        note_error(websocket.scope, known)
        await websocket.send_denial_response(known.response())


def _for_sockets(request: Request) -> ApiError:
    return ApiError(426, f"{request.url.path} is for WebSockets", code="upgrade_required")


def _session(websocket: WebSocket, service: Service) -> RealtimeSession:
    """A realtime session as the query, a secret and the dialect have it."""
    query = websocket.query_params
    for name in query:
        if name not in REALTIME_FIELDS:
            raise unknown(name)
    if query.get("intent", "transcription") != "transcription":
        raise refused("intent is to be transcription; nothing else is done here", "intent")
    model = query.get("model") or service.settings.models[0]
    service.model_of(model)
    settings = RealtimeSettings(transcription={"model": model})
    secret: Secret | None = websocket.scope["state"].get("secret")
    if secret is not None:
        settings = updated(settings, secret.session, service.is_served)
    is_former = websocket.headers.get("openai-beta") == "realtime=v1"
    is_former = is_former or _FORMER in websocket.scope["subprotocols"]
    return RealtimeSession(settings, service.is_served, is_former=is_former)


async def _body(request: Request, names: tuple[str, ...] | None) -> dict[str, Any]:
    body = await request.body()
    given = json_object(body, "body") if body.strip() else {}
    for name in given:
        if names is not None and name not in names:
            raise unknown(name)
    return given


def _secret(
    request: Request, service: Service, session: dict[str, Any], expires: Any
) -> tuple[str, Secret]:
    wanted = an_object(expires, "expires_after")
    for name in wanted:
        if name not in ("anchor", "seconds"):
            raise unknown(f"expires_after.{name}")
    if wanted.get("anchor", "created_at") != "created_at":
        raise refused("anchor is to be created_at", "expires_after.anchor")
    seconds = a_number(wanted.get("seconds", DEFAULT_S), "expires_after.seconds")
    if not MIN_S <= seconds <= MAX_S:
        raise refused(f"seconds is to be {MIN_S} to {MAX_S}", "expires_after.seconds")
    owner = request.state.owner if len(service.settings.keys) else None
    return service.live.secrets.add(owner, session, int(seconds))
