"""DrillService."""

from collections.abc import Callable
from typing import Any

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.writes import Writes
from ledger.store import Db
from lilitong.quarantine.v1 import drill_pb2 as pb
from lilitong.quarantine.v1.drill_pb2_grpc import DrillServiceServicer

from quarantine.daysets.issue import Issuer
from quarantine.drills import store
from quarantine.restrictions import store as restrictions


class DrillRpc(DrillServiceServicer):
    """`published` is called after a commit that put something into the outbox."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, issuer: Issuer, published: Callable[[], None]) -> None:
        self._clock = clock
        self._issuer = issuer
        self._published = published
        self._writes = Writes(pool, clock)

    @allow(roles={"command"}, area="area")
    async def StartDrill(self, request: pb.StartDrillRequest, context: Any) -> pb.StartDrillResponse:  # noqa: ARG002
        caller = current_caller().subject

        async def act(conn: Db) -> pb.StartDrillResponse:
            with constraint_errors(store.ERRORS):
                await store.insert(conn, request.drill_id, request.title, request.area, caller, self._clock.now())
            return pb.StartDrillResponse(drill_id=request.drill_id)

        return await self._writes.once("StartDrill", request, pb.StartDrillResponse, act)

    @allow(roles={"command"}, area=RESOURCE)
    async def EndDrill(self, request: pb.EndDrillRequest, context: Any) -> pb.EndDrillResponse:  # noqa: ARG002
        caller = current_caller().subject

        async def authorise(conn: Db) -> None:
            drill = await store.get(conn, request.drill_id)
            if drill is None:
                raise DomainError(Kind.NOT_FOUND, "NO_DRILL", "There is no such drill.")
            require_area(drill["area"])

        async def act(conn: Db) -> pb.EndDrillResponse:
            now = self._clock.now()
            if not await store.end(conn, request.drill_id, caller, now):
                raise DomainError(Kind.PRECONDITION, "DRILL_ENDED", "This drill has ended.")
            await store.close_cases(conn, request.drill_id, caller, now)
            people = await restrictions.lift_drill(conn, request.drill_id, caller, now)
            if people:
                await self._issuer.decided(conn, request.drill_id, sorted(set(people)), now)
            return pb.EndDrillResponse(restrictions_ended=len(people))

        answer = await self._writes.once("EndDrill", request, pb.EndDrillResponse, act, authorise=authorise)
        self._published()
        return answer
