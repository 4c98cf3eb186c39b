"""What a realtime session asks of whoever drives it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from whisper_jax.stream.settings import LiveOptions


@dataclass(frozen=True, kw_only=True)
class Say:
    """Tell the client.

    Attributes:
        event: OpenAI's event.
    """

    event: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Begin:
    """A stream begins.

    Attributes:
        stream: Its number.
        model: The model, as the client named it.
        options: How to transcribe.
        start_s: Where it begins, in seconds of the session's audio.
        room: The room in which the session speaks now, or None.
    """

    stream: int
    model: str
    options: LiveOptions
    start_s: float
    room: str | None


@dataclass(frozen=True, kw_only=True)
class Hear:
    """More audio for a stream.

    Attributes:
        stream: Its number.
        samples: float32 [n], mono, 16 kHz.
    """

    stream: int
    samples: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Do:
    """Something is to be done with a stream.

    Attributes:
        stream: Its number.
        what: The method of a live stream.
    """

    stream: int
    what: Literal["commit", "clear", "finish", "cancel"]


type Action = Say | Begin | Hear | Do
