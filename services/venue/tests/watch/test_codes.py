"""Printed codes that are used as one place cannot be."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.auth import Caller
from chassis.errors import DomainError
from chassis.partitions import ensure
from lilitong.venue.v1 import code_task_pb2 as pb
from venue.watch.model import Rule, Suspicion, Use, possible, suspect

pytestmark = pytest.mark.feature("V3")

RULE = Rule(200, 60, (1, 5), 20, 30)
NOON = int(datetime(2022, 3, 10, 4, 0, tzinfo=UTC).timestamp()) // 600
THREE = int(datetime(2022, 3, 9, 19, 0, tzinfo=UTC).timestamp()) // 600


def use(printed, shown=0, *, slot=NOON, capacity=30, dwell=45):
    return Use(1, slot, (printed, 0, 0, 0, 0, 0), (shown, 0, 0, 0, 0, 0), capacity, dwell)


def test_what_a_place_can_take_in_is_its_room_once_and_its_turnover_twice_over():
    assert possible(30, 45, 10, RULE) == 2 * (30 + 7)
    assert possible(5, 45, 10, RULE) == 60


def test_more_check_ins_than_the_place_can_take_are_a_question_and_one_less_is_none():
    allowed = possible(30, 45, 10, RULE)
    assert suspect(use(allowed), RULE) is None
    found = suspect(use(allowed + 1), RULE)
    assert (found.suspicion, found.seen, found.allowed, found.minutes) == (Suspicion.RATE, allowed + 1, allowed, 10)


def test_a_crowd_spread_over_an_hour_is_measured_by_the_hour():
    allowed = possible(30, 45, 60, RULE)
    spread = Use(1, NOON, tuple([allowed // 6 + 1] * 6), (0,) * 6, 30, 45)
    assert suspect(spread, RULE).minutes == 60


def test_a_shop_that_is_closed_at_three_has_no_customers_and_a_hotel_may():
    found = suspect(use(20, slot=THREE), RULE)
    assert (found.suspicion, found.starts) == (Suspicion.AT_NIGHT, datetime(2022, 3, 9, 19, 0, tzinfo=UTC))
    assert suspect(use(19, slot=THREE), RULE) is None
    assert suspect(use(20, slot=NOON), RULE) is None
    assert suspect(use(20, slot=THREE), Rule(200, 60, None, 20, 30)) is None


def test_a_poster_that_is_used_much_beside_the_screen_is_a_question():
    assert suspect(use(30, 30), RULE).suspicion is Suspicion.BESIDE_SCREEN
    assert suspect(use(30, 29), RULE) is None
    assert suspect(use(29, 300), RULE) is None


@pytest.mark.connected
@pytest.mark.case("happy path")
async def test_a_task_is_raised_once_for_a_zone_and_a_day_and_names_nobody(watch, house):
    venue = await house.register(capacity=5)
    await watch.come(venue, [f"a{n}" for n in range(61)])
    await watch.tick()
    (task,) = await watch.open_tasks()
    assert (task.suspicion, task.seen, task.limit, task.window_minutes) == (pb.CODE_SUSPICION_RATE, 61, 60, 10)
    assert (task.venue_id, task.zone, task.area, task.finding) == (venue.venue_id, venue.zones[0].zone, venue.area, 0)
    await watch.come(venue, [f"b{n}" for n in range(61)])
    await watch.tick()
    assert [each.task_id for each in await watch.open_tasks()] == [task.task_id]
    (event,) = await watch.events("lilitong.venue.code_task.v1.raised", pb.CodeTaskChanged)
    assert event.task.task_id == task.task_id
    assert "tag" not in {field.name for field in pb.CodeTask.DESCRIPTOR.fields}
    house.clock.advance(timedelta(days=1))
    tomorrow = house.clock.now().date()
    await ensure(house.owner, tomorrow, tomorrow)
    await watch.come(venue, [f"c{n}" for n in range(61)])
    await watch.tick()
    assert len(await watch.open_tasks()) == 2


@pytest.mark.connected
async def test_staff_who_scan_and_cards_do_not_use_the_printed_code(watch, house):
    venue = await house.register(capacity=5)
    await watch.come(venue, [f"a{n}" for n in range(61)], grade=1)
    await watch.come(venue, [f"b{n}" for n in range(61)], grade=4)
    await watch.come(venue, [f"c{n}" for n in range(61)], grade=2)
    await watch.tick()
    assert not await watch.open_tasks()


@pytest.mark.connected
@pytest.mark.case("happy path")
async def test_a_burst_that_comes_in_several_turns_is_added_up(watch, house):
    venue = await house.register(capacity=5)
    for part in range(3):
        await watch.come(venue, [f"{part}-{n}" for n in range(25)])
        await watch.tick()
    (task,) = await watch.open_tasks()
    assert task.seen == 75


@pytest.mark.connected
@pytest.mark.case("repeat", "bad input", "wrong caller")
async def test_an_officer_answers_a_task_once_and_the_same_request_gets_the_same_answer(watch, house):
    venue = await house.register(capacity=5)
    await watch.come(venue, [f"a{n}" for n in range(61)])
    await watch.tick()
    (task,) = await watch.open_tasks()
    request = pb.AnswerCodeTaskRequest(
        request_id=str(uuid4()), task_id=task.task_id, finding=pb.CODE_FINDING_COPIED, note="隔壁店门口也贴了"
    )
    answered = (await watch.call(request)).task
    assert (answered.finding, answered.answered_by) == (pb.CODE_FINDING_COPIED, "officer-1")
    assert (await watch.call(request)).task == answered
    assert (await watch.open_tasks(open_only=True), len(await watch.open_tasks())) == ([], 1)
    for changed, reason in (
        ({"request_id": str(uuid4())}, "ANSWERED_ALREADY"),
        ({"note": "另一个说法"}, "IDEMPOTENCY_MISMATCH"),
        ({"request_id": str(uuid4()), "task_id": str(uuid4())}, "CODE_TASK_UNKNOWN"),
    ):
        fields = {"request_id": request.request_id, "task_id": task.task_id, "finding": 1, "note": request.note}
        with pytest.raises(DomainError) as refused:
            await watch.call(pb.AnswerCodeTaskRequest(**fields | changed))
        assert refused.value.reason == reason
    elsewhere = Caller("officer-9", frozenset({"venue_officer"}), ("110101",))
    with pytest.raises(DomainError) as refused:
        await watch.call(request, elsewhere)
    assert refused.value.reason == "OUT_OF_AREA"


@pytest.mark.connected
@pytest.mark.case("bad input")
async def test_pages_of_tasks_follow_each_other_and_a_made_up_token_is_refused(watch, house):
    for _ in range(3):
        venue = await house.register(capacity=5)
        await watch.come(venue, [f"{venue.name}{n}" for n in range(61)])
    await watch.tick()
    seen, token = [], ""
    for _ in range(2):
        answer = await watch.call(pb.ListCodeTasksRequest(area="141102", page_size=2, page_token=token))
        seen += [each.task_id for each in answer.tasks]
        token = answer.next_page_token
    assert (len(set(seen)), token) == (3, "")
    with pytest.raises(DomainError) as refused:
        await watch.call(pb.ListCodeTasksRequest(area="141102", page_token="1.x"))
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.connected
@pytest.mark.feature("X10")
async def test_tasks_about_a_drills_codes_are_listed_only_when_it_is_named(watch, house):
    real, drill = await house.register(capacity=5), await house.register(capacity=5, drill_id="drill-1")
    for venue, drill_id in ((real, ""), (drill, "drill-1")):
        await watch.come(venue, [f"{venue.name}{n}" for n in range(61)], drill_id=drill_id)
    await watch.tick()
    for drill_id, expected in (("", [real.venue_id]), ("drill-1", [drill.venue_id]), ("drill-2", [])):
        assert [each.venue_id for each in await watch.open_tasks(drill_id=drill_id)] == expected
