"""CaseService."""

from collections.abc import Callable
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.rpc.times import stamp
from chassis.writes import Writes
from ledger.store import Db
from lilitong.quarantine.v1 import case_pb2 as pb
from lilitong.quarantine.v1.case_pb2_grpc import CaseServiceServicer

from quarantine.cases import paging, store
from quarantine.cases.approving import Approving
from quarantine.cases.model import Case, CaseState, Impact, LabResult
from quarantine.drills.store import require_running
from quarantine.policy import store as policies


class CaseRpc(CaseServiceServicer):
    """`approving` holds the decisions; `published` and `confirmed` are called after their commits."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        approving: Approving,
        *,
        published: Callable[[], None],
        confirmed: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._approving = approving
        self._published = published
        self._confirmed = confirmed
        self._writes = Writes(pool, clock)

    @allow(roles={"tracer"}, area=RESOURCE)
    async def OpenCase(self, request: pb.OpenCaseRequest, context: Any) -> pb.OpenCaseResponse:  # noqa: ARG002
        caller, resident_id = current_caller().subject, UUID(request.resident_id)

        async def act(conn: Db) -> pb.OpenCaseResponse:
            person, drill_id = await _resident(conn, resident_id)
            await require_running(conn, drill_id)
            case = Case(
                case_id=UUID(request.case_id),
                resident_id=resident_id,
                drill_id=drill_id,
                area=person,
                state=CaseState.SUSPECTED,
                policy_version=None,
                lab_result_id=None,
                specimen_at=None,
                infectious_from=None,
                confirmed_at=None,
                approvers=(),
            )
            with constraint_errors(store.ERRORS):
                await store.insert_case(conn, case, caller, self._clock.now())
            return pb.OpenCaseResponse(case=encode(case))

        async def authorise(conn: Db) -> None:
            require_area((await _resident(conn, resident_id))[0])

        return await self._writes.once("OpenCase", request, pb.OpenCaseResponse, act, authorise=authorise)

    @allow(roles={"laboratory"}, area=RESOURCE)
    async def RecordLabResult(self, request: pb.RecordLabResultRequest, context: Any) -> pb.RecordLabResultResponse:  # noqa: ARG002
        caller, resident_id = current_caller().subject, UUID(request.resident_id)

        async def act(conn: Db) -> pb.RecordLabResultResponse:
            _, drill_id = await _resident(conn, resident_id)
            result = LabResult(
                lab_result_id=UUID(request.lab_result_id),
                resident_id=resident_id,
                drill_id=drill_id,
                specimen_at=request.specimen_at.ToDatetime(tzinfo=UTC),
                positive=request.outcome == pb.LAB_OUTCOME_POSITIVE,
                laboratory=caller,
            )
            with constraint_errors(store.ERRORS):
                await store.insert_lab_result(conn, result, self._clock.now())
            return pb.RecordLabResultResponse(lab_result_id=request.lab_result_id)

        async def authorise(conn: Db) -> None:
            require_area((await _resident(conn, resident_id))[0])

        return await self._writes.once("RecordLabResult", request, pb.RecordLabResultResponse, act, authorise=authorise)

    @allow(roles={"approver"}, area=RESOURCE)
    async def ApproveCase(self, request: pb.ApproveCaseRequest, context: Any) -> pb.ApproveCaseResponse:  # noqa: ARG002
        caller, case_id = current_caller().subject, UUID(request.case_id)

        async def act(conn: Db) -> pb.ApproveCaseResponse:
            case, impact = await self._approving.approve(
                conn, case_id, UUID(request.lab_result_id), caller, self._clock.now()
            )
            if impact is None:
                return pb.ApproveCaseResponse(case=encode(case))
            return pb.ApproveCaseResponse(case=encode(case), restricted=impact.to_restrict, tasks=impact.to_ask)

        answer = await self._writes.once(
            "ApproveCase", request, pb.ApproveCaseResponse, act, authorise=lambda conn: _authorised(conn, case_id)
        )
        self._published()
        if answer.case.state == pb.CASE_STATE_CONFIRMED:
            self._confirmed()
        return answer

    @allow(roles={"approver", "command"}, area=RESOURCE)
    async def GetCaseImpact(self, request: pb.GetCaseImpactRequest, context: Any) -> pb.GetCaseImpactResponse:  # noqa: ARG002
        async with self._pool.acquire() as conn:
            case = await _authorised(conn, UUID(request.case_id))
            impact = await store.impact(conn, case.case_id, self._clock.now())
            policy = await policies.get_version(conn, case.policy_version or 0)
        return _impact(impact, third=policy is not None and impact.needs_third(policy.draft.rules))

    @allow(roles={"tracer", "approver", "command"}, area=RESOURCE)
    async def GetCase(self, request: pb.GetCaseRequest, context: Any) -> pb.GetCaseResponse:  # noqa: ARG002
        async with self._pool.acquire() as conn:
            case = await _authorised(conn, UUID(request.case_id))
        return pb.GetCaseResponse(case=encode(case))

    @allow(roles={"tracer", "approver", "command"}, area="area")
    async def ListCases(self, request: pb.ListCasesRequest, context: Any) -> pb.ListCasesResponse:  # noqa: ARG002
        size, after = request.page_size or 50, paging.decode(request.page_token)
        async with self._pool.acquire() as conn:
            cases = await store.page(conn, request.area, after, size + 1)
        token = paging.token([case.case_id for case in cases], size)
        return pb.ListCasesResponse(cases=[encode(case) for case in cases[:size]], next_page_token=token)

    @allow(roles={"approver"}, area=RESOURCE)
    async def CloseCase(self, request: pb.CloseCaseRequest, context: Any) -> pb.CloseCaseResponse:  # noqa: ARG002
        caller, case_id = current_caller().subject, UUID(request.case_id)

        async def act(conn: Db) -> pb.CloseCaseResponse:
            case = await self._approving.close(conn, case_id, caller, self._clock.now())
            return pb.CloseCaseResponse(case=encode(case))

        return await self._writes.once(
            "CloseCase", request, pb.CloseCaseResponse, act, authorise=lambda conn: _authorised(conn, case_id)
        )


async def _resident(conn: Db, resident_id: UUID) -> tuple[str, str]:
    """Area and drill of a resident; NOT_FOUND when there is none, or none any more."""
    found = await store.person(conn, resident_id)
    if found is None or found[0].data_key is None:
        raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
    return found[0].area, found[1]


async def _authorised(conn: Db, case_id: UUID) -> Case:
    case = await store.get(conn, case_id)
    if case is None:
        raise DomainError(Kind.NOT_FOUND, "NO_CASE", "There is no such case.")
    require_area(case.area)
    return case


def encode(case: Case) -> pb.Case:
    return pb.Case(
        case_id=str(case.case_id),
        state=int(case.state),  # type: ignore[arg-type]  # the numbers are the contract's
        area=case.area,
        drill_id=case.drill_id,
        infectious_from=stamp(case.infectious_from),
        confirmed_at=stamp(case.confirmed_at),
        approvals=len(case.approvers),
        lab_result_id="" if case.lab_result_id is None else str(case.lab_result_id),
    )


def _impact(impact: Impact, *, third: bool) -> pb.GetCaseImpactResponse:
    return pb.GetCaseImpactResponse(
        searches=impact.searches,
        searches_answered=impact.answered,
        people_to_restrict=impact.to_restrict,
        people_to_ask=impact.to_ask,
        areas=[pb.AreaCount(area=area, people=people) for area, people in impact.areas],
        third_approval_needed=third,
    )
