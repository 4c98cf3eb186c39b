"""Who may come in: keys, hosts, origins."""

from typing import Final, final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from whisper_jax.server.errors import ApiError
from whisper_jax.server.keys import bearer
from whisper_jax.server.live.secrets import PREFIX, ClientSecrets
from whisper_jax.server.settings import ServerSettings, is_loopback

KEY_PROTOCOL: Final = "openai-insecure-api-key."
"""Begins the subprotocol in which browsers send a key: they cannot set headers of WebSockets."""

_OPEN_PATHS = ("/v1/server",)


@final
class Admission:
    """Says whose a request is, or refuses it."""

    def __init__(self, settings: ServerSettings, secrets: ClientSecrets) -> None:
        self._settings = settings
        self._secrets = secrets

    def owner(self, scope: Scope) -> str:
        """Who makes a request or opens a WebSocket.

        A secret that opened it is left in the scope's state as ``secret``.

        Raises:
            ApiError: They are not let in.
        """
        headers = Headers(scope=scope)
        path = scope["path"]
        is_socket = scope["type"] == "websocket"
        if is_socket or not len(self._settings.keys):
            self._require_own_page(scope, headers)
        address = scope["client"][0] if scope["client"] else "unknown"
        key = bearer(headers.get("authorization"))
        if is_socket:
            key = key or _key_of_protocols(scope["subprotocols"])
        owner = self._settings.keys.owner(key, address)
        if is_socket and key is not None and key.startswith(PREFIX):
            owner = self._owner_of_secret(scope, key, owner, address)
        is_protected = (path.startswith("/v1/") and path not in _OPEN_PATHS) or path == "/metrics"
        if owner is None and (is_protected or is_socket):
            raise _no_key()
        return owner or address

    def _owner_of_secret(
        self, scope: Scope, key: str, owner: str | None, address: str
    ) -> str | None:
        """Whose a key for a short time is."""
        if len(self._settings.keys) and owner is not None:
            return owner  # a usual key that begins alike
        secret = self._secrets.find(key)
        if secret is None:
            raise _no_key()
        scope["state"]["secret"] = secret
        return secret.owner or address

    def _require_own_page(self, scope: Scope, headers: Headers) -> None:
        """Keep web pages of others out.

        A page may send a form to any address, or open a WebSocket there, and a name that leads here
        may be anybody's.
        """
        host = _host_name(f"//{headers.get('host', '')}")
        has_keys = len(self._settings.keys) > 0
        if not has_keys and self._settings.is_local and host and not is_loopback(host):
            raise ApiError(403, f"this server is not {host!r}", code="wrong_host")
        origin = headers.get("origin")
        if origin is None or scope.get("method") in ("GET", "HEAD", "OPTIONS"):
            return
        allowed = self._settings.cors_origins
        is_own = origin.partition("://")[2] == headers.get("host")
        if not (is_own or origin in allowed or "*" in allowed):
            raise ApiError(403, f"pages of {origin} may not use this server", code="wrong_origin")


def _key_of_protocols(subprotocols: list[str]) -> str | None:
    keys = [name.removeprefix(KEY_PROTOCOL) for name in subprotocols if KEY_PROTOCOL in name]
    return keys[0] if keys else None


def _no_key() -> ApiError:
    return ApiError(
        401, "no valid API key; send one as Authorization: Bearer …", code="invalid_api_key"
    )


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return "?"
