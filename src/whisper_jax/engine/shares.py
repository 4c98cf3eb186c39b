"""Device time shared out between owners: start-time fair queueing, with a credit for newcomers.

Each owner's device seconds are counted; who had fewest goes first. Who comes back after a while
counts as having had a little less than those who are being served, so that it is served at once,
and soon is one among equals: nobody saves time up.
"""

from collections.abc import Iterable, Mapping

_MOST_OWNERS = 256


class Shares:
    """How much of a device each owner had.

    Args:
        credit_s: Seconds that a newcomer is served before others get their turn again.
    """

    def __init__(self, credit_s: float = 2.0) -> None:
        self._credit_s = credit_s
        self._level_s = 0.0  # the most that anybody had who was served
        self._had_s: dict[str, float] = {}

    def had_s(self, owner: str) -> float:
        """Device seconds that an owner had, or is taken to have had."""
        return max(self._had_s.get(owner, 0.0), self._level_s - self._credit_s)

    def least_s(self, owners: Iterable[str]) -> float:
        """Device seconds of the one among the owners who had least."""
        return min(map(self.had_s, owners))

    def charge(self, owners: Mapping[str, int], seconds: float) -> None:
        """Count time that was spent for owners together.

        Args:
            owners: How many windows of each it was spent on.
            seconds: The time.
        """
        if not owners:
            return
        self._level_s = max(self._level_s, *map(self.had_s, owners))
        n_windows = sum(owners.values())
        for owner, n in owners.items():
            self._had_s[owner] = self.had_s(owner) + seconds * n / n_windows
        if len(self._had_s) > _MOST_OWNERS:
            least_s = self._level_s - self._credit_s
            self._had_s = {owner: s for owner, s in self._had_s.items() if s > least_s}
