"""What a stream tells, to everybody who listens."""

from dataclasses import dataclass, field
from time import time
from typing import Any, final

from whisper_jax.server.errors import ApiError
from whisper_jax.server.live.journal import Journal, Story, Told, told
from whisper_jax.server.live.outbox import Closing, Outbox
from whisper_jax.server.live.telling import live_fields
from whisper_jax.stream.events import LiveEvent, StreamEnded, Tentative


@dataclass(frozen=True, kw_only=True)
class StreamFacts:
    """What everybody may know of a stream.

    Attributes:
        model: Its model.
        language: The language it was said to be in, or None.
        task: ``transcribe`` or ``translate``.
        room: The room it speaks in, or None.
        started_at: When it began, in seconds since 1970.
    """

    model: str
    language: str | None
    task: str
    room: str | None
    started_at: float = field(default_factory=time)


@final
class Broadcast:
    """Numbers a stream's events, keeps the newest, and sends them to all outboxes.

    Nobody is waited for: an outbox that is full closes its connection.

    Attributes:
        facts: What is transcribed, and how.
        has_ended: Whether the stream has come to its end.
    """

    def __init__(self, facts: StreamFacts) -> None:
        self.facts = facts
        self.has_ended = False
        self._journal = Journal()
        self._story = Story()
        self._viewers: set[Outbox] = set()
        self._speaker: Outbox | None = None

    @property
    def n_told(self) -> int:
        """Events so far."""
        return self._journal.n_told

    @property
    def n_viewers(self) -> int:
        """Who listens, but for who speaks."""
        return len(self._viewers)

    def tell(self, event: LiveEvent, closing: Closing | None = None) -> None:
        """Something was heard.

        Args:
            event: What; nothing follows `StreamEnded`.
            closing: With that, how the connections are closed.
        """
        self._story.take(event)
        self.add(live_fields(event), is_tentative=isinstance(event, Tentative))
        if isinstance(event, StreamEnded):
            self.has_ended = True
            for outbox in self._outboxes():
                outbox.end(closing or Closing())

    def add(self, fields: dict[str, Any], *, is_tentative: bool = False) -> None:
        """An event of other kinds."""
        event = self._journal.add(fields, is_tentative=is_tentative)
        for outbox in self._outboxes():
            outbox.put(event)

    def speak(self, first: dict[str, Any], after: int | None, before: Closing) -> Outbox:
        """Listen as who speaks; only one does.

        Args:
            first: What is told first, without a number.
            after: Number of an event: those after it come next. None: those from now on.
            before: How an earlier connection is closed.

        Raises:
            ApiError: What came after that event is no longer kept.
        """
        missed = [] if after is None else self._journal.after(after)
        if self._speaker is not None:
            self._speaker.end(before)
        self._speaker = Outbox([told(first), *missed])
        if self.has_ended:
            self._speaker.end(Closing())
        return self._speaker

    def view(self, after: int | None) -> Outbox:
        """Listen in a room: first its text so far, or the events after one that was seen."""
        try:
            missed = None if after is None else self._journal.after(after)
        except ApiError:
            missed = None
        outbox = Outbox([self._room()] if missed is None else missed)
        if self.has_ended:
            outbox.end(Closing())
        else:
            self._viewers.add(outbox)
        return outbox

    @property
    def has_speaker(self) -> bool:
        """Whether who speaks is there."""
        return self._speaker is not None

    def leave(self, outbox: Outbox) -> None:
        """Somebody listens no more."""
        self._viewers.discard(outbox)
        if self._speaker is outbox:
            self._speaker = None

    def _outboxes(self) -> list[Outbox]:
        return [*self._viewers, *([] if self._speaker is None else [self._speaker])]

    def _room(self) -> Told:
        fields = {"type": "room"} | vars(self.facts) | self._story.fields()
        return told(fields, self._journal.n_told)
