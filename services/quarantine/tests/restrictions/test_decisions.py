"""Restrictions after an interview, lifts, explanations."""

import asyncio
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from chassis.errors import DomainError, Kind
from ledger import commitment
from ledger.verify import verify_inclusion
from lilitong.quarantine.v1 import contact_pb2, restriction_pb2
from lilitong.venue.v1.events_pb2 import ZoneContext
from passes.days import bounds, day_number, local_day

pytestmark = pytest.mark.connected


async def interviewed(world: Any) -> tuple[UUID, str]:
    """Somebody a tracer asked who turned out to be a close contact: the person and the evidence."""
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day, grade=3)])
    await world.loop.imposer.run_due()
    listed = await world.call(
        "tracer", "ListInterviewTasks", contact_pb2.ListInterviewTasksRequest(area="1411", open_only=True)
    )
    (task,) = listed.tasks
    done = await world.call(
        "tracer",
        "CompleteInterviewTask",
        contact_pb2.CompleteInterviewTaskRequest(
            request_id=str(uuid4()), task_id=task.task_id, outcome=1, statement="我们一起吃了饭"
        ),
    )
    return person, done.evidence_id


async def propose(world: Any, evidence_id: str, who: str = "tracer", *, restriction_id: str = "") -> str:
    restriction_id = restriction_id or str(uuid4())
    request = restriction_pb2.ProposeRestrictionRequest(
        request_id=str(uuid4()), restriction_id=restriction_id, evidence_id=evidence_id
    )
    await world.call(who, "ProposeRestriction", request)
    return restriction_id


async def approve(world: Any, restriction_id: str, who: str) -> int:
    request = restriction_pb2.ApproveRestrictionRequest(request_id=str(uuid4()), restriction_id=restriction_id)
    return (await world.call(who, "ApproveRestriction", request)).state


@pytest.mark.feature("Q10")
async def test_after_an_interview_two_approvers_restrict_and_neither_is_the_proposer(world) -> None:
    person, evidence_id = await interviewed(world)
    restriction_id = await propose(world, evidence_id)
    with pytest.raises(DomainError) as refused:
        await approve(world, restriction_id, "tracer")
    assert refused.value.reason == "PROPOSER_CANNOT_APPROVE"
    assert await approve(world, restriction_id, "approver-1") == restriction_pb2.RESTRICTION_STATE_PROPOSED
    assert await world.listed(person) is None
    with pytest.raises(DomainError) as refused:
        await approve(world, restriction_id, "approver-1")
    assert refused.value.reason == "SAME_APPROVER"
    assert await approve(world, restriction_id, "approver-2") == restriction_pb2.RESTRICTION_STATE_IN_FORCE
    assert await world.listed(person) == 4
    with pytest.raises(DomainError):
        await approve(world, restriction_id, "approver-3")


@pytest.mark.feature("Q10", "R9")
async def test_a_proposal_under_the_id_of_another_restriction_is_refused(world) -> None:
    """Found by the attack on REST: it was taken, and its second approval failed inside."""
    _, evidence_id = await interviewed(world)
    _, taken = await restricted(world)
    with pytest.raises(DomainError) as refused:
        await propose(world, evidence_id, restriction_id=taken)
    assert (refused.value.kind, refused.value.reason) == (Kind.EXISTS, "RESTRICTION_EXISTS")
    assert await world.pool.fetchval("SELECT count(*) FROM restriction_proposals") == 0


@pytest.mark.feature("Q10")
async def test_simultaneous_second_approvals_restrict_once(world) -> None:
    _, evidence_id = await interviewed(world)
    restriction_id = await propose(world, evidence_id)
    answers = await asyncio.gather(
        *(approve(world, restriction_id, f"approver-{number}") for number in range(4)), return_exceptions=True
    )
    assert sorted(answer for answer in answers if isinstance(answer, int)) == [1, 2]
    assert await world.pool.fetchval("SELECT count(*) FROM restrictions WHERE reason = 4") == 1


