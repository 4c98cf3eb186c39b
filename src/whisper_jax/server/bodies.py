"""Bodies that are JSON, read as the models that say what is in them."""

from pydantic import BaseModel, ValidationError

from whisper_jax.server.errors import ApiError


def read_body[T: BaseModel](kind: type[T], body: bytes) -> T:
    """The JSON of a body as what it should be.

    Raises:
        ApiError: It is not; the first thing that is wrong is named.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg']}" if place else first["msg"]
        raise ApiError(400, message, param=place or None, code="invalid_value") from error
