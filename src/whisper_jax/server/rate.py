"""How often one key may ask."""

from time import monotonic
from typing import final

from whisper_jax.server.errors import ApiError

_MANY = 10_000


@final
class Rates:
    """A bucket for each owner that holds a minute's requests and is always being filled."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, owner: str) -> None:
        """Count a request.

        Raises:
            ApiError: It is one too many.
        """
        if self._per_minute is None:
            return
        now_s = monotonic()
        if len(self._buckets) > _MANY:
            # Full buckets are as good as none.
            self._buckets = {
                name: bucket for name, bucket in self._buckets.items() if now_s - bucket[1] < 60
            }
        n_left, then_s = self._buckets.get(owner, (float(self._per_minute), now_s))
        n_left = min(self._per_minute, n_left + (now_s - then_s) * self._per_minute / 60)
        if n_left < 1:
            self._buckets[owner] = n_left, now_s
            raise ApiError(
                429,
                f"more than {self._per_minute} requests a minute",
                code="rate_limit_exceeded",
                retry_after_s=max(1, round((1 - n_left) * 60 / self._per_minute + 0.5)),
            )
        self._buckets[owner] = n_left - 1, now_s
