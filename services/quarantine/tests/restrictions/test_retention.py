"""Evidence is forgotten 30 days after the restriction's end, and not a day earlier."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chassis.clock import local_day
from lilitong.quarantine.v1 import contact_pb2, restriction_pb2
from passes.days import bounds
from quarantine.restrictions.retention import Retention

pytestmark = [pytest.mark.connected, pytest.mark.feature("X5")]

CASE_DAYS, CONTACT_DAYS, KEPT = 10, 7, 30


async def confirmed_with_contact(world: Any, *, grade: int = 1) -> tuple[UUID, UUID]:
    """A restricted index person and somebody who was there too."""
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id, result_id = await world.searching(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day, grade=grade)])
    await world.approve(case_id, result_id, "approver-2")
    await world.loop.imposer.run_due()
    return index, person


async def content(world: Any, person: UUID) -> list[bytes]:
    return [
        row["sealed"] for row in await world.pool.fetch("SELECT sealed FROM evidence WHERE resident_id = $1", person)
    ]


async def purged_at(world: Any, days: int, *, minutes: int = 0) -> int:
    """What is purged at the end of the local day that many days after today, and a while."""
    end = bounds(local_day(world.clock.now()) + timedelta(days=days))[1] + timedelta(minutes=minutes)
    before = world.clock.now()
    world.clock.set(end)
    try:
        return await world.loop.retention.purge()
    finally:
        world.clock.set(before)


async def test_evidence_stays_until_thirty_days_after_the_restriction_and_goes_then(world) -> None:
    index, person = await confirmed_with_contact(world)
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=-1) == 0
    assert all(await content(world, person))
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=1) == 1
    assert await content(world, person) == [b""]
    assert all(await content(world, index))
    assert await purged_at(world, CASE_DAYS + KEPT, minutes=1) == 1
    assert await content(world, index) == [b""]


async def test_a_lift_is_an_end_too(world) -> None:
    _, person = await confirmed_with_contact(world)
    restriction_id = str(
        await world.pool.fetchval("SELECT restriction_id FROM restrictions WHERE resident_id = $1", person)
    )
    propose = restriction_pb2.ProposeLiftRequest(
        request_id=str(uuid4()), restriction_id=restriction_id, grounds="认错了人"
    )
    await world.call("tracer", "ProposeLift", propose)
    approve = restriction_pb2.ApproveLiftRequest(request_id=str(uuid4()), restriction_id=restriction_id)
    await world.call("approver-1", "ApproveLift", approve)
    assert await purged_at(world, KEPT - 1) == 0
    assert await purged_at(world, KEPT, minutes=1) == 1
    assert await content(world, person) == [b""]


async def test_a_lead_that_led_to_nothing_goes_after_the_time_it_could_have(world) -> None:
    _, person = await confirmed_with_contact(world, grade=3)
    await world.pool.execute("UPDATE interview_tasks SET statement = 'sealed' WHERE resident_id = $1", person)
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=-1) == 0
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=1) == 1
    assert await content(world, person) == [b""]
    assert await world.pool.fetchval("SELECT statement IS NULL FROM interview_tasks WHERE resident_id = $1", person)


async def test_what_was_said_after_that_is_forgotten_too(world) -> None:
    """An interview may come late, and what it brings need not be evidence."""
    _, person = await confirmed_with_contact(world, grade=3)
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=1) == 1
    task_id = await world.pool.fetchval("SELECT task_id FROM interview_tasks WHERE resident_id = $1", person)
    said = contact_pb2.CompleteInterviewTaskRequest(
        request_id=str(uuid4()),
        task_id=str(task_id),
        outcome=contact_pb2.INTERVIEW_OUTCOME_NO_CONTACT,
        statement="他在门外",
    )
    await world.call("tracer", "CompleteInterviewTask", said)
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=-1) == 0
    assert await purged_at(world, CONTACT_DAYS + KEPT, minutes=2) == 1
    assert await world.pool.fetchval("SELECT statement IS NULL FROM interview_tasks WHERE resident_id = $1", person)


async def test_all_that_is_due_goes_in_short_transactions(world) -> None:
    await world.policy()
    people = [person for _ in range(5) for person in await world.household()]
    for person in people:
        await world.confirmed(person)
    await world.loop.imposer.run_due()
    world.clock.set(world.clock.now() + timedelta(days=CASE_DAYS + KEPT + 2))
    assert await Retention(world.pool, world.clock, at_a_time=2).purge() == 5
    assert await Retention(world.pool, world.clock, at_a_time=2).purge() == 0


async def test_the_service_itself_cannot_change_evidence(world) -> None:
    await confirmed_with_contact(world)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.pool.execute("UPDATE evidence SET sealed = ''")
