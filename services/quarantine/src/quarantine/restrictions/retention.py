"""Evidence is forgotten when it has served: 30 days after the restriction's end (product X5)."""

from typing import Final

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.sweep import lapses

from quarantine.restrictions import store

SWEEP_SECONDS: Final = 3600.0
AT_A_TIME: Final = 1_000

_log = structlog.get_logger("quarantine.restrictions.retention")


class Retention:
    """For the sweep; several replicas share the work, since each takes rows that no other holds."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, *, at_a_time: int = AT_A_TIME) -> None:
        self._pool, self._clock, self._at_a_time = pool, clock, at_a_time

    async def purge(self) -> int:
        """Forget what is due; of how many contacts."""
        now = self._clock.now()
        total = await lapses(
            self._pool, lambda conn, most: store.purge_evidence(conn, now, most), limit=self._at_a_time
        )
        if total:
            _log.info("evidence_purged", contacts=total)
        return total
