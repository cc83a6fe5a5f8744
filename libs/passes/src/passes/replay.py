"""Replays of presentations, noticed by one replica at once.

Across replicas they are found afterwards, from the stored scans.
"""

from datetime import datetime, timedelta
from typing import Final

from passes.presentation import FRESH

WINDOW: Final = FRESH[1] - FRESH[0]
"""How long one presentation can be fresh anywhere: 90 s."""


class ReplayGuard:
    """Remembers digests for at least one freshness window.

    In two generations, so that forgetting costs nothing per item. Memory is bounded by `capacity` digests a generation
    (about 200 bytes each). When a generation is full it ages early, and `overflows` counts it: detection is then
    incomplete for a while, which is better than refusing people or running out of memory.
    """

    def __init__(self, *, window: timedelta = WINDOW, capacity: int = 200_000) -> None:
        if capacity < 1 or window <= timedelta(0):
            raise ValueError("a guard needs room and time")
        self._window = window
        self._capacity = capacity
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._turns_at: datetime | None = None
        self.overflows = 0

    def first_use(self, digest: bytes, use: bytes, now: datetime) -> bool:
        """True unless this presentation was seen within the window for another use.

        `use` is the client-made id of the scan or check-in, so that a retry of the same call is not taken for a replay.
        """
        if self._turns_at is None or now >= self._turns_at:
            self._turn(now)
        elif len(self._young) >= self._capacity:
            self.overflows += 1
            self._turn(now)
        known = self._young.get(digest, self._old.get(digest))
        if known is None:
            self._young[digest] = use
            return True
        return known == use

    def _turn(self, now: datetime) -> None:
        # After a silence longer than a window the young generation is past its time as well.
        stale = self._turns_at is not None and now >= self._turns_at + self._window
        self._old = {} if stale else self._young
        self._young = {}
        self._turns_at = now + self._window

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
