"""What a stream has told, by number: for clients that come back, and for those who come late."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, final

from whisper_jax.server.errors import ApiError, refused
from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    SpeechStarted,
    StreamEnded,
    Tentative,
)

MOST_EVENTS: Final = 4_000
MOST_CHARACTERS: Final = 2_000_000
"""Of the events that are kept: an hour of speech and more."""
MOST_STORY_CHARACTERS: Final = 20_000
"""Of text that who comes late is told: twenty minutes of speech."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it goes out.

    Attributes:
        text: JSON.
        seq: Its number, from 1; None if it has none.
    """

    text: str
    seq: int | None = None


def told(fields: dict[str, Any], seq: int | None = None) -> Told:
    """An event of these fields."""
    numbered = fields if seq is None else {"seq": seq} | fields
    return Told(json.dumps(numbered, ensure_ascii=False), seq)


@final
class Journal:
    """The newest events of a stream. Tentative text that has been replaced is not kept.

    Attributes:
        n_told: Events so far: the number of the newest.
    """

    def __init__(
        self, *, most_events: int = MOST_EVENTS, most_characters: int = MOST_CHARACTERS
    ) -> None:
        self.n_told = 0
        self._most_events = most_events
        self._most_characters = most_characters
        self._kept: deque[Told] = deque()
        self._n_characters = 0
        self._tentative: Told | None = None
        self._n_given_up = 0

    def add(self, fields: dict[str, Any], *, is_tentative: bool = False) -> Told:
        """Number an event and keep it."""
        self.n_told += 1
        event = told(fields, self.n_told)
        if is_tentative:
            self._tentative = event
            return event
        self._kept.append(event)
        self._n_characters += len(event.text)
        while len(self._kept) > self._most_events or (
            self._n_characters > self._most_characters and len(self._kept) > 1
        ):
            dropped = self._kept.popleft()
            self._n_characters -= len(dropped.text)
            self._n_given_up = dropped.seq or 0
        return event

    def after(self, seq: int) -> list[Told]:
        """Everything that was told after an event, but for replaced tentative text.

        Raises:
            ApiError: Some of it is no longer kept, or there was no such event.
        """
        if not 0 <= seq <= self.n_told:
            raise refused(f"after is {seq}; the newest event is {self.n_told}", "after")
        if seq < self._n_given_up:
            raise ApiError(
                410,
                f"events up to {self._n_given_up} are no longer kept; without after, events from "
                "now on are sent",
                param="after",
                code="events_gone",
            )
        kept = [event for event in self._kept if (event.seq or 0) > seq]
        tentative = self._tentative
        if tentative is not None and (tentative.seq or 0) > seq:
            kept.append(tentative)
            kept.sort(key=lambda event: event.seq or 0)
        return kept


@dataclass(kw_only=True)
class _Open:
    """A segment under way.

    Attributes:
        committed: Its committed text.
        tentative: What seems to follow.
    """

    committed: str = ""
    tentative: str = ""


@final
class Story:
    """The committed text so far, as far as it is kept, for who comes late."""

    def __init__(self, *, most_characters: int = MOST_STORY_CHARACTERS) -> None:
        self._most_characters = most_characters
        self._done: deque[dict[str, Any]] = deque()
        self._n_characters = 0
        self._n_given_up = 0
        self._open: dict[int, _Open] = {}

    def take(self, event: LiveEvent) -> None:
        """Note what a stream tells."""
        match event:
            case SpeechStarted():
                self._open[event.segment] = _Open()
            case Committed():
                segment = self._open.setdefault(event.segment, _Open())
                segment.committed += event.text
                segment.tentative = ""
            case Tentative():
                self._open.setdefault(event.segment, _Open()).tentative = event.text
            case SegmentDone(segment=segment):
                self._open.pop(segment.id, None)
                self._add(
                    {
                        "segment": segment.id,
                        "start_s": round(segment.start, 3),
                        "end_s": round(segment.end, 3),
                        "language": segment.language,
                        "text": segment.text,
                    }
                )
            case StreamEnded():
                self._open.clear()
            case _:
                pass

    def fields(self) -> dict[str, Any]:
        """The text as JSON has it."""
        return {
            "segments": list(self._done),
            "segments_given_up": self._n_given_up,
            "under_way": [
                {"segment": number} | vars(segment) for number, segment in self._open.items()
            ],
        }

    def _add(self, segment: dict[str, Any]) -> None:
        if not segment["text"]:
            return
        self._done.append(segment)
        self._n_characters += len(segment["text"])
        while self._n_characters > self._most_characters and len(self._done) > 1:
            self._n_characters -= len(self._done.popleft()["text"])
            self._n_given_up += 1
