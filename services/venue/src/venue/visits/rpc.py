"""VisitService: check-in (one, many), check-out, occupancy."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import NOWHERE, RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, store_error
from chassis.rpc.status import to_proto
from lilitong.venue.v1 import visit_pb2, visit_pb2_grpc

from venue.register import store as register_store
from venue.register.permission import permitted
from venue.visits import store
from venue.visits.admission import Admission, Attempt, Decision, Outcome
from venue.visits.check_out import CheckOuts
from venue.visits.freshness import Freshness
from venue.visits.model import VisitRef, visit_id
from venue.visits.occupancy import occupancy
from venue.visits.recording import Fate, Recorder, is_repeat
from venue.visits.texts import TEXTS

# A batch is decided in pieces: single check-ins must not wait for hundreds of signatures of others.
_DECIDED_AT_ONCE = 10

_REASONS = {code: visit_pb2.ReasonText(code=code, text_zh=text.zh, text_en=text.en) for code, text in TEXTS.items()}


class VisitServicer(visit_pb2_grpc.VisitServiceServicer):
    """The check-in's authority is what is presented; the caller is the app backend or the venue's own account."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        admission: Admission,
        recorder: Recorder,
        check_outs: CheckOuts,
        freshness: Callable[[], Freshness],
    ) -> None:
        self._pool, self._clock, self._admission, self._recorder = pool, clock, admission, recorder
        self._check_outs, self._freshness = check_outs, freshness

    # No area: a check-in is authorised by the presentation, and residents go where they like.
    @allow(roles={"app_backend", "venue_operator"}, area=NOWHERE)
    async def CheckIn(self, request: visit_pb2.CheckInRequest, _: Any) -> visit_pb2.CheckInResponse:
        decision = self._admission.decide(attempt(request, current_caller().subject), self._clock.now())
        if decision.outcome is Outcome.ADMITTED:
            if await self._recorder.record(decision.visits) is Fate.MISMATCH:
                raise _mismatch()
        elif decision.visits and await self._repeated([decision]):
            decision = _first_answer(decision)
        return response(decision, self._freshness())

    @allow(roles={"app_backend", "venue_operator"}, area=NOWHERE)
    async def BatchCheckIn(self, request: visit_pb2.BatchCheckInRequest, _: Any) -> visit_pb2.BatchCheckInResponse:
        decided = await self._decide_all(request.requests)
        admitted = [
            index
            for index, each in enumerate(decided)
            if isinstance(each, Decision) and each.outcome is Outcome.ADMITTED
        ]
        fates = dict(
            zip(admitted, await self._recorder.record_all([_visits(decided[index]) for index in admitted]), strict=True)
        )
        others = [
            each
            for index, each in enumerate(decided)
            if index not in fates and isinstance(each, Decision) and each.visits
        ]
        repeated = await self._repeated(others) if others else set()
        freshness = self._freshness()
        answer = visit_pb2.BatchCheckInResponse()
        for index, each in enumerate(decided):
            problem = each if isinstance(each, DomainError) else _problem(fates.get(index))
            result = answer.results.add()
            if problem is not None:
                result.error.CopyFrom(to_proto(problem))
                result.error_reason, result.error_message = problem.reason, problem.message
            elif isinstance(each, Decision):
                fill(result.response, _first_answer(each) if id(each) in repeated else each, freshness)
        return answer

    # No area: whoever holds the random visit id of a check-in is who checked in.
    @allow(roles={"app_backend", "venue_operator"}, area=NOWHERE)
    async def CheckOut(self, request: visit_pb2.CheckOutRequest, _: Any) -> visit_pb2.CheckOutResponse:
        try:
            ref = VisitRef.of_id(request.visit_id)
        except ValueError:
            raise DomainError(
                Kind.INVALID, "VISIT_ID_INVALID", "This is not a visit id.", fields={"visit_id": "quote the check-in's"}
            ) from None
        left = request.left_at.ToDatetime(UTC) if request.HasField("left_at") else None
        answer = visit_pb2.CheckOutResponse()
        answer.left_at.FromDatetime(await self._check_outs.check_out(ref, left))
        return answer

    @allow(roles={"venue_officer", "venue_operator", "command"}, area=RESOURCE)
    async def GetOccupancy(self, request: visit_pb2.GetOccupancyRequest, _: Any) -> visit_pb2.GetOccupancyResponse:
        venue_id = UUID(request.venue_id)
        async with self._pool.acquire() as connection:
            venue = permitted((await register_store.venues(connection, [venue_id])).get(venue_id))
            inside = await occupancy(connection, venue, self._clock.now())
        return visit_pb2.GetOccupancyResponse(
            zones=[
                visit_pb2.GetOccupancyResponse.ZoneOccupancy(
                    zone=zone.zone, inside=inside.get(zone.zone, 0), capacity=zone.capacity
                )
                for zone in venue.zones
            ]
        )

    async def _decide_all(self, requests: Sequence[visit_pb2.CheckInRequest]) -> list[Decision | DomainError]:
        caller, now = current_caller().subject, self._clock.now()
        decided: list[Decision | DomainError] = []
        for index, each in enumerate(requests, start=1):
            try:
                decided.append(self._admission.decide(attempt(each, caller), now))
            except DomainError as error:
                decided.append(error)
            if index % _DECIDED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return decided

    async def _repeated(self, decisions: Sequence[Decision]) -> set[int]:
        """Which of these were admitted and stored before (by `id`): sent again, they get their first answer.

        With Postgres away nobody can tell, and the decision of this moment stands.
        """
        refs = [VisitRef(each.day, each.tag, each.visit_key) for one in decisions for each in one.visits]
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with self._pool.acquire(timeout=1) as connection:
                stored = await store.find(connection, refs)
            return {id(one) for one in decisions if all(is_repeat(each, stored) for each in one.visits)}
        return set()


