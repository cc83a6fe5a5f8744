"""Rectification, suspension, extension, lift: who may, when, once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import enforcement_pb2 as pb
from lilitong.venue.v1 import visit_pb2

from .conftest import DECISION, count, failed, person, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]
UPHELD, REJECTED = 1, 2


@pytest.mark.case("wrong caller", "concurrency", "repeat")
async def test_a_suspension_is_approved_by_a_lead_who_was_not_there_once(street):
    await street.policies()
    venue = await street.venue()
    measure = await failed(street, venue, 2)
    assert await refused(street.suspend(measure)) == (Kind.PRECONDITION, "NO_SUSPENSION_PROPOSED")
    measure = await failed(street, venue, 1)
    for inspector in ("inspector-1", "inspector-2"):
        both = person(inspector, "enforcement_lead", "inspector")
        assert await refused(street.suspend(measure, both)) == (Kind.DENIED, "SECOND_PERSON_NEEDED")
    elsewhere = person("lead-9", "enforcement_lead", areas=("141103",))
    assert await refused(street.suspend(measure, elsewhere)) == (Kind.DENIED, "OUT_OF_AREA")
    assert await refused(street.suspend(str(uuid4()))) == (Kind.NOT_FOUND, "MEASURE_UNKNOWN")
    assert await count(street, "suspensions") == 0
    requests = [
        pb.ApproveSuspensionRequest(request_id=str(uuid4()), suspension_id=str(uuid4()), measure_id=measure)
        for _ in range(5)
    ]
    leaves = await count(street, "ledger_leaves")
    answers = await asyncio.gather(*(street.call(street.lead, each) for each in requests), return_exceptions=True)
    (done,) = [each for each in answers if not isinstance(each, DomainError)]
    assert {each.reason for each in answers if isinstance(each, DomainError)} == {"NO_SUSPENSION_PROPOSED"}
    assert (await count(street, "suspensions"), await count(street, "ledger_leaves")) == (1, leaves + 1)
    winner = requests[answers.index(done)]
    assert await street.call(street.lead, winner) == done
    assert len(await street.events("suspension.v1.decided")) == 1


@pytest.mark.case("bad input")
async def test_a_superseded_measure_is_no_longer_acted_upon(street):
    await street.policies()
    venue = await street.venue()
    old = await failed(street, venue)
    new = await failed(street, venue, 1)
    for act in (street.suspend(old), street.rectify(old), street.propose_lift(old), street.propose_extension(old)):
        assert await refused(act) == (Kind.PRECONDITION, "MEASURE_SUPERSEDED")
    await street.suspend(new)


@pytest.mark.case("happy path", "bad input", "wrong caller")
async def test_an_extension_is_a_decision_of_its_own_with_an_end_of_its_own(street):
    await street.policies()
    venue = await street.venue()
    measure = await failed(street, venue)
    assert await refused(street.propose_extension(measure)) == (Kind.PRECONDITION, "NOT_SUSPENDED")
    first = (await street.suspend(measure)).suspension
    assert await refused(street.propose_extension(measure, days=4)) == (Kind.PRECONDITION, "EXTENSION_TOO_LONG")
    extension = await street.propose_extension(measure, days=2)
    assert (await street.standing(venue)).measures[2].extension_proposal_id == extension
    for same in (street.lead, person("inspector-2", "enforcement_lead")):
        assert await refused(street.extend(extension, same)) == (Kind.DENIED, "SECOND_PERSON_NEEDED")
    second = await street.extend(extension)
    assert second.suspension.starts_at == first.ends_at
    assert second.suspension.ends_at.ToDatetime() - first.ends_at.ToDatetime() == timedelta(days=2)
    assert (second.suspension.seal_number, [each.paper for each in second.papers]) == (first.seal_number, [DECISION])
    assert (second.suspension.extension, second.suspension.in_force) == (True, False)
    assert await refused(street.propose_extension(measure)) == (Kind.PRECONDITION, "EXTENDED_ALREADY")
    assert await refused(street.extend(extension)) == (Kind.PRECONDITION, "NO_EXTENSION_PROPOSED")
    assert (await street.standing(venue)).suspended_until == second.suspension.ends_at
    street.later(days=4)
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    street.later(days=2)
    assert not (await street.standing(venue)).suspended
    # One that is approved after the end begins then, not in the past.
    third = await street.extend(await street.propose_extension(measure, days=1))
    assert third.suspension.starts_at.ToDatetime() == street.now().replace(tzinfo=None)


@pytest.mark.case("bad input", "wrong caller")
async def test_a_lift_needs_a_passed_reinspection_and_a_second_person(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    assert await refused(street.propose_lift(measure)) == (Kind.PRECONDITION, "NOT_REINSPECTED")
    await street.rectify(measure)
    assert await refused(street.rectify(measure)) == (Kind.PRECONDITION, "ALREADY_RECTIFIED")
    await street.passes(venue, measure)
    lift = await street.propose_lift(measure, street.lead)
    assert await refused(street.lift(lift, street.lead)) == (Kind.DENIED, "SECOND_PERSON_NEEDED")
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    await street.lift(lift, street.chief)
    assert (await street.check_in(venue, "li")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert await refused(street.lift(lift, street.chief)) == (Kind.PRECONDITION, "MEASURE_CLOSED")
    (lifted,) = await street.events("measure.v1.lifted")
    (ended,) = await street.events("suspension.v1.ended")
    assert lifted.lifted_at == ended.ended_at


@pytest.mark.case("bad input")
async def test_a_lift_that_was_proposed_before_a_further_failure_is_void(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    await street.rectify(measure)
    await street.passes(venue, measure)
    lift = await street.propose_lift(measure)
    again = await failed(street, venue, 1)
    assert await refused(street.lift(lift)) == (Kind.PRECONDITION, "MEASURE_SUPERSEDED")
    await street.decide((await street.appeal(again)).appeal_id, UPHELD)
    assert await refused(street.lift(lift)) == (Kind.PRECONDITION, "NO_LIFT_PROPOSED")
    await street.lift(await street.propose_lift(measure))


@pytest.mark.case("wrong caller")
async def test_an_operator_acts_for_its_own_venue_alone(street):
    await street.policies()
    venue = await street.venue()
    measure = await failed(street, venue, 1)
    stranger = person("shop-2", "venue_operator", "inspector")
    assert await refused(street.rectify(measure, stranger)) == (Kind.DENIED, "NOT_AN_OPERATOR")
    assert await refused(street.appeal(measure, stranger)) == (Kind.DENIED, "NOT_AN_OPERATOR")
    stranger = person("shop-2", "venue_operator")
    assert await refused(street.standing(venue, caller=stranger)) == (Kind.DENIED, "NOT_AN_OPERATOR")
    assert (await street.standing(venue, caller=street.shop)).current_measure_id == measure
    assert await count(street, "ladder_facts") == 1


@pytest.mark.case("repeat")
async def test_every_act_sent_again_gives_its_first_answer_and_acts_once(street):
    await street.policies()
    venue = await street.venue()
    sent = []
    call = street.call

    async def noted(caller, request):
        answer = await call(caller, request)
        if hasattr(request, "request_id"):
            sent.append((caller, request, answer))
        return answer

    street.call = noted
    measure, _ = await street.climb_to_suspension(venue)
    await street.decide((await street.appeal(measure)).appeal_id, REJECTED)
    await street.extend(await street.propose_extension(measure))
    await street.rectify(measure)
    await street.passes(venue, measure)
    await street.lift(await street.propose_lift(measure))
    facts = await count(street, "ladder_facts")
    for caller, request, answer in sent:
        assert await call(caller, request) == answer
    assert len({type(request) for _, request, _ in sent}) == 9
    assert await count(street, "ladder_facts") == facts


@pytest.mark.case("crash")
async def test_an_act_that_crashes_in_the_middle_leaves_nothing(street, monkeypatch):
    from venue.enforcement.ladder import store

    await street.policies()
    venue = await street.venue()
    measure = await failed(street, venue)
    before = {table: await count(street, table) for table in ("ladder_facts", "documents", "ledger_leaves", "outbox")}

    async def fail(*_, **__):
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(store, "insert_papers", fail)
        with pytest.raises(ConnectionResetError):
            await street.suspend(measure)
    assert {table: await count(street, table) for table in before} == before
    assert await count(street, "suspensions") == 0
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert (await street.suspend(measure)).suspension.seal_number == "离防封〔2022〕1号"


async def test_a_replica_whose_clock_is_behind_does_not_write_into_the_past(street):
    await street.policies()
    venue = await street.venue()
    first = await street.fail(venue)
    street.later(seconds=-30)
    second = await street.fail(venue)
    assert second.inspection.recorded_at == first.inspection.recorded_at
    assert second.step == 2
