"""How much one caller may ask: a token bucket per caller, in this process's memory.

Per process on purpose: an exact limit over all replicas would need a store that the gateway does not have, and the limit
is there against runaway clients, not for billing. With n replicas a caller can reach n times the rate.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """What is left for a caller. `wait`: seconds until one more request will pass, 0 if it would now."""

    allowed: bool
    remaining: int
    wait: float


class Buckets:
    """`rate` requests per second sustained, `burst` at once; the least recently seen callers are forgotten first.

    Forgetting a caller gives them a full bucket; `capacity` is far above the number of accounts of a district's apps.
    """

    def __init__(
        self, rate: float, burst: int, *, capacity: int = 10_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._capacity, self._monotonic = rate, float(burst), capacity, monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.policy = f'"caller";q={burst};w={max(math.ceil(burst / rate), 1)}'

    def take(self, subject: str) -> Taken:
        """Take one token of a caller."""
        now = self._monotonic()
        tokens, seen = self._buckets.get(subject, (self._burst, now))
        tokens = min(tokens + (now - seen) * self._rate, self._burst)
        allowed = tokens >= 1.0
        if allowed:
            tokens -= 1.0
        self._buckets[subject] = (tokens, now)
        self._buckets.move_to_end(subject)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._rate
        return Taken(allowed, int(tokens), wait)

    def header(self, taken: Taken) -> str:
        """The RateLimit header's value (draft of the IETF's HTTPAPI group): what remains, seconds until more."""
        return f'"caller";r={taken.remaining};t={math.ceil(taken.wait)}'
