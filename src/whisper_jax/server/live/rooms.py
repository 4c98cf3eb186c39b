"""Streams that others listen to, by name."""

import unicodedata
from typing import Any, Final, final

from whisper_jax.server.errors import ApiError, refused
from whisper_jax.server.live.broadcast import Broadcast

MOST_NAME_CHARACTERS: Final = 64
_OTHER_CHARACTERS = frozenset("_ .-")


@final
class Rooms:
    """The rooms in which somebody speaks."""

    def __init__(self, most_viewers: int) -> None:
        self._most_viewers = most_viewers
        self._rooms: dict[str, Broadcast] = {}

    @property
    def n_viewers(self) -> int:
        """Who listens, in all rooms."""
        return sum(room.n_viewers for room in self._rooms.values())

    def open(self, name: str, broadcast: Broadcast) -> None:
        """Somebody begins to speak in a room.

        Raises:
            ApiError: Somebody does already.
        """
        self.require_free(name)
        self._rooms[name] = broadcast

    def require_free(self, name: str) -> None:
        """Raises ApiError if somebody speaks in a room."""
        if name in self._rooms:
            raise ApiError(
                409,
                f"somebody speaks in the room {name!r} already",
                param="room",
                code="room_taken",
            )

    def close(self, name: str) -> None:
        """Nobody speaks there any more."""
        self._rooms.pop(name, None)

    def enter(self, name: str) -> Broadcast:
        """The room, to listen to it.

        Raises:
            ApiError: There is none, or too many listen already.
        """
        if name not in self._rooms:
            raise ApiError(404, f"nobody speaks in a room {name!r}", code="room_not_found")
        if self.n_viewers >= self._most_viewers:
            raise ApiError(
                503, "too many listen already; try again later", code="overloaded", retry_after_s=10
            )
        return self._rooms[name]

    def listed(self) -> list[dict[str, Any]]:
        """What there is."""
        return [vars(room.facts) | {"viewers": room.n_viewers} for room in self._rooms.values()]


def room_name(name: str) -> str:
    """The name, if it can be one.

    Raises:
        ApiError: It cannot.
    """
    has_length = 0 < len(name) <= MOST_NAME_CHARACTERS
    if not has_length or not all(map(_may_be_in_name, name)) or name != name.strip():
        raise refused(
            f"the name of a room has 1 to {MOST_NAME_CHARACTERS} letters, digits, spaces, "
            "underscores, dots and hyphens",
            "room",
        )
    return name


def _may_be_in_name(character: str) -> bool:
    # Letters, the marks that many scripts write their vowels with, and numbers.
    is_written = unicodedata.category(character)[0] in "LMN"
    return is_written or character in _OTHER_CHARACTERS