def attempt(request: visit_pb2.CheckInRequest, caller: str) -> Attempt:
    return Attempt(
        request.visit_key,
        request.credential,
        request.venue_code,
        request.scanned_by_staff,
        request.scanned_at.ToDatetime(UTC) if request.HasField("scanned_at") else None,
        request.late,
        caller,
    )


def response(decision: Decision, freshness: Freshness) -> visit_pb2.CheckInResponse:
    answer = visit_pb2.CheckInResponse()
    fill(answer, decision, freshness)
    return answer


def fill(answer: visit_pb2.CheckInResponse, decision: Decision, freshness: Freshness) -> None:
    """Write the answer into an empty one: in a batch it already lies in its result, and a copy would cost as much again."""
    answer.outcome = int(decision.outcome)  # type: ignore[assignment]  # numbers are the contract's
    answer.list_age_seconds = freshness.age_seconds
    if freshness.degraded:
        answer.degraded = True
    if decision.drill_id:
        answer.drill_id = decision.drill_id
    if decision.reference:
        answer.reference = decision.reference
    if decision.reasons:
        answer.reasons.extend([_REASONS[code] for code in decision.reasons])
    if decision.outcome is Outcome.ADMITTED:
        answer.grade = int(decision.grade)  # type: ignore[assignment]
        answer.visit_ids.extend([visit_id(each.day, each.tag, each.visit_key) for each in decision.visits])


def _first_answer(decision: Decision) -> Decision:
    return Decision(Outcome.ADMITTED, (), decision.visits, decision.grade, decision.drill_id)


def _visits(decided: Decision | DomainError) -> tuple[Any, ...]:
    return decided.visits if isinstance(decided, Decision) else ()


def _mismatch() -> DomainError:
    return DomainError(Kind.MISMATCH, "VISIT_KEY_REUSED", "This visit key was used for another check-in.")


def _problem(fate: Fate | Exception | None) -> DomainError | None:
    if fate is Fate.MISMATCH:
        return _mismatch()
    if isinstance(fate, DomainError):
        return fate
    if isinstance(fate, Exception):
        return store_error(fate) or DomainError(Kind.INTERNAL, "INTERNAL", "Something failed on our side.")
    return None
