"""Where somebody begins to speak in a stream, and where they pause."""

from dataclasses import dataclass
from typing import Literal, final

from whisper_jax.speech.spans import STEP_SAMPLES

_LOWER = 0.15
"""Who speaks goes on as long as the probability is not so far below the threshold: Silero's."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Speech begins or ends.

    Attributes:
        kind: Which.
        at: Sample of the stream: the first with speech, or one past the last.
    """

    kind: Literal["started", "stopped"]
    at: int


@final
class TurnDetector:
    """Silero's rule for streams: a threshold with a lower one to stay above, and a shortest pause.

    Args:
        threshold: Probability from which on somebody speaks.
        silence_samples: A pause is at least so long.

    Attributes:
        n: Samples that are known.
        speaks: Whether somebody speaks, pauses that are too short included.
        last_speech: One past the last sample with speech.
    """

    def __init__(self, threshold: float, silence_samples: int) -> None:
        self.speaks = False
        self.last_speech = 0
        self._threshold = threshold
        self._silence = silence_samples
        self.n = 0

    def push(self, probability: float) -> Turn | None:
        """Take the probability of the next 32 ms."""
        self.n += STEP_SAMPLES
        if probability >= self._threshold - (_LOWER if self.speaks else 0.0):
            self.last_speech = self.n
            if not self.speaks:
                self.speaks = True
                return Turn("started", self.n - STEP_SAMPLES)
        elif self.speaks and self.n - self.last_speech >= self._silence:
            self.speaks = False
            return Turn("stopped", self.last_speech)
        return None
