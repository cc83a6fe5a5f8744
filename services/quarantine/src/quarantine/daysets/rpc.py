"""DaySetService: the snapshot from which venue and checkpoint start their projection."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from chassis.access import NOWHERE, allow
from chassis.clock import Clock
from lilitong.quarantine.v1 import day_set_pb2 as pb
from lilitong.quarantine.v1.day_set_pb2_grpc import DaySetServiceServicer
from passes.days import local_day

from quarantine.daysets import store
from quarantine.daysets.model import live_days


class DaySetRpc(DaySetServiceServicer):
    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    # No area: a list is the district's, and two services need all of it.
    @allow(workloads={"venue", "checkpoint"}, area=NOWHERE)
    async def ListDaySetSegments(
        self,
        request: pb.ListDaySetSegmentsRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> AsyncIterator[pb.ListDaySetSegmentsResponse]:
        days = live_days(local_day(self._clock.now()))
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            async for segment in store.published(conn, days[0], days[-1]):
                yield pb.ListDaySetSegmentsResponse(segment=pb.DaySetSegment.FromString(segment))
