"""The items of a realtime session: turns of speech, with their text as it grows."""

import secrets
from dataclasses import dataclass
from typing import Any, final


@dataclass(kw_only=True)
class Item:
    """A turn of speech.

    Attributes:
        name: OpenAI's ``item_id``.
        previous: The item committed before it, once it is committed.
        is_committed: Whether its audio is complete.
        is_completed: Whether its text is.
        text: The text so far, without space at its ends.
    """

    name: str
    previous: str | None = None
    is_committed: bool = False
    is_completed: bool = False
    text: str = ""
    _space: str = ""

    def add(self, text: str) -> str:
        """Add to the text.

        Returns:
            What it grew by; all of these together are the text.
        """
        grown = self.continued(text)
        delta = grown.rstrip()
        # A space at an end may be the end of all, where the text has none.
        self._space = grown[len(delta) :] if self.text or delta else ""
        self.text += delta
        return delta

    def continued(self, text: str) -> str:
        """What would follow the text so far."""
        whole = self._space + text
        return whole if self.text else whole.lstrip()

    def shown(self) -> dict[str, Any]:
        """The item as clients are told of it."""
        transcript = self.text if self.is_completed else None
        return {
            "id": self.name,
            "object": "realtime.item",
            "type": "message",
            "status": "completed" if self.is_completed else "in_progress",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": transcript}],
        }


@final
class Items:
    """Makes items, and knows which was committed last."""

    def __init__(self) -> None:
        self._last: str | None = None

    def new(self) -> Item:
        """An item that nothing has been said of."""
        return Item(name=f"item_{secrets.token_hex(12)}")

    def commit(self, item: Item) -> None:
        """The audio of an item is complete."""
        item.previous, self._last, item.is_committed = self._last, item.name, True
