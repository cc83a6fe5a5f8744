"""PolicyService. No area: a policy is the district's, and holds in all of it."""

from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import NOWHERE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.writes import Writes
from google.protobuf.timestamp_pb2 import Timestamp
from ledger.store import Db
from lilitong.quarantine.v1 import policy_pb2 as pb
from lilitong.quarantine.v1.policy_pb2_grpc import PolicyServiceServicer

from quarantine.policy import store
from quarantine.policy.model import APPROVALS_NEEDED, Draft, Policy, PolicyRules

_READERS = {"policy_editor", "approver", "tracer", "command", "auditor"}


class PolicyRpc(PolicyServiceServicer):
    """Drafts are immutable; the second approval, by another person than the first and the drafter, gives the version."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._writes = Writes(pool, clock)

    @allow(roles={"policy_editor"}, area=NOWHERE)
    async def DraftPolicy(self, request: pb.DraftPolicyRequest, context: Any) -> pb.DraftPolicyResponse:  # noqa: ARG002
        draft = _draft(request, current_caller().subject)

        async def act(conn: Db) -> pb.DraftPolicyResponse:
            with constraint_errors(store.ERRORS):
                await store.insert_draft(conn, draft, self._clock.now())
            return pb.DraftPolicyResponse(policy=encode(Policy(draft, 0, ())))

        return await self._writes.once("DraftPolicy", request, pb.DraftPolicyResponse, act)

    @allow(roles={"approver"}, area=NOWHERE)
    async def ApprovePolicy(self, request: pb.ApprovePolicyRequest, context: Any) -> pb.ApprovePolicyResponse:  # noqa: ARG002
        approver = current_caller().subject

        async def act(conn: Db) -> pb.ApprovePolicyResponse:
            return pb.ApprovePolicyResponse(policy=encode(await self._approve(conn, UUID(request.policy_id), approver)))

        return await self._writes.once("ApprovePolicy", request, pb.ApprovePolicyResponse, act)

    async def _approve(self, conn: Db, policy_id: UUID, approver: str) -> Policy:
        await store.lock_versions(conn)
        policy = _known(await store.get(conn, policy_id))
        if policy.approved:
            raise DomainError(Kind.PRECONDITION, "POLICY_APPROVED", "This policy has both its approvals.")
        now = self._clock.now()
        with constraint_errors(store.ERRORS):
            await store.insert_approval(conn, policy, approver, now)
            approvers = (*policy.approvers, approver)
            version = 0
            if len(approvers) == APPROVALS_NEEDED:
                version = await store.insert_version(conn, policy_id, approvers[0], approvers[1], now)
        return Policy(policy.draft, version, approvers)

    @allow(roles=_READERS, area=NOWHERE)
    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:  # noqa: ARG002
        async with self._pool.acquire() as conn:
            policy = await store.get(conn, UUID(request.policy_id))
        return pb.GetPolicyResponse(policy=encode(_known(policy)))

    @allow(roles=_READERS, area=NOWHERE)
    async def GetActivePolicy(self, request: pb.GetActivePolicyRequest, context: Any) -> pb.GetActivePolicyResponse:  # noqa: ARG002
        async with self._pool.acquire() as conn:
            policy = await store.active(conn, self._clock.now())
        return pb.GetActivePolicyResponse(policy=encode(_known(policy)))


def _known(policy: Policy | None) -> Policy:
    if policy is None:
        raise DomainError(Kind.NOT_FOUND, "NO_POLICY", "There is no such policy.")
    return policy


def _draft(request: pb.DraftPolicyRequest, drafted_by: str) -> Draft:
    rules = request.rules
    return Draft(
        policy_id=UUID(request.policy_id),
        title=request.title,
        rules=PolicyRules(
            infectious_days_before=rules.infectious_days_before,
            close_contact_minutes=rules.close_contact_minutes,
            close_contact_days=rules.close_contact_days,
            case_days=rules.case_days,
            largest_zone=min(rules.largest_zone, _MAX_COUNT),
            impact_cap=min(rules.impact_cap, _MAX_COUNT),
            passage_minutes=rules.passage_minutes,
        ),
        effective_from=request.effective_from.ToDatetime(tzinfo=UTC),
        drafted_by=drafted_by,
    )


# Counts of people that no district reaches; the column is a signed 32-bit integer, the contract's field unsigned.
_MAX_COUNT = 2**31 - 1


def encode(policy: Policy) -> pb.Policy:
    draft, rules = policy.draft, policy.draft.rules
    effective_from = Timestamp()
    effective_from.FromDatetime(draft.effective_from)
    return pb.Policy(
        policy_id=str(draft.policy_id),
        version=policy.version,
        title=draft.title,
        rules=pb.PolicyRules(
            infectious_days_before=rules.infectious_days_before,
            close_contact_minutes=rules.close_contact_minutes,
            close_contact_days=rules.close_contact_days,
            case_days=rules.case_days,
            largest_zone=rules.largest_zone,
            impact_cap=rules.impact_cap,
            passage_minutes=rules.passage_minutes,
        ),
        effective_from=effective_from,
        state=pb.POLICY_STATE_APPROVED if policy.approved else pb.POLICY_STATE_DRAFT,
        approvals=len(policy.approvers),
    )
