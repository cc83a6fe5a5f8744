"""Rectification, suspension, extension, lift, appeal: who may, when, once; and the door of a suspended venue."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import enforcement_pb2 as pb
from lilitong.venue.v1 import visit_pb2

from .conftest import DECISION, FENGSHAN, FORM, LIANHUACHI, RED, SEAL, person

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]
UPHELD, REJECTED = 1, 2
OPEN, ESCALATED, WAS_UPHELD, WAS_REJECTED, LAPSED = 1, 2, 3, 4, 5


async def refused(call):
    with pytest.raises(DomainError) as found:
        await call
    return found.value.kind, found.value.reason


async def count(street, table):
    return await street.house.owner.fetchval(f"SELECT count(*) FROM {table}")


async def failed(street, venue, times=3):
    for _ in range(times):
        answer = await street.fail(venue)
        street.later(minutes=10)
    return answer.inspection.inspection_id


@pytest.mark.case("happy path")
async def test_a_suspended_venues_code_refuses_at_once_on_every_replica_and_no_longer_after_the_end(street, replica):
    await street.policies()
    venue = await street.venue()
    await replica.zones.look()
    code = venue.zones[0].code

    def at_the_other(name):
        request = street.house.scan(name, code)
        from venue.visits.rpc import attempt

        return replica.admission.decide(attempt(request, "app-1"), street.now())

    assert (await street.check_in(venue, "a")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    measure = await failed(street, venue)
    # Proposed is not in force.
    assert (await street.check_in(venue, "b")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    bells = street.told.bell
    suspension = (await street.suspend(measure)).suspension
    assert street.told.bell == bells + 1
    answer = await street.check_in(venue, "c")
    assert answer.outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    (reason,) = answer.reasons
    assert (reason.code, reason.text_en) == ("VENUE_SUSPENDED", "This venue is suspended and closed for now")
    assert "停业整顿" in reason.text_zh
    await replica.zones.look()
    assert at_the_other("d").reasons == ("VENUE_SUSPENDED",)
    # By itself, with nobody telling anybody: neither memory reads the database again.
    street.house.clock.set(suspension.ends_at.ToDatetime(street.now().tzinfo) - timedelta(seconds=1))
    assert (await street.check_in(venue, "e")).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    street.later(seconds=1)
    await street.standing(venue)
    assert not at_the_other("f").reasons
    assert (await street.check_in(venue, "g")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    standing = await street.standing(venue)
    assert (standing.suspended, standing.card) == (False, RED)
    assert list(standing.measures[2].papers_in_force) == [FORM, RED]


async def test_what_was_admitted_before_keeps_its_answer_and_what_comes_later_is_recorded(street):
    await street.policies()
    venue = await street.venue()
    before = street.house.scan("wang", venue.zones[0].code)
    first = await street.house.check_in(before)
    late = street.house.scan("li", venue.zones[0].code, late=True)
    await street.suspend(await failed(street, venue))
    assert (await street.house.check_in(before)).visit_ids == first.visit_ids
    assert (await street.house.check_in(late)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED


async def test_another_venue_and_a_drills_venue_stay_as_they_are(street):
    await street.policies()
    venue, other, drill = await street.venue(), await street.venue(), await street.venue(drill_id="spring")
    await street.suspend(await failed(street, drill))
    for each in (venue, other):
        assert (await street.check_in(each, each.venue_id)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    played = street.house.scan("actor", drill.zones[0].code, drill_id="spring")
    street.house.restrict(drill_id="spring")
    assert (await street.house.check_in(played)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED


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


@pytest.mark.case("happy path", "wrong caller")
async def test_an_upheld_appeal_annuls_the_inspection_and_its_papers(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    assert (appeal.state, appeal.lapses_at.ToDatetime() - appeal.filed_at.ToDatetime()) == (OPEN, timedelta(hours=24))
    assert await refused(street.appeal(measure)) == (Kind.PRECONDITION, "APPEAL_OPEN")
    for involved in (street.lead, person("inspector-1", "enforcement_lead"), person("shop-1", "enforcement_lead")):
        assert await refused(street.decide(appeal.appeal_id, UPHELD, involved)) == (Kind.DENIED, "INVOLVED")
    assert (await street.decide(appeal.appeal_id, UPHELD)).state == WAS_UPHELD
    assert await refused(street.decide(appeal.appeal_id, REJECTED)) == (Kind.PRECONDITION, "APPEAL_DECIDED")
    standing = await street.standing(venue)
    annulled = standing.measures[2]
    assert (annulled.state, list(annulled.papers_in_force), standing.suspended) == (5, [], False)
    assert (standing.failed_counting, standing.current_measure_id) == (2, standing.measures[1].measure_id)
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert (await street.fail(venue)).step == 3
    kinds = [subject for subject, _ in await street.events() if subject.startswith(("appeal", "suspension"))]
    assert kinds == ["suspension.v1.decided", "appeal.v1.filed", "appeal.v1.decided", "suspension.v1.ended"]


@pytest.mark.case("happy path")
async def test_a_rejected_appeal_leaves_everything_and_another_may_follow(street):
    await street.policies()
    venue = await street.venue()
    measure, suspension = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    # Until it is decided nobody knows of a later end than this.
    assert (await street.standing(venue)).suspended_until == appeal.lapses_at
    assert (await street.decide(appeal.appeal_id, REJECTED)).state == WAS_REJECTED
    assert (await street.standing(venue)).suspended_until == suspension.ends_at
    street.later(hours=30)
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    assert (await street.appeal(measure)).state == OPEN


@pytest.mark.case("happy path")
async def test_an_appeal_is_escalated_at_12_hours_and_at_24_suspension_and_cards_end(street, replica):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    await replica.zones.look()

    async def state():
        return (await street.standing(venue)).measures[2].appeal.state

    street.later(hours=12, seconds=-1)
    assert await state() == OPEN
    street.later(seconds=1)
    assert await state() == ESCALATED
    await street.room.clocks.tick()
    street.later(hours=12, seconds=-1)
    assert (await street.check_in(venue, "a")).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    # Truth is computed from the time: no sweep has run, no memory was told.
    street.later(seconds=1)
    assert (await street.check_in(venue, "b")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert not replica.zones.find(venue.zones[0].zone).suspended(street.now())
    assert await refused(street.decide(appeal.appeal_id, REJECTED)) == (Kind.PRECONDITION, "APPEAL_LAPSED")
    assert await refused(street.appeal(measure)) == (Kind.PRECONDITION, "APPEAL_LAPSED")
    standing = await street.standing(venue)
    assert (standing.failed_counting, standing.suspended) == (3, False)
    assert list(standing.measures[2].papers_in_force) == [FORM]
    assert await refused(street.propose_extension(measure)) == (Kind.PRECONDITION, "NOTHING_TO_EXTEND")
    await street.room.clocks.tick()
    await street.room.clocks.tick()
    told = [subject for subject, _ in await street.events() if subject.startswith(("appeal", "suspension"))]
    assert told == [
        "suspension.v1.decided", "appeal.v1.filed", "appeal.v1.escalated", "appeal.v1.lapsed", "suspension.v1.ended",
    ]  # fmt: skip
    (ended,) = await street.events("suspension.v1.ended")
    assert ended.ended_at == appeal.lapses_at
    # Nothing is left to lift but the older card: the measure closes with the re-inspection.
    street.later(days=3)
    await street.room.clocks.tick()
    assert len(await street.events("suspension.v1.ended")) == 1
    await street.rectify(measure)
    await street.passes(venue, measure)
    standing = await street.standing(venue)
    assert [each.state for each in standing.measures] == [4, 3, 4]
    assert standing.current_measure_id == standing.measures[1].measure_id


@pytest.mark.case("concurrency")
async def test_a_sweep_that_comes_late_still_tells_everything_once_even_from_two_replicas(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    await street.appeal(measure)
    street.later(days=30)
    await street.standing(venue)
    await asyncio.gather(*(street.room.clocks.tick() for _ in range(4)))
    told = [subject for subject, _ in await street.events() if subject.startswith("appeal")]
    assert told == ["appeal.v1.filed", "appeal.v1.escalated", "appeal.v1.lapsed"]
    assert await count(street, "ladder_clocks") == 0


async def test_the_end_of_a_suspension_is_told_when_it_has_come(street):
    await street.policies()
    venue = await street.venue()
    _, suspension = await street.climb_to_suspension(venue)
    street.later(days=2)
    await street.room.clocks.tick()
    assert not await street.events("suspension.v1.ended")
    street.later(days=1)
    await street.standing(venue)
    await street.room.clocks.tick()
    (ended,) = await street.events("suspension.v1.ended")
    assert (ended.suspension_id, ended.ended_at) == (suspension.suspension_id, suspension.ends_at)


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


@pytest.mark.case("bad input", "wrong caller")
async def test_policies_need_two_others_and_make_sense(street):
    def draft(steps, area=FENGSHAN):
        rules = pb.LadderRules(
            window_days=60, steps=steps, reinspect_hours=24, climb_hours=24, issuing_body="凤山街道疫情防控办公室"
        )
        request = pb.DraftLadderPolicyRequest(
            request_id=str(uuid4()), policy_id=str(uuid4()), area=area, title="办法", rules=rules
        )
        request.effective_from.FromDatetime(street.now())
        return request

    for papers, days in (([FORM, DECISION], 0), ([FORM], 3), ([FORM, SEAL], 0)):
        bad = draft([pb.LadderStep(papers=papers, suspension_days=days, rectify_hours=1)])
        assert await refused(street.call(street.lead, bad)) == (Kind.INVALID, "LADDER_INVALID")
    good = draft([pb.LadderStep(papers=[FORM], rectify_hours=1)])
    elsewhere = person("lead-9", "enforcement_lead", areas=(LIANHUACHI,))
    await street.call(street.lead, good)
    again = draft([pb.LadderStep(papers=[FORM], rectify_hours=2)])
    again.policy_id = good.policy_id
    assert await refused(street.call(street.lead, again)) == (Kind.EXISTS, "POLICY_EXISTS")

    async def approve(caller):
        request = pb.ApproveLadderPolicyRequest(request_id=str(uuid4()), policy_id=good.policy_id)
        return (await street.call(caller, request)).policy

    assert await refused(approve(street.lead)) == (Kind.DENIED, "DRAFTER_CANNOT_APPROVE")
    assert await refused(approve(elsewhere)) == (Kind.DENIED, "OUT_OF_AREA")
    assert (await approve(street.chief)).state == pb.LADDER_POLICY_STATE_DRAFT
    assert await refused(approve(street.chief)) == (Kind.DENIED, "SAME_APPROVER")
    in_force = pb.GetLadderPolicyInForceRequest(area=FENGSHAN)
    assert await refused(street.call(street.lead, in_force)) == (Kind.NOT_FOUND, "NO_POLICY")
    approved = await approve(street.third)
    assert (approved.state, approved.version, approved.approvals) == (pb.LADDER_POLICY_STATE_APPROVED, 1, 2)
    assert await refused(approve(person("lead-4", "enforcement_lead"))) == (Kind.PRECONDITION, "POLICY_APPROVED")
    assert (await street.call(street.lead, in_force)).policy == approved
    read = pb.GetLadderPolicyRequest(policy_id=good.policy_id)
    assert (await street.call(street.lead, read)).policy == approved
    # Before it was approved nobody was bound by it, whatever its date says.
    in_force.at.FromDatetime(street.now() - timedelta(seconds=1))
    assert await refused(street.call(street.lead, in_force)) == (Kind.NOT_FOUND, "NO_POLICY")


async def test_nothing_is_left_to_rectify_where_the_shop_was_found_good_though_the_measure_looked_at_was_annulled(
    street,
):
    await street.policies()
    venue = await street.venue()
    yellow = await failed(street, venue, 2)
    red = await failed(street, venue, 1)
    await street.rectify(red)
    await street.passes(venue, red)
    await street.decide((await street.appeal(red)).appeal_id, UPHELD)
    standing = await street.standing(venue)
    assert (standing.current_measure_id, standing.measures[1].state) == (yellow, 3)
    assert await refused(street.rectify(yellow)) == (Kind.PRECONDITION, "REINSPECTED_ALREADY")
    await street.lift(await street.propose_lift(yellow))
