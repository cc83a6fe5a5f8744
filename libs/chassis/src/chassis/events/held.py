"""What is said of events that wait for a dependency: enough to see which, however many wait and however long."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import structlog

from chassis.events.failures import reason

AGAIN_S: Final = 10.0
"""Seconds until the same reason is told again. Each waiting event is tried five times a second."""
_MOST: Final = 32
"""Reasons kept in mind: one outage has several, by turns, and names of kinds and places only."""

_log = structlog.get_logger("chassis.events.consumer")


@dataclass(slots=True)
class Held:
    """Warnings of one durable: a new reason at once, the same one every `AGAIN_S` with how many `attempts` it stands for."""

    durable: str
    _told: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def tell(self, error: BaseException, now: float) -> None:
        """An attempt that was put off because of `error`. `now`: seconds of a clock that only goes forward."""
        text = reason(error)
        told, attempts = self._told.pop(text, (float("-inf"), 0))
        if now - told >= AGAIN_S:
            _log.warning("event_held", durable=self.durable, reason=text, attempts=attempts + 1)
            told, attempts = now, -1
        self._told[text] = told, attempts + 1
        if len(self._told) > _MOST:
            self._told.popitem(last=False)
