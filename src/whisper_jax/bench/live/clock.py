"""When each moment of a stream is played, by the wall's clock."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PlayClock:
    """Seconds of a stream to seconds since it began to be played.

    Attributes:
        speed: Seconds of the stream in a second; 1 is real time.
        waits: (position in the stream, seconds) of each halt, in order: who plays faster than real
            time waits for a stream that falls behind.
    """

    speed: float = 1.0
    waits: tuple[tuple[float, float], ...] = ()

    def played_at_s(self, position_s: float) -> float:
        """When a moment of the stream is played; what is being played does not wait for anyone."""
        waited_s = sum(wait_s for at_s, wait_s in self.waits if at_s < position_s)
        return position_s / self.speed + waited_s
