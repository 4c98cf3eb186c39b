"""Segments of live streams, of which a test names what it looks at."""

from typing import Any

from whisper_jax.types import Segment


def live_segment(number: int, text: str, **named: Any) -> Segment:
    """A segment of a second with this text."""
    given: dict[str, Any] = {
        "id": number,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": text,
        "tokens": (),
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    return Segment(**(given | named))
