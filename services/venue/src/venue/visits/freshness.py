"""How far the restricted list can be relied on: said with every answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.clock import Clock
from chassis.events import Consumer
from daysets.follower import Follower
from daysets.index import DaySetIndex
from daysets.metrics import LIST_AGE
from passes.days import date_of, number_of_unix

DEGRADED_AFTER_S: Final = 10
# Product C4: nobody decides by a list that is older.
TOO_OLD_AFTER_S: Final = 43_200


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds since the list was last known to be current, and whether something does not work as it should."""

    age_seconds: int
    degraded: bool


class ListState:
    """The list in memory is as old as the oldest link: this replica behind Postgres, and Postgres behind the bus."""

    def __init__(
        self,
        index: DaySetIndex,
        follower: Follower,
        consumer: Consumer,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index, self._follower, self._consumer = index, follower, consumer
        self._clock, self._monotonic = clock, monotonic
        self._heard = monotonic()
        self._seen: tuple[int, int] | None = None  # number of the day, version of the list
        self._listed = self._whole = False
        LIST_AGE.set_function(self._age)

    def look(self) -> Freshness:
        age = self._age()
        self._today(self._clock.now())
        return Freshness(int(age), age > DEGRADED_AFTER_S or not self._whole)

    def too_old(self) -> bool:
        """Whether the list is too old to let anybody in by it, or there is none for today."""
        self._today(self._clock.now())
        return not self._listed or self._age() > TOO_OLD_AFTER_S

    def _age(self) -> float:
        now = self._monotonic()
        if self._consumer.caught_up:
            self._heard = now
        behind = self._follower.age
        return max(now - self._heard, now - self._heard if behind is None else behind)

    def _today(self, now: datetime) -> None:
        # Asked for every check-in, so the answer is kept until the list or the day changes, and the day is counted
        # without the calendar.
        seen = (number_of_unix(int(now.timestamp())), self._index.version)
        if seen != self._seen:
            status = self._index.status(date_of(seen[0]))
            self._seen, self._listed, self._whole = seen, status.generation > 0, status.complete
