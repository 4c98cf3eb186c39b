"""The application: paths, and the errors of each as OpenAI's clients expect them."""

import mimetypes
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from whisper_jax.errors import WhisperJaxError
from whisper_jax.server import schema
from whisper_jax.server.admission import Admission
from whisper_jax.server.comparing import compared
from whisper_jax.server.errors import ApiError, as_api_error
from whisper_jax.server.guard import Guard, note_error
from whisper_jax.server.live.paths import add_live
from whisper_jax.server.rendering import rendered
from whisper_jax.server.service import Service
from whisper_jax.text.languages import LANGUAGES

PAGE = Path(__file__).parent / "page"
_SINCE = 1_663_718_400
"""When OpenAI published Whisper (2022-09-21), in seconds since 1970: what has no other date."""


def make_app(service: Service) -> ASGIApp:
    """The whole application, guard included."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="Whisper JAX",
        version=version("whisper-jax"),
        description="OpenAI's audio API, and a little more, on Whisper in JAX.",
        lifespan=life,
        # Their pages come from another host.
        docs_url=None,
        redoc_url=None,
    )
    for kind in (ApiError, WhisperJaxError, HTTPException):
        app.add_exception_handler(kind, _answer_error)
    _add_audio(app, service)
    add_live(app, service)
    _add_facts(app, service)
    _add_health(app, service)
    _add_page(app)
    admission = Admission(service.settings, service.live.secrets)
    guarded = Guard(app, service.settings, service.metrics, admission)
    origins = service.settings.cors_origins
    if not origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["X-Request-Id", "Retry-After"],
    )


def _add_audio(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/audio/transcriptions",
        openapi_extra=schema.form("transcribe"),
        responses=schema.AUDIO_ANSWERS,
    )
    async def create_transcription(request: Request) -> Response:
        """Write what is said in a recording."""
        return await service.transcribe(request, "transcribe")

    @app.post(
        "/v1/audio/translations",
        openapi_extra=schema.form("translate"),
        responses=schema.AUDIO_ANSWERS,
    )
    async def create_translation(request: Request) -> Response:
        """Write what is said in a recording, in English."""
        return await service.transcribe(request, "translate")

    @app.post(
        "/v1/transcripts/render", openapi_extra=schema.render_body(), responses=schema.RENDERED
    )
    async def render_transcript(request: Request) -> Response:
        """Make a file of a transcript, which may have been edited."""
        # Read here and not by FastAPI, to which a body that is too large is one it cannot parse.
        body = await request.body()
        return PlainTextResponse(await run_in_threadpool(rendered, body))

    @app.post(
        "/v1/transcripts/compare", openapi_extra=schema.compare_body(), responses=schema.COMPARED
    )
    async def compare_transcripts(request: Request) -> Response:
        """Say how two texts of the same speech differ, word by word."""
        body = await request.body()
        return JSONResponse(await run_in_threadpool(compared, body))


def _add_facts(app: FastAPI, service: Service) -> None:
    settings = service.settings

    def model(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": _SINCE, "owned_by": "whisper-jax"}

    @app.get("/v1/models", responses=schema.MODELS)
    async def list_models() -> Response:
        """The models, and the names that stand for them."""
        names = (*settings.models, *settings.all_aliases)
        return JSONResponse({"object": "list", "data": [model(name) for name in names]})

    @app.get("/v1/models/{name:path}", responses=schema.MODEL)
    async def retrieve_model(name: str) -> Response:
        """One of them."""
        if settings.model_of(name) is None:
            raise ApiError(
                404, f"the model {name!r} does not exist", param="model", code="model_not_found"
            )
        return JSONResponse(model(name))

    @app.get("/v1/server", responses=schema.SERVER)
    async def server_facts() -> Response:
        """What a page needs to know before it has a key."""
        languages = [{"code": code, "name": name} for code, name in LANGUAGES.items()]
        return JSONResponse(
            {
                "models": settings.models,
                "languages": languages,
                "max_upload_bytes": settings.max_upload_bytes,
                "max_duration_s": settings.max_duration_s,
                "needs_key": len(settings.keys) > 0,
                "version": version("whisper-jax"),
            }
        )


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/health", responses=schema.STATUS)
    async def health() -> Response:
        """Whether the process is alive."""
        return JSONResponse({"status": "ok"})

    @app.get("/ready", responses=schema.STATUS)
    async def ready() -> Response:
        """Whether requests are taken."""
        service.require_ready()
        return JSONResponse({"status": "ok"})

    @app.get("/metrics", responses=schema.METRICS)
    async def metrics() -> Response:
        """What was counted, for Prometheus."""
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(service.metrics.text(), headers={"Content-Type": kind})


def _add_page(app: FastAPI) -> None:
    # Some systems' tables have other types, which browsers refuse.
    for kind, suffix in (
        ("text/javascript", ".js"),
        ("text/css", ".css"),
        ("image/svg+xml", ".svg"),
    ):
        mimetypes.add_type(kind, suffix)

    files = StaticFiles(directory=PAGE)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.mount("/static", files)


async def _answer_error(request: Request, error: Exception) -> Response:
    """Any error that was foreseen."""
    headers: dict[str, str] = {}
    match error:
        case HTTPException(status_code=404):
            known = ApiError(404, f"there is no {request.url.path}", code="not_found")
        case HTTPException(status_code=405):
            known = ApiError(405, f"{request.method} is not for this path", code="wrong_method")
            headers = dict(error.headers or {})
        case HTTPException():
            known = ApiError(error.status_code, str(error.detail))
        case _:
            known = as_api_error(error)
    note_error(request.scope, known)
    response = known.response()
    response.headers.update(headers)
    return response
