"""At the door: who sees an assignment and when, beginning, the inspection that comes of it, coverage, publication, teams."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import spot_check_pb2 as pb

from .conftest import BEGUN, DISTRICT, DRAWN, INSPECTED, MISSED, PUBLISHED, TO_BEGIN, person, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V9")]
UNKNOWN = (Kind.NOT_FOUND, "ASSIGNMENT_UNKNOWN")


@pytest.fixture
async def drawn(squad):
    """Two pairs and six venues, all drawn; the assignments."""
    await squad.team(homes=["141102009001"] * 4)
    await squad.venues(6)
    return await squad.assignments((await squad.drawn(per_mille=1000)).draw_id)


@pytest.mark.case("happy path", "wrong caller")
async def test_a_venue_sees_nothing_before_its_inspection_has_begun(squad, drawn):
    one, *others = drawn
    assert await squad.seen_by_shop(one.venue_id) == []
    told = await squad.events()
    assert not any(one.venue_id in str(message) for _, message in told)
    assert await refused(squad.record(one.draw_id)) == (Kind.PRECONDITION, "NOT_YET_PUBLISHED")
    squad.later(hours=1)
    begun = await squad.begin(one)
    assert begun.progress == BEGUN
    (seen,) = await squad.seen_by_shop(one.venue_id)
    assert (seen.draw_id, seen.begun_at, seen.inspection_id) == (one.draw_id, begun.begun_at, "")
    for other in others:
        assert await squad.seen_by_shop(other.venue_id) == []
    # Neighbours, and staff by the venue's list, learn no more.
    assert await refused(squad.seen_by_shop(one.venue_id, person("shop-2", "venue_operator"))) == (
        Kind.DENIED,
        "NOT_AN_OPERATOR",
    )
    assert await squad.seen_by_shop(others[0].venue_id, squad.lead) == []


@pytest.mark.case("happy path", "wrong caller")
async def test_a_pair_sees_its_own_assignments_and_nobody_elses(squad, drawn):
    own = [each for each in drawn if each.pair == 1]
    assert 0 < len(own) < len(drawn)
    for caller in (squad.first(own[0]), squad.second(own[0])):
        assert await squad.assignments(own[0].draw_id, caller) == own
    assert await squad.assignments(own[0].draw_id, person("somebody", "inspector")) == []
    assert await squad.assignments(own[0].draw_id, person("aud", "auditor")) == drawn
    far = person("lead-9", "enforcement_lead", areas=("141103",))
    assert await refused(squad.assignments(own[0].draw_id, far)) == (Kind.DENIED, "OUT_OF_AREA")
    # One whose area is a part of the draw's sees the own assignments there.
    near = person(own[0].first_inspector, "inspector", areas=("141102001",))
    assert await squad.assignments(own[0].draw_id, near) == own


async def test_assignments_come_page_by_page(squad, drawn):
    request = pb.ListSpotCheckAssignmentsRequest(draw_id=drawn[0].draw_id, page_size=4)
    first = await squad.call(squad.lead, request)
    request.page_token = first.next_page_token
    rest = await squad.call(squad.lead, request)
    assert [*first.assignments, *rest.assignments] == drawn
    request.page_token = "1.2.3"
    assert await refused(squad.call(squad.lead, request)) == (Kind.INVALID, "PAGE_TOKEN_INVALID")


@pytest.mark.case("wrong caller")
async def test_only_the_pair_begins_and_others_do_not_learn_whether_a_venue_was_drawn(squad, drawn):
    one = drawn[0]
    stranger = next(each for each in drawn if each.pair != one.pair)
    undrawn = (await squad.venues(1))[0]
    for_nobody = pb.SpotCheckAssignment(draw_id=one.draw_id, venue_id=undrawn.venue_id)
    answers = [
        await refused(squad.begin(one, squad.first(stranger))),
        await refused(squad.begin(for_nobody, squad.first(stranger))),
        await refused(squad.begin(one, person("somebody", "inspector"))),
    ]
    assert answers == [UNKNOWN] * 3
    far = person(one.first_inspector, "inspector", areas=("141103",))
    assert await refused(squad.begin(one, far)) == (Kind.DENIED, "OUT_OF_AREA")
    assert await squad.seen_by_shop(one.venue_id) == []


@pytest.mark.case("concurrency", "repeat")
async def test_both_of_a_pair_pressing_at_once_begin_once_and_repeats_are_answered_alike(squad, drawn):
    one = drawn[0]
    mine, theirs = squad.beginning(one), squad.beginning(one, at=squad.now() + timedelta(seconds=20))
    answers = await asyncio.gather(
        *(squad.call(squad.first(one), mine) for _ in range(3)),
        *(squad.call(squad.second(one), theirs) for _ in range(3)),
    )
    assert len({each.SerializeToString() for each in answers}) == 1
    assert [what for what, _ in await squad.events()].count("begun") == 1
    mine.position.accuracy_metres = 9
    assert await refused(squad.call(squad.first(one), mine)) == (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")


async def test_where_the_device_was_is_kept_when_it_knows(squad, drawn):
    await squad.begin(drawn[0], position={"latitude_e7": 375200000, "longitude_e7": 1111300000, "accuracy_metres": 12})
    await squad.begin(drawn[1])
    rows = await squad.house.rows("SELECT venue_id, latitude_e7, accuracy_metres FROM spot_check_begins")
    assert {str(row["venue_id"]): (row["latitude_e7"], row["accuracy_metres"]) for row in rows} == {
        drawn[0].venue_id: (375200000, 12),
        drawn[1].venue_id: (None, None),
    }


@pytest.mark.parametrize("off", [timedelta(minutes=2), timedelta(hours=-3), timedelta(days=-15)])
@pytest.mark.case("bad input")
async def test_a_beginning_in_the_future_or_before_the_draw_is_refused(squad, drawn, off):
    squad.later(hours=1)
    call = squad.begin(drawn[0], at=squad.now() + off)
    assert await refused(call) == (Kind.INVALID, "TIME_INVALID")


async def test_a_beginning_made_offline_before_the_end_may_come_after_it_and_a_later_one_may_not(squad, drawn):
    one, other, *_ = drawn
    squad.later(days=6)
    at_the_door = squad.now()
    squad.later(days=2)
    assert await refused(squad.begin(other)) == (Kind.INVALID, "TIME_INVALID")
    begun = await squad.begin(one, at=at_the_door)
    assert begun.begun_at.ToDatetime(at_the_door.tzinfo) == at_the_door
    progress = {each.venue_id: each.progress for each in await squad.assignments(one.draw_id)}
    assert (progress[one.venue_id], progress[other.venue_id]) == (BEGUN, MISSED)


async def test_a_venue_that_has_closed_since_is_not_begun(squad, drawn):
    await squad.house.owner.execute(
        "UPDATE venues SET closed_at = $1, closed_by = 'officer-1', closing_reason = '停业' WHERE venue_id = $2",
        squad.now(),
        drawn[0].venue_id,
    )
    assert await refused(squad.begin(drawn[0])) == (Kind.PRECONDITION, "VENUE_CLOSED")


@pytest.mark.case("happy path", "bad input", "repeat", "concurrency", "wrong caller")
async def test_the_inspection_that_came_of_it_is_linked_once(squad, drawn):
    one, other = [each for each in drawn if each.pair == 1][:2]
    early = await squad.inspect(one)
    assert await refused(squad.link(one, early)) == (Kind.PRECONDITION, "NOT_BEGUN")
    squad.later(minutes=10)
    await squad.begin(one)
    assert await refused(squad.link(one, early)) == (Kind.PRECONDITION, "INSPECTED_BEFORE")
    squad.later(minutes=30)
    made = await squad.inspect(one)
    request = squad.linking(one, made)
    answers = await asyncio.gather(*(squad.call(squad.first(one), request) for _ in range(3)))
    assert {each.assignment.progress for each in answers} == {INSPECTED}
    assert [what for what, _ in await squad.events()].count("inspected") == 1
    assert (await squad.link(one, made, squad.second(one))).inspection_id == made, "said again is no error"
    assert (await squad.seen_by_shop(one.venue_id))[0].inspection_id == made
    second = await squad.inspect(one)
    assert await refused(squad.link(one, second)) == (Kind.EXISTS, "ALREADY_INSPECTED")
    await squad.begin(other)
    assert await refused(squad.link(other, made)) == (Kind.NOT_FOUND, "INSPECTION_UNKNOWN")
    assert await refused(squad.link(other, str(uuid4()))) == (Kind.NOT_FOUND, "INSPECTION_UNKNOWN")
    assert await refused(squad.link(other, made, person("somebody", "inspector"))) == UNKNOWN


@pytest.mark.case("bad input")
async def test_an_inspection_by_others_than_the_pair_does_not_count(squad, drawn):
    one = drawn[0]
    stranger = next(each for each in drawn if each.pair != one.pair)
    await squad.begin(one)
    for two in (
        (stranger.first_inspector, stranger.second_inspector),
        (one.first_inspector, stranger.second_inspector),
    ):
        made = await squad.inspect(one, inspectors=two)
        assert await refused(squad.link(one, made)) == (Kind.PRECONDITION, "NOT_THIS_PAIRS")
    # Who of the two is named first does not matter.
    made = await squad.inspect(one, inspectors=(one.second_inspector, one.first_inspector))
    assert (await squad.link(one, made)).progress == INSPECTED


async def test_one_inspection_does_not_serve_two_spot_checks(squad):
    await squad.team()
    await squad.venues(1)
    first, second = [(await squad.assignments((await squad.drawn()).draw_id))[0] for _ in range(2)]
    for each in (first, second):
        await squad.begin(each)
    made = await squad.inspect(first)
    await squad.link(first, made)
    assert await refused(squad.link(second, made)) == (Kind.EXISTS, "INSPECTION_LINKED")


async def test_publication_waits_until_every_inspection_has_begun_and_no_longer(squad, drawn):
    draw_id = drawn[0].draw_id
    for each in drawn[:-1]:
        await squad.begin(each)
    await squad.room.clocks.tick()
    assert (await squad.get(draw_id)).state == DRAWN
    assert await refused(squad.record(draw_id)) == (Kind.PRECONDITION, "NOT_YET_PUBLISHED")
    await squad.begin(drawn[-1])
    assert (await squad.get(draw_id)).state == PUBLISHED
    said = json.loads(await squad.record(draw_id, person("app-1", "app_backend", areas=("999999",))))
    assert len(said["assignments"]) == len(drawn)
    woken = squad.told.relay
    await asyncio.gather(*(squad.room.clocks.tick() for _ in range(3)))
    assert [what for what, _ in await squad.events()].count("published") == 1
    assert squad.told.relay > woken
    assert await refused(squad.record(str(uuid4()))) == (Kind.NOT_FOUND, "SPOT_CHECK_UNKNOWN")


@pytest.mark.case("happy path")
async def test_coverage_and_findings_are_counted_for_each_of_seven_teams(squad):
    for number in range(7):
        await squad.team(f"第{number + 1}组", [f"14110200900{number}"] * 4)
    await squad.venues(28)
    check = await squad.drawn(per_mille=1000)
    listed = await squad.assignments(check.draw_id)
    empty = await squad.coverage()
    assert [(each.team_name, each.pairs, each.assigned) for each in empty] == [(f"第{n + 1}组", 2, 4) for n in range(7)]
    one = empty[0]
    failed, passed, begun, missed = [each for each in listed if each.team_id == one.team_id]
    for each in (failed, passed, begun):
        await squad.begin(each)
    await squad.link(failed, await squad.inspect(failed, bad=["masks", "temperature"]))
    await squad.link(passed, await squad.inspect(passed))
    assert missed.progress == TO_BEGIN
    squad.later(days=8)
    found, *rest = await squad.coverage(draw_id=check.draw_id)
    assert found == pb.TeamCoverage(
        team_id=one.team_id, team_name="第1组", pairs=2, assigned=4, begun=3, inspected=2, passed=1, failed=1, missed=1,
        failed_items=[pb.FailedItem(item="masks", times=1), pb.FailedItem(item="temperature", times=1)],
    )  # fmt: skip
    assert all((each.assigned, each.begun, each.missed) == (4, 0, 4) for each in rest)
    assert await squad.coverage(drill_id="drill-1") == []
    assert await squad.coverage(area="141102001") == []


async def test_no_pair_is_sent_home_and_the_store_would_refuse_it(squad, drawn):
    venue = (await squad.venues(1, area="141102009001"))[0]
    with pytest.raises(asyncpg.CheckViolationError) as found:
        await squad.house.owner.execute(
            "INSERT INTO spot_check_assignments VALUES ($1, $2, '', '141102009001', 1, '141102009001', '141102009001')",
            drawn[0].draw_id,
            venue.venue_id,
        )
    assert found.value.constraint_name == "spot_check_assignments_away_check"


@pytest.mark.case("happy path", "repeat")
async def test_teams_are_registered_once_and_inspectors_move_between_them(squad):
    one, (account, _) = await squad.team("一队")
    two, _ = await squad.team("二队", homes=())
    again = pb.RegisterSupervisionTeamRequest(request_id=str(uuid4()), team_id=one, name="一队", area=DISTRICT)
    assert [each.account for each in (await squad.call(squad.lead, again)).team.inspectors] == [account, "一队-1"]
    again.request_id, again.name = str(uuid4()), "三队"
    assert await refused(squad.call(squad.lead, again)) == (Kind.EXISTS, "TEAM_EXISTS")
    again.team_id, again.name = str(uuid4()), "二队"
    again.request_id = str(uuid4())
    assert await refused(squad.call(squad.lead, again)) == (Kind.EXISTS, "TEAM_NAME_TAKEN")

    async def members():
        listed = await squad.call(squad.officer, pb.ListSupervisionTeamsRequest(area=DISTRICT))
        return {team.name: {each.account: each.inspector_id for each in team.inspectors} for team in listed.teams}

    known = (await members())["一队"][account]
    await squad.call(squad.lead, squad.assign(two, account, inspector_id=known))
    assert set((await members())["二队"]) == {account}
    await squad.call(squad.lead, squad.assign(two, account, inspector_id=known, leaves=True))
    assert await members() == {"一队": {"一队-1": (await members())["一队"]["一队-1"]}, "二队": {}}
    await squad.call(squad.lead, squad.assign(one, account, inspector_id=known))
    assert set((await members())["一队"]) == {account, "一队-1"}
    # Said again, nothing is added.
    await squad.call(squad.lead, squad.assign(one, account, inspector_id=known))
    rows = await squad.house.rows("SELECT ordinal FROM supervision_memberships WHERE inspector_id = $1", known)
    assert len(rows) == 4


async def test_an_account_has_one_id_and_an_id_one_account(squad):
    team, (account, _) = await squad.team()
    assert await refused(squad.call(squad.lead, squad.assign(team, account))) == (Kind.EXISTS, "ACCOUNT_KNOWN")
    rows = await squad.house.rows("SELECT inspector_id FROM spot_check_inspectors WHERE account = $1", account)
    taken = squad.assign(team, "new", inspector_id=str(rows[0]["inspector_id"]))
    assert await refused(squad.call(squad.lead, taken)) == (Kind.EXISTS, "INSPECTOR_EXISTS")
    gone = squad.assign(str(uuid4()), "new")
    assert await refused(squad.call(squad.lead, gone)) == (Kind.NOT_FOUND, "TEAM_UNKNOWN")


@pytest.mark.case("wrong caller")
async def test_whoever_moves_an_inspector_answers_for_both_teams(squad):
    _, (account, _) = await squad.team("近", area="141102001")
    far, _ = await squad.team("远", homes=(), area="141102002")
    known = (await squad.house.rows("SELECT inspector_id FROM spot_check_inspectors WHERE account = $1", account))[0][0]
    lead = person("lead-near", "enforcement_lead", areas=("141102002",))
    take = squad.assign(far, account, inspector_id=str(known))
    assert await refused(squad.call(lead, take)) == (Kind.DENIED, "OUT_OF_AREA")
    assert (await squad.call(squad.lead, take)).inspector.account == account


@pytest.mark.case("concurrency")
async def test_a_beginning_waits_for_whoever_is_closing_the_venue_and_is_refused_then(squad, drawn):
    await squad.house.refused_by_a_closing(drawn[0], squad.begin(drawn[0]))
