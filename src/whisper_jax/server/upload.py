"""A request's form from the network to the disk, within limits."""

import tempfile
from collections.abc import AsyncGenerator
from typing import BinaryIO, cast

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from whisper_jax.audio.decode import open_audio
from whisper_jax.audio.upload import Upload, too_long
from whisper_jax.server.errors import ApiError, refused

MAX_FIELDS = 200
MAX_FIELD_BYTES = 64 * 1024
"""Of a text field: a prompt is 224 tokens at most."""


async def read_form(
    request: Request, *, max_duration_s: float
) -> tuple[list[tuple[str, str]], Upload]:
    """The text fields of a form, and its recording in a temporary file without a name.

    The parser is Starlette's: beyond its first MiB a file is on the disk (in ``$TMPDIR``), where
    nobody but this process can open it, and it goes with the process. The name that a client gives
    to its file is not used for anything.

    Raises:
        ApiError: The form cannot be read, or has no recording.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _wrong_type("Content-Encoding cannot be honoured; send the form as it is")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise _wrong_type("send a form: Content-Type multipart/form-data, with the field file")
    parser = MultiPartParser(
        request.headers,
        _chunks(request),
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        message = f"the form cannot be read: {error.message}"
        raise ApiError(400, message, code="invalid_value") from error
    except OSError as error:
        raise no_room(error) from error
    texts: list[tuple[str, str]] = []
    file: BinaryIO | None = None
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts.append((name, value))
        elif name == "file":
            file = cast("BinaryIO", value.file)
        else:
            value.file.close()
            raise refused(f"{name} is no field for a file; the recording is the field file", name)
    if file is None:
        raise refused(
            "no recording is sent; give it as the file of the field file", "file", "missing_field"
        )
    return texts, Upload(file, max_duration_s=max_duration_s)


def require_audio(upload: Upload) -> None:
    """Look whether a recording can be opened and is not too long, as far as it says itself.

    Raises:
        AudioError: It is neither audio nor video, or too long.
    """
    with open_audio(upload) as stream:
        if stream.duration_s is not None and stream.duration_s > upload.max_duration_s + 1:
            raise too_long(upload.max_duration_s)


def no_room(error: OSError) -> ApiError:
    """The disk is full, or the like."""
    folder = tempfile.gettempdir()
    return ApiError(
        503,
        f"the server cannot keep the upload in {folder}: {error.strerror}",
        code="no_room",
        retry_after_s=60,
    )


def _wrong_type(message: str) -> ApiError:
    return ApiError(415, message, code="wrong_content_type")


async def _chunks(request: Request) -> AsyncGenerator[bytes]:
    async for chunk in request.stream():
        yield chunk
