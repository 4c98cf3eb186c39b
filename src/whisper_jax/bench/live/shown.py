"""What a stream showed, and when: the same record for every system that is measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from whisper_jax.stream.events import (
    Committed,
    LiveEvent,
    SegmentDone,
    StreamEnded,
    Tentative,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A change of what is shown.

    Attributes:
        at_s: When, in seconds since the stream began to be played.
        segment: Number of the segment.
        committed: What is added to its committed text.
        tentative: What follows that from now on; None if it stays as it was.
        heard_s: How much of the stream had been heard; None if nothing was heard for it.
    """

    at_s: float
    segment: int
    committed: str = ""
    tentative: str | None = None
    heard_s: float | None = None


def shown_by(events: Sequence[tuple[float, LiveEvent]]) -> list[Shown]:
    """What events of a live stream, each with its time, show."""
    found: list[Shown] = []
    for at_s, event in events:
        match event:
            case Committed():
                found.append(
                    Shown(
                        at_s=at_s,
                        segment=event.segment,
                        committed=event.text,
                        heard_s=event.heard_s,
                    )
                )
            case Tentative():
                found.append(
                    Shown(
                        at_s=at_s,
                        segment=event.segment,
                        tentative=event.text,
                        heard_s=event.heard_s,
                    )
                )
            case SegmentDone():
                found.append(Shown(at_s=at_s, segment=event.segment.id, tentative=""))
            case _:
                pass
    return found


def problems_of(events: Sequence[tuple[float, LiveEvent]]) -> list[str]:
    """What a live stream must not do: end early, or tell two texts of a segment."""
    committed: dict[int, str] = {}
    found: list[str] = []
    for _, event in events:
        match event:
            case Committed():
                committed[event.segment] = committed.get(event.segment, "") + event.text
            case SegmentDone(segment=segment):
                text = committed.pop(segment.id, "")
                if text != segment.text:
                    found.append(
                        f"segment {segment.id} is {segment.text!r}, but {text!r} was committed"
                    )
            case StreamEnded(error=error) if error is not None:
                found.append(f"it ended early: {error}")
            case _:
                pass
    found += [f"segment {number} was never done" for number in committed]
    return found
