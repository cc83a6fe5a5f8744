"""What a verdict asks of memory: the restricted list, the issuers' keys, and how much either can be relied on."""

from collections.abc import Sequence
from datetime import date, datetime
from math import inf
from typing import Final

from chassis.clock import Clock
from chassis.events import Bus, Consumer
from daysets.follower import Follower
from daysets.index import DaySetIndex
from daysets.metrics import LIST_AGE
from daysets.segment import Segment
from daysets.trust_store import TrustStore
from passes.pass_token import IssuerKey, IssuerKeys

DEGRADED_AFTER_S: Final = 5.0


class Lists:
    """A view over the follower, its index and the trust store; kept up by their change calls, so reading is cheap.

    The list's age is the longer of two: since it was last compared with Postgres, and since the consumer that
    writes it there last knew that nothing was waiting on the bus.
    """

    def __init__(
        self, index: DaySetIndex, follower: Follower, trust: TrustStore, consumer: Consumer, bus: Bus, clock: Clock
    ) -> None:
        self.index, self.follower, self.trust = index, follower, trust
        self._consumer, self._bus, self._clock = consumer, bus, clock
        self._began = clock.now()
        self.keys: IssuerKeys = {}
        self.drills: tuple[str, ...] = ()
        self._days: frozenset[date] = frozenset()
        follower.on_change(self._listed)
        trust.on_change(self._trusted)
        LIST_AGE.set_function(self._exported_age)

    def age(self, now: datetime) -> float | None:
        """Seconds since the list was last known to be all there is; None while it never was."""
        followed = self.follower.age
        if followed is None:
            return None
        heard = self._consumer.progressed_at or self._began
        return max(followed, (now - heard).total_seconds(), 0.0)

    def _exported_age(self) -> float:
        age = self.age(self._clock.now())
        return inf if age is None else age

    def age_for(self, day: date, drill_id: str, now: datetime) -> float | None:
        """As `age`, and None when there is no list of that day at all; a drill need not have one."""
        if not drill_id and day not in self._days:
            return None
        return self.age(now)

    def degraded(self, age: float | None) -> bool:
        """Whether, with a list of that age, news may be on its way that is not known here."""
        return age is None or age > DEGRADED_AFTER_S or not self._bus.connected

    def _listed(self, _: Sequence[Segment]) -> None:
        held = {(segment.day, segment.drill_id) for segment in self.index.segments()}
        self._days = frozenset(day for day, drill_id in held if not drill_id)
        self.drills = tuple(sorted({drill_id for _, drill_id in held if drill_id}))

    def _trusted(self) -> None:
        self.keys = {kid: IssuerKey(key.public_key, key.drill) for kid, key in self.trust.keys.passes.items()}
        self.follower.recheck()
