"""Keys that open WebSockets for a short time: what a page may be given."""

import hashlib
import secrets
from dataclasses import dataclass
from time import time
from typing import Any, Final, final

from whisper_jax.server.errors import ApiError

PREFIX: Final = "ek_"
DEFAULT_S: Final = 600
MIN_S: Final = 10
MAX_S: Final = 7200
"""OpenAI's limits."""
_MOST_PER_OWNER = 1_000
_MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class Secret:
    """What a key stands for.

    Attributes:
        owner: Who asked for it, and whose limits it counts towards; None without keys.
        session: The settings of sessions opened with it, as they were given.
        expires_at: Seconds since 1970.
    """

    owner: str | None
    session: dict[str, Any]
    expires_at: int


@final
class ClientSecrets:
    """The keys that are valid now. Only their hashes are kept; a restart forgets them."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, Secret] = {}

    def add(self, owner: str | None, session: dict[str, Any], seconds: int) -> tuple[str, Secret]:
        """Make a key.

        Raises:
            ApiError: There are too many already.
        """
        now = time()
        self._secrets = {key: one for key, one in self._secrets.items() if one.expires_at > now}
        n_own = sum(one.owner == owner for one in self._secrets.values())
        if n_own >= _MOST_PER_OWNER or len(self._secrets) >= _MOST:
            raise ApiError(429, "too many keys; wait until some expire", code="too_many_secrets")
        value = PREFIX + secrets.token_hex(16)
        secret = Secret(owner=owner, session=session, expires_at=int(now) + seconds)
        self._secrets[_hash(value)] = secret
        return value, secret

    def find(self, value: str) -> Secret | None:
        """What a key stands for, if it is valid."""
        # Looked up by its hash: how long that takes tells nothing of the key.
        secret = self._secrets.get(_hash(value))
        return None if secret is None or secret.expires_at <= time() else secret


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode(errors="replace")).digest()
