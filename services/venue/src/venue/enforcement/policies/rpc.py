"""EnforcementService: ladder policies. Drafted by one, in force once two others have approved."""

from dataclasses import replace
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection
from chassis.writes import Writes
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.venue.v1 import enforcement_pb2 as pb

from venue.enforcement.policies import store
from venue.enforcement.policies.model import APPROVALS_NEEDED, Paper, Policy, Rules, Step, in_force, trouble

_READERS = {"enforcement_lead", "inspector", "venue_officer", "command", "auditor"}


class PolicyMethods:
    """A part of `EnforcementServicer`; its attributes are set there."""

    pool: asyncpg.Pool
    clock: Clock
    writes: Writes

    @allow(roles={"enforcement_lead"}, area="area")
    async def DraftLadderPolicy(self, request: pb.DraftLadderPolicyRequest, _: Any) -> pb.DraftLadderPolicyResponse:
        draft = _decode(request, current_caller().subject)
        wrong = trouble(draft.rules)
        if wrong is not None:
            raise DomainError(
                Kind.INVALID, "LADDER_INVALID", f"This ladder cannot be: {wrong}.", fields={"rules": wrong}
            )

        async def act(conn: Connection) -> pb.DraftLadderPolicyResponse:
            with constraint_errors(store.ERRORS):
                await store.insert_draft(conn, draft, self.clock.now())
            return pb.DraftLadderPolicyResponse(policy=encode(draft))

        return await self.writes.once("DraftLadderPolicy", request, pb.DraftLadderPolicyResponse, act)

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def ApproveLadderPolicy(
        self, request: pb.ApproveLadderPolicyRequest, _: Any
    ) -> pb.ApproveLadderPolicyResponse:
        policy_id, approver = UUID(request.policy_id), current_caller().subject

        async def authorise(conn: Connection) -> None:
            _permitted(await store.get(conn, policy_id))

        async def act(conn: Connection) -> pb.ApproveLadderPolicyResponse:
            return pb.ApproveLadderPolicyResponse(policy=encode(await self._approve(conn, policy_id, approver)))

        return await self.writes.once(
            "ApproveLadderPolicy", request, pb.ApproveLadderPolicyResponse, act, authorise=authorise
        )

    async def _approve(self, conn: Connection, policy_id: UUID, approver: str) -> Policy:
        await store.lock_versions(conn)
        policy = _permitted(await store.get(conn, policy_id))
        if policy.approved:
            raise DomainError(Kind.PRECONDITION, "POLICY_APPROVED", "This policy has both its approvals.")
        now = self.clock.now()
        approvers = (*policy.approvers, approver)
        with constraint_errors(store.ERRORS):
            await store.insert_approval(conn, policy, approver, now)
            if len(approvers) < APPROVALS_NEEDED:
                return replace(policy, approvers=approvers)
            version = await store.insert_version(conn, policy, approvers[0], approvers[1], now)
        return replace(policy, approvers=approvers, version=version, approved_at=now)

    @allow(roles=_READERS, area=RESOURCE)
    async def GetLadderPolicy(self, request: pb.GetLadderPolicyRequest, _: Any) -> pb.GetLadderPolicyResponse:
        async with self.pool.acquire() as conn:
            policy = await store.get(conn, UUID(request.policy_id))
        return pb.GetLadderPolicyResponse(policy=encode(_permitted(policy)))

    @allow(roles=_READERS, area="area")
    async def GetLadderPolicyInForce(
        self, request: pb.GetLadderPolicyInForceRequest, _: Any
    ) -> pb.GetLadderPolicyInForceResponse:
        at = request.at.ToDatetime(UTC) if request.HasField("at") else self.clock.now()
        async with self.pool.acquire() as conn:
            policy = in_force(await store.approved(conn, request.area), request.area, at)
        if policy is None:
            raise DomainError(Kind.NOT_FOUND, "NO_POLICY", "There was no ladder in force in this area at that time.")
        return pb.GetLadderPolicyInForceResponse(policy=encode(policy))


def _permitted(policy: Policy | None) -> Policy:
    if policy is None:
        raise DomainError(Kind.NOT_FOUND, "NO_POLICY", "There is no such policy.")
    require_area(policy.area)
    return policy


def _decode(request: pb.DraftLadderPolicyRequest, drafted_by: str) -> Policy:
    rules = request.rules
    steps = tuple(
        Step(tuple(sorted(Paper(paper) for paper in step.papers)), step.suspension_days, step.rectify_hours)
        for step in rules.steps
    )
    return Policy(
        policy_id=UUID(request.policy_id),
        area=request.area,
        title=request.title,
        rules=Rules(rules.window_days, steps, rules.reinspect_hours, rules.climb_hours, rules.issuing_body),
        effective_from=request.effective_from.ToDatetime(UTC),
        drafted_by=drafted_by,
    )


def encode(policy: Policy) -> pb.LadderPolicy:
    rules, effective_from = policy.rules, Timestamp()
    effective_from.FromDatetime(policy.effective_from)
    return pb.LadderPolicy(
        policy_id=str(policy.policy_id),
        area=policy.area,
        version=policy.version,
        title=policy.title,
        rules=pb.LadderRules(
            window_days=rules.window_days,
            steps=[
                pb.LadderStep(
                    papers=[int(paper) for paper in step.papers],  # type: ignore[misc]  # numbers are the contract's
                    suspension_days=step.suspension_days,
                    rectify_hours=step.rectify_hours,
                )
                for step in rules.steps
            ],
            reinspect_hours=rules.reinspect_hours,
            climb_hours=rules.climb_hours,
            issuing_body=rules.issuing_body,
        ),
        effective_from=effective_from,
        state=pb.LADDER_POLICY_STATE_APPROVED if policy.approved else pb.LADDER_POLICY_STATE_DRAFT,
        approvals=len(policy.approvers),
    )
