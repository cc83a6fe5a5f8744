"""ContactService: whom a case touches, and what tracers still have to ask."""

from typing import Any
from uuid import UUID

import asyncpg
from asyncpg import Record
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.rpc.times import stamp
from chassis.writes import Writes
from ledger.store import Db
from lilitong.quarantine.v1 import contact_pb2 as pb
from lilitong.quarantine.v1.contact_pb2_grpc import ContactServiceServicer

from quarantine.cases import contacts, paging, store
from quarantine.restrictions import sealing
from quarantine.restrictions.sealing import Sealer


class ContactRpc(ContactServiceServicer):
    def __init__(self, pool: asyncpg.Pool, clock: Clock, sealer: Sealer) -> None:
        self._pool = pool
        self._clock = clock
        self._sealer = sealer
        self._writes = Writes(pool, clock)

    @allow(roles={"tracer"}, area=RESOURCE, purpose=True)
    async def ListContacts(self, request: pb.ListContactsRequest, context: Any) -> pb.ListContactsResponse:  # noqa: ARG002, N802
        size, after, case_id = request.page_size or 100, paging.decode(request.page_token), UUID(request.case_id)
        caller = current_caller()
        async with self._pool.acquire() as conn, conn.transaction():
            case = await store.get(conn, case_id)
            if case is None:
                raise DomainError(Kind.NOT_FOUND, "NO_CASE", "There is no such case.")
            require_area(case.area)
            rows = await contacts.page(conn, case_id, after, size + 1)
            people = [row["resident_id"] for row in rows[:size]]
            await contacts.record_reads(
                conn, people, caller.subject, caller.purpose, caller.purpose_ref, self._clock.now()
            )
        token = paging.token([row["contact_id"] for row in rows], size)
        return pb.ListContactsResponse(contacts=[_contact(row) for row in rows[:size]], next_page_token=token)

    @allow(roles={"tracer"}, area="area")
    async def ListInterviewTasks(  # noqa: N802
        self,
        request: pb.ListInterviewTasksRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.ListInterviewTasksResponse:
        size, after = request.page_size or 100, paging.decode(request.page_token)
        case_id = UUID(request.case_id) if request.case_id else None
        lot_id = UUID(request.lot_id) if request.lot_id else None
        async with self._pool.acquire() as conn:
            rows = await contacts.task_page(
                conn, request.area, case_id, lot_id, open_only=request.open_only, after=after, limit=size + 1
            )
        token = paging.token([row["task_id"] for row in rows], size)
        return pb.ListInterviewTasksResponse(tasks=[_task(row) for row in rows[:size]], next_page_token=token)

    @allow(roles={"tracer"}, area=RESOURCE)
    async def CompleteInterviewTask(  # noqa: N802
        self,
        request: pb.CompleteInterviewTaskRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.CompleteInterviewTaskResponse:
        caller, task_id = current_caller().subject, UUID(request.task_id)

        async def authorise(conn: Db) -> None:
            require_area(_known(await contacts.get_task(conn, task_id))["area"])

        async def act(conn: Db) -> pb.CompleteInterviewTaskResponse:
            return await self._complete(conn, request, caller)

        return await self._writes.once(
            "CompleteInterviewTask", request, pb.CompleteInterviewTaskResponse, act, authorise=authorise
        )

    async def _complete(
        self, conn: Db, request: pb.CompleteInterviewTaskRequest, caller: str
    ) -> pb.CompleteInterviewTaskResponse:
        task = _known(await contacts.lock_task(conn, UUID(request.task_id)))
        if task["superseded"] or task["outcome"] not in {None, pb.INTERVIEW_OUTCOME_NOT_REACHED}:
            raise DomainError(Kind.PRECONDITION, "TASK_COMPLETED", "This question is answered already.")
        _check_outcome(task, request.outcome)
        found = await store.person(conn, task["resident_id"])
        if found is None or found[0].data_key is None:
            raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
        evidence_id = None
        if request.outcome == pb.INTERVIEW_OUTCOME_CLOSE_CONTACT:
            details = {"statement": request.statement, "until": int(task["last_exposure_at"].timestamp())}
            sealed = self._sealer.seal_map(found[0], sealing.EVIDENCE, details)
            evidence_id = await contacts.insert_interview(conn, task, sealed)
        statement = self._sealer.seal(found[0], sealing.STATEMENT, request.statement.encode())
        await contacts.complete_task(
            conn, task, int(request.outcome), evidence_id, statement, (caller, self._clock.now())
        )
        answered = _task(task)
        answered.outcome = request.outcome
        return pb.CompleteInterviewTaskResponse(
            task=answered, evidence_id="" if evidence_id is None else str(evidence_id)
        )


def _known(task: Record | None) -> Record:
    if task is None:
        raise DomainError(Kind.NOT_FOUND, "NO_TASK", "There is no such task.")
    return task


def _check_outcome(task: Record, outcome: int) -> None:
    """Goods make nobody a contact: what comes of them is advice. Raises INVALID / OUTCOME_NOT_OFFERED."""
    of_a_lot = task["lot_id"] is not None
    if outcome == (pb.INTERVIEW_OUTCOME_CLOSE_CONTACT if of_a_lot else pb.INTERVIEW_OUTCOME_ADVISED):
        fields = {"outcome": "advised, no_contact or not_reached" if of_a_lot else "of handlers of a recalled lot only"}
        raise DomainError(
            Kind.INVALID, "OUTCOME_NOT_OFFERED", "A question of this kind has no such answer.", fields=fields
        )


def _contact(row: Record) -> pb.Contact:
    return pb.Contact(
        contact_id=str(row["contact_id"]),
        resident_id=str(row["resident_id"]),
        kind=row["kind"],
        last_exposure_at=stamp(row["last_exposure_at"]),
        minutes=row["minutes"],
        restriction_id="" if row["restriction_id"] is None else str(row["restriction_id"]),
    )


def _task(row: Record) -> pb.InterviewTask:
    return pb.InterviewTask(
        task_id=str(row["task_id"]),
        case_id="" if row["case_id"] is None else str(row["case_id"]),
        resident_id=str(row["resident_id"]),
        reason=row["reason"],
        due_at=stamp(row["due_at"]),
        outcome=row["outcome"] or pb.INTERVIEW_OUTCOME_UNSPECIFIED,
        drill_id=row["drill_id"],
        lot=None if row["lot_id"] is None else _lot(row),
    )


def _lot(row: Record) -> pb.RecalledLot:
    return pb.RecalledLot(
        lot_id=str(row["lot_id"]),
        product=row["product"] or "",
        trace_code=row["trace_code"] or "",
        origin_country=row["origin_country"] or "",
    )