@pytest.mark.feature("Q6")
async def test_a_question_is_answered_once_unless_nobody_was_reached(world) -> None:
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day, minutes=1)])
    await world.loop.imposer.run_due()
    task_id = str(await world.pool.fetchval("SELECT task_id FROM interview_tasks"))

    async def answer(outcome: int) -> Any:
        request = contact_pb2.CompleteInterviewTaskRequest(
            request_id=str(uuid4()), task_id=task_id, outcome=outcome, statement="秘密"
        )
        return await world.call("tracer", "CompleteInterviewTask", request)

    assert (await answer(contact_pb2.INTERVIEW_OUTCOME_NOT_REACHED)).evidence_id == ""
    still = contact_pb2.ListInterviewTasksRequest(area="141102", case_id=case_id, open_only=True)
    assert len((await world.call("tracer", "ListInterviewTasks", still)).tasks) == 1
    assert (await answer(contact_pb2.INTERVIEW_OUTCOME_NO_CONTACT)).evidence_id == ""
    with pytest.raises(DomainError) as refused:
        await answer(contact_pb2.INTERVIEW_OUTCOME_CLOSE_CONTACT)
    assert refused.value.reason == "TASK_COMPLETED"
    assert not (await world.call("tracer", "ListInterviewTasks", still)).tasks
    statement = await world.pool.fetchval("SELECT statement FROM interview_tasks")
    assert "秘密".encode() not in statement
    assert await world.listed(person) is None


async def restricted(world: Any, **zone: Any) -> tuple[UUID, str]:
    """A close contact in force: the person and the restriction."""
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    zones = [ZoneContext(**({"zone": 7, "venue_name": "风山超市", "visitors": 30} | zone))]
    await world.found(search, [world.hit(person, search.day)], zones=zones)
    await world.loop.imposer.run_due()
    return person, str((await world.contacts(case_id))[person]["restriction_id"])


async def lift(world: Any, restriction_id: str, proposer: str = "tracer", approver: str = "approver-1") -> int:
    await world.call(
        proposer,
        "ProposeLift",
        restriction_pb2.ProposeLiftRequest(request_id=str(uuid4()), restriction_id=restriction_id, grounds="误判"),
    )
    answer = await world.call(
        approver,
        "ApproveLift",
        restriction_pb2.ApproveLiftRequest(request_id=str(uuid4()), restriction_id=restriction_id),
    )
    return answer.state


@pytest.mark.feature("Q10")
async def test_a_lift_by_two_people_takes_the_person_off_todays_list_and_the_coming_ones(world) -> None:
    person, restriction_id = await restricted(world)
    await world.loop.keeper.tick()
    assert [await world.listed(person, days=days) for days in range(3)] == [2, 2, 2]
    assert await lift(world, restriction_id) == restriction_pb2.RESTRICTION_STATE_LIFTED
    assert [await world.listed(person, days=days) for days in range(3)] == [None, 2, 2]
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    assert [await world.listed(person, days=days) for days in range(3)] == [None, None, None]


@pytest.mark.feature("Q10")
async def test_who_proposed_a_lift_cannot_approve_it_and_nobody_can_without_a_proposal(world) -> None:
    _, restriction_id = await restricted(world)
    with pytest.raises(DomainError) as refused:
        await world.call(
            "approver-1",
            "ApproveLift",
            restriction_pb2.ApproveLiftRequest(request_id=str(uuid4()), restriction_id=restriction_id),
        )
    assert refused.value.reason == "LIFT_NOT_PROPOSED"
    with pytest.raises(DomainError) as refused:
        await lift(world, restriction_id, "approver-1", "approver-1")
    assert refused.value.reason == "PROPOSER_CANNOT_APPROVE"
    request = restriction_pb2.GetRestrictionRequest(restriction_id=restriction_id)
    answer = await world.call("tracer", "GetRestriction", request)
    assert answer.restriction.state == restriction_pb2.RESTRICTION_STATE_LIFT_PROPOSED
    assert await world.pool.fetchval("SELECT count(*) FROM personal_reads") == 1


@pytest.mark.feature("Q10")
async def test_lifting_one_of_two_restrictions_keeps_the_other(world) -> None:
    person, restriction_id = await restricted(world)
    (second,) = await world.household()
    case_id = await world.confirmed(second)
    search = await world.search_of(case_id, 1)
    await world.found(search, [world.hit(person, search.day)])
    assert await world.loop.imposer.run_due() == 2
    assert await world.pool.fetchval("SELECT count(*) FROM restrictions WHERE resident_id = $1", person) == 2
    await lift(world, restriction_id)
    assert await world.listed(person) == 2
    shown = await world.pool.fetchval(
        "SELECT restriction_id FROM day_set_entries WHERE active AND resident_id = $1 AND day = $2",
        person,
        local_day(world.clock.now()),
    )
    assert shown == (await world.contacts(case_id))[person]["restriction_id"]


