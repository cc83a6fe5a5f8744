"""OccupancyService and CodeTaskService: where it is crowded, and which printed codes may have been copied."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.events import publish
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import code_task_pb2, code_task_pb2_grpc, occupancy_pb2, occupancy_pb2_grpc

from venue.watch import store
from venue.watch.encoding import encode_crowded, encode_task
from venue.watch.fold import task_event

_PAGE = 100
_READERS = {"venue_officer", "grid_worker", "inspector", "command"}
_OFFICERS = {"venue_officer"}
_ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "code_task_answers_pkey": lambda: DomainError(
        Kind.PRECONDITION, "ANSWERED_ALREADY", "This task was answered before."
    )
}


@dataclass(frozen=True)
class OccupancyServicer(occupancy_pb2_grpc.OccupancyServiceServicer):
    pool: asyncpg.Pool

    @allow(roles=_READERS, area="area")
    async def ListCrowdedZones(
        self, request: occupancy_pb2.ListCrowdedZonesRequest, _: Any
    ) -> occupancy_pb2.ListCrowdedZonesResponse:
        async with self.pool.acquire() as conn:
            rows, total = await store.crowded(
                conn, request.area, request.drill_id, request.at_least, request.page_size or _PAGE
            )
        return occupancy_pb2.ListCrowdedZonesResponse(zones=[encode_crowded(row) for row in rows], total=total)


@dataclass(frozen=True)
class CodeTaskServicer(code_task_pb2_grpc.CodeTaskServiceServicer):
    """`told` is called after a commit that published (`Relay.wake`)."""

    pool: asyncpg.Pool
    clock: Clock
    seal: Callable[[], bytes]
    told: Callable[[], None]

    @allow(roles=_OFFICERS, area="area")
    async def ListCodeTasks(
        self, request: code_task_pb2.ListCodeTasksRequest, _: Any
    ) -> code_task_pb2.ListCodeTasksResponse:
        size = request.page_size or _PAGE
        after = pages.after(TimeCursor, request.page_token)
        async with self.pool.acquire() as conn:
            rows = await store.tasks(conn, request.area, request.drill_id, after, size + 1, open_only=request.open_only)
        return code_task_pb2.ListCodeTasksResponse(
            tasks=[encode_task(row) for row in rows[:size]],
            next_page_token=pages.token(_cursor(rows[size - 1]) if len(rows) > size else None),
        )

    @allow(roles=_OFFICERS, area=RESOURCE)
    async def AnswerCodeTask(
        self, request: code_task_pb2.AnswerCodeTaskRequest, _: Any
    ) -> code_task_pb2.AnswerCodeTaskResponse:
        task_id, now = UUID(request.task_id), self.clock.now()

        async def authorise(conn: Connection) -> None:
            row = await store.task(conn, task_id)
            if row is None:
                raise DomainError(Kind.NOT_FOUND, "CODE_TASK_UNKNOWN", "There is no such task.")
            require_area(row["area"])

        async def act(conn: Connection) -> code_task_pb2.AnswerCodeTaskResponse:
            with constraint_errors(_ERRORS):
                await store.answer(conn, task_id, request.finding, request.note, current_caller().subject, now)
            answered = encode_task(await store.task(conn, task_id))
            await publish(conn, [task_event(answered, "answered", now)], seal=self.seal)
            return code_task_pb2.AnswerCodeTaskResponse(task=answered)

        answer = await Writes(self.pool, self.clock).once(
            "AnswerCodeTask", request, code_task_pb2.AnswerCodeTaskResponse, act, authorise=authorise
        )
        self.told()
        return answer


def _cursor(row: Any) -> TimeCursor:
    return TimeCursor(row["raised_at"], row["task_id"])
