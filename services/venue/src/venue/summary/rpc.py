"""SummaryService: the figures of an area."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from chassis.access import allow
from chassis.clock import Clock, local_day
from chassis.sweep import only_one
from lilitong.venue.v1 import summary_pb2 as pb
from lilitong.venue.v1.summary_pb2_grpc import SummaryServiceServicer

from venue.summary import store
from venue.summary.model import Metric, Summary, wanted

READERS: Final = {"venue_officer", "enforcement_lead", "grid_worker", "command", "auditor"}
FOLD_SECONDS: Final = 3.0
_MOST: Final = 20_000


@dataclass(frozen=True)
class SummaryServicer(SummaryServiceServicer):
    pool: asyncpg.Pool
    clock: Clock

    @allow(roles=READERS, area="area")
    async def GetVenueSummary(self, request: pb.GetVenueSummaryRequest, _: Any) -> pb.GetVenueSummaryResponse:
        now = self.clock.now()
        asked = wanted(
            request.area,
            request.area_digits,
            request.category,
            request.drill_id,
            request.first_day,
            request.last_day,
            local_day(now),
        )
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            found = await store.summaries(conn, asked, now)
        if not found and not request.area_digits:
            found = {request.area: Summary(request.area)}
        return pb.GetVenueSummaryResponse(rows=[encode(found[area]) for area in sorted(found)])

    async def fold(self) -> None:
        """A job of the sweep: adds up what has changed, so that there is little to read."""
        for _ in range(10):
            async with self.pool.acquire() as conn, conn.transaction():
                if not await only_one(conn, "summary") or await store.fold(conn, _MOST) < _MOST:
                    return


def encode(summary: Summary) -> pb.VenueSummary:
    counts = {metric: summary.counts.get(metric, 0) for metric in Metric}
    names = {metric.name.lower(): number for metric, number in counts.items()}
    stock = {metric.name.lower(): counts[metric] for metric in Metric if metric.stands}
    return pb.VenueSummary(
        area=summary.area,
        now=pb.VenueStock(
            **stock,
            suspended=summary.suspended,
            overdue=sum(summary.overdue),
            overdue_by_level=summary.overdue,
            occupancy=summary.occupancy,
        ),
        period=pb.VenueFlow(**{name: number for name, number in names.items() if name not in stock}),
    )
