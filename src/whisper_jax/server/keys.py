"""API keys: who may come in, and who somebody is."""

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import final

from whisper_jax.errors import OptionError

MIN_KEY_LENGTH = 16
"""Fewer characters can be guessed."""


@final
class ApiKeys:
    """The keys that are let in. Only their hashes are kept.

    Without any key everybody is let in, and is told apart by address.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Raises OptionError for a key that is too short or holds what a header cannot."""
        self._hashes = []
        for key in keys:
            if len(key) < MIN_KEY_LENGTH or not key.isascii() or not key.isprintable():
                raise OptionError(
                    f"an API key of {len(key)} characters; give {MIN_KEY_LENGTH} or more, all "
                    "printable ASCII"
                )
            self._hashes.append(_hash(key))

    def __len__(self) -> int:
        return len(self._hashes)

    def owner(self, key: str | None, address: str) -> str | None:
        """Who makes a request, or None if they may not.

        Args:
            key: What they sent as their key.
            address: The client's address.

        Returns:
            The beginning of the key's hash, which may be logged; without keys the address.
        """
        if not self._hashes:
            return address
        given = _hash(key or "")
        # Every key is compared, each in constant time: how long it takes tells nothing.
        found = [known for known in self._hashes if hmac.compare_digest(known, given)]
        return f"key-{found[0].hex()[:8]}" if found else None


def bearer(authorization: str | None) -> str | None:
    """The key in the header ``Authorization``."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()


def read_keys(path: Path) -> list[str]:
    """The keys in a file: one a line; blank lines and lines that begin with # are left out.

    Raises:
        OptionError: The file cannot be read or has no key.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise OptionError(f"cannot read the keys in {path}: {error}") from error
    keys = [line.strip() for line in lines]
    keys = [key for key in keys if key and not key.startswith("#")]
    if not keys:
        raise OptionError(f"{path} holds no key; write one a line")
    return keys