@pytest.mark.feature("Q10")
async def test_a_restriction_ends_by_itself(world) -> None:
    person, restriction_id = await restricted(world)
    request = restriction_pb2.GetRestrictionRequest(restriction_id=restriction_id)
    shown = (await world.call("tracer", "GetRestriction", request)).restriction
    ends_at = shown.ends_at.ToDatetime(tzinfo=UTC)
    assert ends_at == bounds(local_day(world.clock.now()) + timedelta(days=7))[1]
    world.clock.set(ends_at - timedelta(seconds=1))
    assert (
        await world.call("tracer", "GetRestriction", request)
    ).restriction.state == restriction_pb2.RESTRICTION_STATE_IN_FORCE
    world.clock.set(ends_at)
    assert (
        await world.call("tracer", "GetRestriction", request)
    ).restriction.state == restriction_pb2.RESTRICTION_STATE_ENDED
    with pytest.raises(DomainError) as refused:
        await lift(world, restriction_id)
    assert refused.value.reason == "NOT_IN_FORCE"
    answer = await world.call(
        "app", "ExplainRestriction", restriction_pb2.ExplainRestrictionRequest(resident_id=str(person))
    )
    assert not answer.explanations


@pytest.mark.feature("Q11")
async def test_an_explanation_says_why_until_when_and_proves_it(world) -> None:
    person, _ = await restricted(world, visitors=10)
    answer = await world.call(
        "app", "ExplainRestriction", restriction_pb2.ExplainRestrictionRequest(resident_id=str(person))
    )
    (told,) = answer.explanations
    assert told.reason == told.evidence_type == 2
    assert told.text_zh
    assert "close contact" in told.text_en
    assert told.exposure_half == restriction_pb2.HALF_DAY_MORNING
    assert told.venue_name == "风山超市"
    assert list(told.approver_roles) == ["approver", "approver"]
    assert (told.policy_title, told.policy_version) == ("第九版", 1)
    assert told.state == restriction_pb2.RESTRICTION_STATE_IN_FORCE
    proof = told.proof
    leaf = commitment.commit(proof.salt, proof.content)
    verified = verify_inclusion(
        leaf, proof.leaf_index, list(proof.path), proof.checkpoint, [world.loop.signer.verifier]
    )
    assert verified.size == proof.tree_size
    for secret in (b"approver-1", person.bytes, str(person).encode()):
        assert secret not in proof.content


@pytest.mark.feature("Q11")
async def test_a_venue_with_few_visitors_is_not_named(world) -> None:
    person, _ = await restricted(world, visitors=9)
    answer = await world.call(
        "app", "ExplainRestriction", restriction_pb2.ExplainRestrictionRequest(resident_id=str(person))
    )
    assert [told.venue_name for told in answer.explanations] == [""]


@pytest.mark.feature("Q11")
async def test_a_reference_shown_that_day_is_explained_even_after_the_lift(world) -> None:
    person, restriction_id = await restricted(world)
    day = local_day(world.clock.now())
    reference = await world.pool.fetchval(
        "SELECT reference FROM day_set_entries WHERE day = $1 AND resident_id = $2", day, person
    )
    await lift(world, restriction_id)

    def asked(known: bytes) -> restriction_pb2.ExplainRestrictionRequest:
        shown = restriction_pb2.DayReference(day=day_number(day), reference=known)
        return restriction_pb2.ExplainRestrictionRequest(reference=shown)

    answer = await world.call("lead", "ExplainRestriction", asked(reference))
    assert [told.state for told in answer.explanations] == [restriction_pb2.RESTRICTION_STATE_LIFTED]
    with pytest.raises(DomainError) as refused:
        await world.call("lead", "ExplainRestriction", asked(b"unknown!"))
    assert refused.value.reason == "NO_RESTRICTION"
    with pytest.raises(DomainError) as refused:
        await world.call("lead", "ExplainRestriction", asked(reference), areas=("140105",))
    assert refused.value.reason == "OUT_OF_AREA"


@pytest.mark.feature("Q11")
@pytest.mark.parametrize(("kind", "reason"), [("index", 1), ("household", 3)])
async def test_case_and_household_are_explained_without_a_venue(world, kind: str, reason: int) -> None:
    await world.policy()
    index, member = await world.household(2)
    await world.confirmed(index)
    await world.loop.imposer.run_due()
    person = index if kind == "index" else member
    answer = await world.call(
        "app", "ExplainRestriction", restriction_pb2.ExplainRestrictionRequest(resident_id=str(person))
    )
    (told,) = answer.explanations
    assert (told.reason, told.venue_name) == (reason, "")
