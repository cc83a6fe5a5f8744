"""Counting while others come and go, cut off in the middle, asked by strangers or for what there is not."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.events.outbox import unsealed
from chassis.rpc.validation import validate
from lilitong.venue.v1 import code_task_pb2, occupancy_pb2, visit_pb2
from venue.watch.fold import Fold

pytestmark = pytest.mark.feature("V5")
connected = pytest.mark.connected
CROWDED = "lilitong.venue.occupancy.v1.crowded"


async def counts(house):
    """All that the fold writes."""
    return {
        table: [tuple(row) for row in await house.rows(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in ("zone_occupancy", "area_occupancy", "zone_changes", "code_use", "visit_notes")
    }


async def refused(action):
    with pytest.raises(DomainError) as caught:
        await action
    return caught.value.kind, caught.value.reason


@connected
@pytest.mark.case("crash")
@pytest.mark.parametrize("step", ["venue.watch.fold.store.set_levels", "venue.watch.fold.publish"])
async def test_a_count_cut_off_in_the_middle_leaves_what_was_noted_and_is_made_up_for(watch, house, monkeypatch, step):
    venue = await house.register(capacity=10)
    await watch.come(venue, ["first"])
    await watch.tick()
    await watch.come(venue, [f"p{number}" for number in range(8)])
    before = await counts(house)
    assert before["visit_notes"]

    async def cut(conn, *_, **__):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as broken:
        broken.setattr(step, cut)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await watch.tick()
    assert await counts(house) == before
    assert not await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)
    assert await watch.counted(venue.zones[0].zone) == 9
    (told,) = await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)
    assert (told.level, told.inside) == (1, 9)


@connected
@pytest.mark.case("concurrency")
async def test_people_who_come_and_leave_while_four_replicas_count_are_counted_to_the_last(watch, house):
    venue = await house.register(zones=3)
    folds = [Fold(house.pool, house.clock, unsealed, lambda: None) for _ in range(4)]
    await watch.tick()

    async def visit(number):
        answer = await house.check_in(house.scan(f"p{number}", venue.zones[number % 3].code))
        if number % 4 == 0:
            await house.check_out(answer.visit_ids[0])

    async def count(fold):
        for _ in range(12):
            await fold.tick()
            await asyncio.sleep(0.005)

    await asyncio.gather(*(visit(number) for number in range(60)), *(count(fold) for fold in folds))
    house.clock.advance(timedelta(minutes=1))
    exact = await watch.exact(venue)
    assert [await watch.counted(zone.zone) for zone in venue.zones] == exact == [15, 15, 15]
    assert await house.owner.fetchval("SELECT sum(inside) FROM area_occupancy") == 45


@connected
@pytest.mark.case("repeat")
async def test_a_check_out_sent_again_takes_nobody_else_out_and_a_further_turn_tells_nothing_again(watch, house):
    venue = await house.register(capacity=10)
    await watch.come(venue, [f"p{number}" for number in range(8)])
    (visit_id,) = (await house.check_in(house.scan("wang", venue.zones[0].code))).visit_ids
    await watch.tick()
    before = await counts(house)
    for _ in range(3):
        await watch.tick()
    assert await counts(house) == before
    assert len(await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)) == 1
    house.clock.advance(timedelta(minutes=2))
    left = [await house.check_out(visit_id) for _ in range(3)]
    assert left[0] == left[1] == left[2]
    house.clock.advance(timedelta(minutes=1))
    assert await watch.counted(venue.zones[0].zone) == 8


@connected
@pytest.mark.case("bad input")
async def test_a_venue_that_is_none_has_no_occupancy(house, who):
    with calling(who.officer):
        unknown = house.visits.GetOccupancy(visit_pb2.GetOccupancyRequest(venue_id=str(uuid4())), None)
        assert await refused(unknown) == (Kind.NOT_FOUND, "VENUE_UNKNOWN")


@pytest.mark.case("bad input")
@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (occupancy_pb2.ListCrowdedZonesRequest(area="离石"), "area"),
        (occupancy_pb2.ListCrowdedZonesRequest(area=""), "area"),
        (occupancy_pb2.ListCrowdedZonesRequest(area="141102", at_least=9), "at_least"),
        (occupancy_pb2.ListCrowdedZonesRequest(area="141102", page_size=501), "page_size"),
        (visit_pb2.GetOccupancyRequest(venue_id="17"), "venue_id"),
    ],
)
def test_the_contract_refuses_questions_that_cannot_be(request_, field):
    with pytest.raises(DomainError) as caught:
        validate(request_)
    assert set(caught.value.fields) == {field}


@connected
@pytest.mark.case("wrong caller")
async def test_who_is_inside_is_told_to_the_venue_and_to_those_of_its_area_only(house, who):
    venue = await house.register()

    async def asked(caller):
        with calling(caller):
            return await house.visits.GetOccupancy(visit_pb2.GetOccupancyRequest(venue_id=venue.venue_id), None)

    assert len((await asked(who.operator)).zones) == 1
    assert await refused(asked(who.other)) == (Kind.DENIED, "NOT_AN_OPERATOR")
    for role in ("venue_officer", "venue_operator"):
        far = Caller("shop-1", frozenset({role}), ("141103",))
        assert await refused(asked(far)) == (Kind.DENIED, "OUT_OF_AREA")


@connected
@pytest.mark.feature("V3")
@pytest.mark.case("concurrency", of="V3")
async def test_of_six_officers_who_answer_a_task_at_once_one_is_heard(watch, house):
    venue = await house.register(capacity=5)
    await watch.come(venue, [f"a{n}" for n in range(61)])
    await watch.tick()
    (task,) = await watch.open_tasks()

    def answer(number):
        request = code_task_pb2.AnswerCodeTaskRequest(
            request_id=str(uuid4()), task_id=task.task_id, finding=1 + number % 2, note=f"{number}"
        )
        return watch.call(request, Caller(f"officer-{number}", frozenset({"venue_officer"}), ("141102",)))

    done = await asyncio.gather(*(answer(number) for number in range(6)), return_exceptions=True)
    assert sorted(getattr(each, "reason", "done") for each in done) == ["ANSWERED_ALREADY"] * 5 + ["done"]
    (kept,) = await watch.open_tasks()
    (winner,) = [each.task for each in done if not isinstance(each, Exception)]
    assert (kept.answered_by, kept.note) == (winner.answered_by, winner.note)
    assert len(await watch.events("lilitong.venue.code_task.v1.answered", code_task_pb2.CodeTaskChanged)) == 1
