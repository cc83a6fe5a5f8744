"""A policy is data with two approvals, and which one is in force follows from the time alone."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from lilitong.quarantine.v1 import policy_pb2

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q4")]
RULES = policy_pb2.PolicyRules(
    infectious_days_before=2,
    close_contact_minutes=10,
    close_contact_days=7,
    case_days=10,
    largest_zone=100,
    impact_cap=3000,
    passage_minutes=5,
)


async def draft(world: Any, *, days: int = 0, who: str = "editor") -> str:
    policy_id = str(uuid4())
    request = policy_pb2.DraftPolicyRequest(
        request_id=str(uuid4()),
        policy_id=policy_id,
        title="第九版",
        rules=RULES,
        effective_from=world.stamp(world.clock.now() + timedelta(days=days)),
    )
    answer = await world.call(who, "DraftPolicy", request)
    assert answer.policy.state == policy_pb2.POLICY_STATE_DRAFT
    assert answer.policy.rules == RULES
    return policy_id


async def approve(world: Any, policy_id: str, who: str) -> policy_pb2.Policy:
    request = policy_pb2.ApprovePolicyRequest(request_id=str(uuid4()), policy_id=policy_id)
    return (await world.call(who, "ApprovePolicy", request)).policy


async def active(world: Any) -> str:
    return (await world.call("tracer", "GetActivePolicy", policy_pb2.GetActivePolicyRequest())).policy.policy_id


async def test_the_second_approval_gives_the_version(world) -> None:
    policy_id = await draft(world)
    first = await approve(world, policy_id, "approver-1")
    assert (first.state, first.version, first.approvals) == (policy_pb2.POLICY_STATE_DRAFT, 0, 1)
    second = await approve(world, policy_id, "approver-2")
    assert (second.state, second.version, second.approvals) == (policy_pb2.POLICY_STATE_APPROVED, 1, 2)
    got = await world.call("auditor", "GetPolicy", policy_pb2.GetPolicyRequest(policy_id=policy_id))
    assert got.policy == second


async def test_drafter_and_first_approver_cannot_give_the_second_approval(world) -> None:
    policy_id = await draft(world)
    await approve(world, policy_id, "approver-1")
    for who, reason in (("editor", "DRAFTER_CANNOT_APPROVE"), ("approver-1", "SAME_APPROVER")):
        with pytest.raises(DomainError) as refused:
            await approve(world, policy_id, who)
        assert refused.value.reason == reason
    with pytest.raises(DomainError) as refused:
        await active(world)
    assert refused.value.reason == "NO_POLICY"


async def test_an_approved_policy_takes_no_third_approval(world) -> None:
    policy_id = await draft(world)
    await approve(world, policy_id, "approver-1")
    await approve(world, policy_id, "approver-2")
    with pytest.raises(DomainError) as refused:
        await approve(world, policy_id, "approver-3")
    assert refused.value.reason == "POLICY_APPROVED"


async def test_the_policy_in_force_is_the_one_that_came_into_effect_last(world) -> None:
    later, now, draft_only = await draft(world, days=2), await draft(world), await draft(world)
    for policy_id in (later, now):
        await approve(world, policy_id, "approver-1")
        await approve(world, policy_id, "approver-2")
    await approve(world, draft_only, "approver-1")
    assert await active(world) == now
    world.clock.advance(timedelta(days=2, seconds=-1))
    assert await active(world) == now
    world.clock.advance(timedelta(seconds=1))
    assert await active(world) == later


async def test_policies_approved_at_once_get_versions_without_gap_or_double(world) -> None:
    ids = [await draft(world) for _ in range(6)]
    await asyncio.gather(*(approve(world, policy_id, "approver-1") for policy_id in ids))
    policies = await asyncio.gather(*(approve(world, policy_id, "approver-2") for policy_id in ids))
    assert sorted(policy.version for policy in policies) == [1, 2, 3, 4, 5, 6]


async def test_two_people_approving_at_once_are_both_counted(world) -> None:
    policy_id = await draft(world)
    answers = await asyncio.gather(*(approve(world, policy_id, who) for who in ("approver-1", "approver-2")))
    assert sorted(answer.version for answer in answers) == [0, 1]


async def test_a_repeated_draft_is_one_and_another_under_its_id_is_refused(world) -> None:
    request = policy_pb2.DraftPolicyRequest(
        request_id=str(uuid4()),
        policy_id=str(uuid4()),
        title="第九版",
        rules=RULES,
        effective_from=world.stamp(world.clock.now()),
    )
    assert await world.call("editor", "DraftPolicy", request) == await world.call("editor", "DraftPolicy", request)
    request.title = "第八版"
    with pytest.raises(DomainError) as refused:
        await world.call("editor", "DraftPolicy", request)
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"
    request.request_id = str(uuid4())
    with pytest.raises(DomainError) as refused:
        await world.call("editor", "DraftPolicy", request)
    assert refused.value.reason == "POLICY_EXISTS"
    assert await world.pool.fetchval("SELECT count(*) FROM policies") == 1
