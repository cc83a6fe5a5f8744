"""What is stored of check-ins: once however often and in whatever order they are sent, late ones too, and nothing by halves."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from chassis.errors import DomainError, Kind, store_error
from chassis.rpc.status import from_proto
from venue.visits import store
from venue.visits.model import Grade, Visit, VisitRef
from venue.visits.recording import is_repeat

from .conftest import ADMITTED, REFER, REFUSED, TODAY, reasons

pytestmark = [pytest.mark.connected, pytest.mark.feature("V4")]


@pytest.mark.case("repeat")
async def test_sending_a_check_in_again_returns_the_first_answer_even_much_later(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code, companions=("son",))
    first = await house.check_in(request)
    house.restrict(house.entry("wang"))
    assert await house.check_in(request) == first
    house.clock.advance(timedelta(hours=1))
    assert await house.check_in(request) == first
    (again,) = await house.batch([request])
    assert again.response == first
    assert await house.stored() == 2


@pytest.mark.case("repeat")
async def test_a_visit_key_used_for_another_check_in_is_a_mismatch_and_stores_nothing(house):
    venue = await house.register(zones=2)
    here, there = venue.zones[0].code, venue.zones[1].code
    await house.check_in(house.scan("wang", here, key=b"k" * 8))
    for request in (
        house.scan("wang", there, key=b"k" * 8),
        house.scan("wang", there, key=b"k" * 8, companions=("son",)),
    ):
        with pytest.raises(DomainError) as refused:
            await house.check_in(request)
        assert (refused.value.kind, refused.value.reason) == (Kind.MISMATCH, "VISIT_KEY_REUSED")
    assert await house.stored() == 1


@pytest.mark.case("concurrency", "repeat")
async def test_the_same_check_in_sent_twenty_times_at_once_is_one_visit(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code)
    answers = await asyncio.gather(*(house.check_in(request) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert await house.stored() == 1


@pytest.mark.case("concurrency")
async def test_many_check_ins_at_once_are_each_stored_and_answered(house):
    code = (await house.register()).zones[0].code
    requests = [house.scan(f"p{n}", code) for n in range(120)]
    answers = await asyncio.gather(*(house.check_in(request) for request in requests))
    assert {VisitRef.of_id(answer.visit_ids[0]).visit_key for answer in answers} == {r.visit_key for r in requests}
    assert await house.stored() == 120


@pytest.mark.case("bad input")
async def test_a_batch_answers_each_item_on_its_own(house):
    venue = await house.register()
    code = venue.zones[0].code
    house.restrict(house.entry("contact"))
    used = house.scan("li", code, key=b"k" * 8)
    await house.check_in(used)
    clash = house.scan("li", code, key=b"k" * 8, at=house.clock.now() - timedelta(seconds=5))
    bad_code = house.scan("wang", code)
    bad_code.venue_code = "LLV1:NOTACODE"
    requests = [house.scan("wang", code), house.scan("contact", code), clash, bad_code, used]
    results = await house.batch(requests)
    assert [each.response.outcome for each in results] == [ADMITTED, REFUSED, 0, 0, ADMITTED]
    assert [each.error_reason for each in results] == ["", "", "VISIT_KEY_REUSED", "VENUE_CODE_INVALID", ""]
    kinds = [known.kind if (known := from_proto(each.error)) else None for each in results]
    assert kinds == [None, None, Kind.MISMATCH, Kind.INVALID, None]
    assert await house.stored() == 2


@pytest.mark.case("happy path", "bad input")
async def test_a_late_item_is_judged_at_its_signed_time_recorded_and_stops_nobody_in_hindsight(house):
    code = (await house.register()).zones[0].code
    then = house.clock.now() - timedelta(hours=70)
    day = TODAY - timedelta(days=3)
    house.restrict(house.entry("wang", day=day), day=day)
    answer = await house.check_in(house.scan("wang", code, at=then, late=True))
    assert answer.outcome == ADMITTED
    (row,) = await house.rows("SELECT day, late, entered FROM visits_plain")
    assert (row["day"], row["late"], row["entered"]) == (day, True, 14 * 3600)
    too_late = await house.check_in(house.scan("wang", code, at=house.clock.now() - timedelta(hours=73), late=True))
    assert (too_late.outcome, reasons(too_late), await house.stored()) == (REFER, ["STALE"], 1)


@pytest.mark.case("happy path")
async def test_a_card_read_offline_is_dated_by_the_scan(house, who):
    code = (await house.register()).zones[0].code
    card = house.card("grandma")
    at = house.clock.now() - timedelta(hours=2)
    answer = await house.check_in(house.staff_scan(card, code, late=True, scanned_at=at), who.operator)
    assert answer.outcome == ADMITTED
    (row,) = await house.rows("SELECT late, entered FROM visits_plain")
    assert (row["late"], row["entered"]) == (True, 10 * 3600)
    early = await house.check_in(house.staff_scan(card, code, scanned_at=at), who.operator)
    assert reasons(early) == ["STALE"]


@pytest.mark.case("crash")
async def test_a_check_in_whose_transaction_is_killed_is_not_acknowledged_and_succeeds_when_sent_again(house):
    code = (await house.register()).zones[0].code
    request = house.scan("wang", code)
    blocker = house.owner.transaction()
    await blocker.start()
    await house.owner.execute("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE")
    waiting = asyncio.create_task(house.check_in(request))
    killed = 0
    for _ in range(100):
        killed = await house.admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'venue'"
            " AND datname = current_database() AND wait_event_type = 'Lock'"
        )
        if killed:
            break
        await asyncio.sleep(0.02)
    assert killed == 1
    with pytest.raises(Exception) as lost:  # noqa: PT011 - any of several, all mapped alike
        await waiting
    known = store_error(lost.value)
    assert known is not None
    assert known.kind is Kind.UNAVAILABLE
    await blocker.rollback()
    assert await house.stored() == 0
    assert (await house.check_in(request)).outcome == ADMITTED
    assert await house.stored() == 1


async def test_no_stored_value_is_shared_by_two_days_of_one_person(house):
    """S5: everything of the row but the place differs or is common to many."""
    code = (await house.register()).zones[0].code
    await house.check_in(house.scan("wang", code))
    house.clock.advance(timedelta(days=1, minutes=7))
    await house.check_in(house.scan("wang", code))
    first, second = await house.rows("SELECT * FROM visits ORDER BY day")
    shared = {name for name in first.keys() if first[name] == second[name]}  # noqa: SIM118 - a record is no mapping
    assert shared == {"place", "facts", "drill_id"}


@pytest.mark.case("concurrency")
async def test_batches_that_repeat_each_others_check_ins_never_wait_in_a_circle(house):
    """Two replicas are sent the same check-ins again, each in an order of its own, among those of others."""
    one, other, between = (_visit(number) for number in (1, 3, 2))
    async with house.pool.acquire() as blocker, house.pool.acquire() as first, house.pool.acquire() as second:
        held = blocker.transaction()
        await held.start()
        await store.insert(blocker, [between])

        async def write(connection, visits):
            async with connection.transaction():
                await store.insert(connection, visits)

        waiting = asyncio.create_task(write(first, [one, between, other]))
        await _until_it_waits(house, first)
        crossing = asyncio.create_task(write(second, [other, one]))
        await asyncio.wait({crossing}, timeout=0.3)
        await held.rollback()
        await asyncio.gather(waiting, crossing)
    assert await house.stored() == 3


async def _until_it_waits(house, connection):
    for _ in range(500):
        if await house.admin.fetchval(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", connection.get_server_pid()
        ):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def _visit(number):
    return Visit(TODAY, bytes([number]) * 16, bytes([number]) * 8, 1, 0, 60, Grade.STATIC_CODE, False, False, "")


@pytest.mark.parametrize("key", [bytes(8), b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7), b"\xff" * 8])
@pytest.mark.parametrize("drill_id", ["", "spring"])
async def test_the_largest_values_are_read_as_they_were_written(house, key, drill_id):
    """Several of a visit's facts share a number: none may reach into its neighbour."""
    visit = Visit(TODAY, b"\xff" * 16, key, 2**26 - 1, 86_399, 86_400, Grade.STATIC_CARD, True, True, drill_id)
    ref = VisitRef(TODAY, visit.tag, key)
    async with house.pool.acquire() as connection, connection.transaction():
        assert await store.insert(connection, [visit]) == {(TODAY, UUID(bytes=visit.tag), key)}
        assert await store.insert(connection, [visit]) == set()
        assert is_repeat(visit, await store.find(connection, [ref]))
        assert await store.lock_for_check_out(connection, ref) == store.StoredVisit(visit, False)
        await store.set_stay(connection, ref, 0, overstay=False)
        ended = replace(visit, stay=0, overstay=False)
        assert await store.lock_for_check_out(connection, ref) == store.StoredVisit(ended, True)
