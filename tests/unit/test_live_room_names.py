"""What a room may be called."""

import pytest

from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.rooms import MOST_NAME_CHARACTERS, room_name


@pytest.mark.parametrize(
    "name",
    ["Saal 1", "a.b-c_d", "会议", "बैठक", "ห้องประชุม", "Zu\u0308rich", "x" * MOST_NAME_CHARACTERS],
)
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert room_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", "a/b", "a\nb", "a\u202eb", "<b>", "a?b", "x" * (MOST_NAME_CHARACTERS + 1)],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="the name of a room has"):
        room_name(name)
