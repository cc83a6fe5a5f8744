"""RestrictionService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.rpc.times import stamp
from chassis.writes import Writes
from ledger.note import Signer
from ledger.store import Db
from lilitong.quarantine.v1 import restriction_pb2 as pb
from lilitong.quarantine.v1.restriction_pb2_grpc import RestrictionServiceServicer
from passes.days import date_of

from quarantine.cases import contacts
from quarantine.cases import store as cases
from quarantine.daysets import store as lists
from quarantine.restrictions import store
from quarantine.restrictions.deciding import Deciding, known, known_evidence, known_restriction
from quarantine.restrictions.explaining import explain
from quarantine.restrictions.model import Restriction
from quarantine.restrictions.sealing import Sealer


class RestrictionRpc(RestrictionServiceServicer):
    """`published` is called after a commit that put something into the outbox."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        deciding: Deciding,
        sealer: Sealer,
        signer: Signer,
        *,
        published: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._deciding = deciding
        self._sealer = sealer
        self._signer = signer
        self._published = published
        self._writes = Writes(pool, clock)

    @allow(roles={"tracer"}, area=RESOURCE)
    async def ProposeRestriction(
        self,
        request: pb.ProposeRestrictionRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.ProposeRestrictionResponse:
        caller, evidence_id = current_caller().subject, UUID(request.evidence_id)

        async def authorise(conn: Db) -> None:
            require_area(known_evidence(await store.interview_evidence(conn, evidence_id))["area"])

        async def act(conn: Db) -> pb.ProposeRestrictionResponse:
            await self._deciding.propose(conn, UUID(request.restriction_id), evidence_id, caller, self._clock.now())
            return pb.ProposeRestrictionResponse(state=pb.RESTRICTION_STATE_PROPOSED)

        return await self._writes.once(
            "ProposeRestriction", request, pb.ProposeRestrictionResponse, act, authorise=authorise
        )

    @allow(roles={"approver"}, area=RESOURCE)
    async def ApproveRestriction(
        self,
        request: pb.ApproveRestrictionRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.ApproveRestrictionResponse:
        caller, restriction_id = current_caller().subject, UUID(request.restriction_id)

        async def authorise(conn: Db) -> None:
            require_area(known(await store.proposal(conn, restriction_id))["area"])

        async def act(conn: Db) -> pb.ApproveRestrictionResponse:
            state = await self._deciding.approve(conn, restriction_id, caller, self._clock.now())
            return pb.ApproveRestrictionResponse(state=int(state))  # type: ignore[arg-type]

        answer = await self._writes.once(
            "ApproveRestriction", request, pb.ApproveRestrictionResponse, act, authorise=authorise
        )
        self._published()
        return answer

    @allow(roles={"tracer", "approver"}, area=RESOURCE)
    async def ProposeLift(self, request: pb.ProposeLiftRequest, context: Any) -> pb.ProposeLiftResponse:  # noqa: ARG002
        caller, restriction_id = current_caller().subject, UUID(request.restriction_id)

        async def act(conn: Db) -> pb.ProposeLiftResponse:
            state = await self._deciding.propose_lift(conn, restriction_id, request.grounds, caller, self._clock.now())
            return pb.ProposeLiftResponse(state=int(state))  # type: ignore[arg-type]

        return await self._writes.once(
            "ProposeLift",
            request,
            pb.ProposeLiftResponse,
            act,
            authorise=lambda conn: _authorised(conn, restriction_id),
        )

    @allow(roles={"approver"}, area=RESOURCE)
    async def ApproveLift(self, request: pb.ApproveLiftRequest, context: Any) -> pb.ApproveLiftResponse:  # noqa: ARG002
        caller, restriction_id = current_caller().subject, UUID(request.restriction_id)

        async def act(conn: Db) -> pb.ApproveLiftResponse:
            state = await self._deciding.approve_lift(conn, restriction_id, caller, self._clock.now())
            return pb.ApproveLiftResponse(state=int(state))  # type: ignore[arg-type]

        answer = await self._writes.once(
            "ApproveLift",
            request,
            pb.ApproveLiftResponse,
            act,
            authorise=lambda conn: _authorised(conn, restriction_id),
        )
        self._published()
        return answer

    @allow(roles={"tracer", "approver"}, area=RESOURCE, purpose=True)
    async def GetRestriction(self, request: pb.GetRestrictionRequest, context: Any) -> pb.GetRestrictionResponse:  # noqa: ARG002
        caller, now = current_caller(), self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            restriction = await _authorised(conn, UUID(request.restriction_id))
            await contacts.record_reads(
                conn, [restriction.resident_id], caller.subject, caller.purpose, caller.purpose_ref, now
            )
        return pb.GetRestrictionResponse(restriction=encode(restriction, now))

    @allow(roles={"app_backend", "grid_worker", "checkpoint_lead"}, area=RESOURCE)
    async def ExplainRestriction(
        self,
        request: pb.ExplainRestrictionRequest,
        context: Any,  # noqa: ARG002
    ) -> pb.ExplainRestrictionResponse:
        now = self._clock.now()
        # One snapshot, so that size, path and checkpoint are of one tree.
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            found = await _asked(conn, request, now)
            explanations = [await explain(conn, self._sealer, self._signer, one, now) for one in found]
        return pb.ExplainRestrictionResponse(explanations=explanations)


async def _asked(conn: Db, request: pb.ExplainRestrictionRequest, now: datetime) -> list[Restriction]:
    """The restriction that a reference stands for, or those of a person that are in force."""
    if request.WhichOneof("subject") == "reference":
        try:
            day = date_of(request.reference.day)
        except ValueError:
            raise DomainError(
                Kind.INVALID, "DAY", "This is no day.", fields={"reference.day": "out of range"}
            ) from None
        restriction_id = await lists.restriction_of(conn, day, request.reference.reference)
        if restriction_id is None:
            raise DomainError(Kind.NOT_FOUND, "NO_RESTRICTION", "Nothing is known under this reference.")
        return [await _authorised(conn, restriction_id)]
    found = await cases.person(conn, UUID(request.resident_id))
    if found is None or found[0].data_key is None:
        raise DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
    require_area(found[0].area)
    return [one for one in await store.of_person(conn, found[0].resident_id, now) if one.in_force(now)]


async def _authorised(conn: Db, restriction_id: UUID) -> Restriction:
    restriction = known_restriction(await store.get(conn, restriction_id))
    require_area(restriction.area)
    return restriction


def encode(restriction: Restriction, now: datetime) -> pb.Restriction:
    return pb.Restriction(
        restriction_id=str(restriction.restriction_id),
        resident_id=str(restriction.resident_id),
        reason=int(restriction.reason),  # type: ignore[arg-type]  # the numbers are the contract's
        evidence_type=int(restriction.reason),  # type: ignore[arg-type]  # the same numbers, by a constraint
        policy_version=restriction.policy_version,
        starts_at=stamp(restriction.starts_at),
        ends_at=stamp(restriction.ends_at),
        state=int(restriction.state(now)),  # type: ignore[arg-type]
        log_index=restriction.leaf_index,
        drill_id=restriction.drill_id,
    )
