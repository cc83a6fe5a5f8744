"""What is said of events that wait for a dependency: enough to see which, however many wait and however long."""

from dataclasses import dataclass
from typing import Final

import structlog

from chassis.events.failures import reason

AGAIN_S: Final = 10.0
"""Seconds until the same reason is told again. Each waiting event is tried five times a second."""

_log = structlog.get_logger("chassis.events.consumer")


@dataclass(slots=True)
class Held:
    """Warnings of one durable: a new reason at once, the same one every `AGAIN_S` with how many `attempts` it stands for."""

    durable: str
    _reason: str = ""
    _told: float = 0.0
    _attempts: int = 0

    def tell(self, error: BaseException, now: float) -> None:
        """An attempt that was put off because of `error`. `now`: seconds of a clock that only goes forward."""
        text = reason(error)
        self._attempts += 1
        if text == self._reason and now - self._told < AGAIN_S:
            return
        _log.warning("event_held", durable=self.durable, reason=text, attempts=self._attempts)
        self._reason, self._told, self._attempts = text, now, 0
