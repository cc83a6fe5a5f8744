"""The summary's figures after each thing that can happen to a venue, in exact numbers."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from lilitong.venue.v1 import enforcement_pb2, venue_pb2
from venue.summary import store
from venue.summary.model import wanted

pytestmark = [pytest.mark.connected, pytest.mark.feature("X6")]

LIANHUACHI, FENGSHAN = "141102002", "141102001"


async def test_an_area_without_anything_has_a_row_of_zeros(figures):
    row = await figures.of("141102003")
    assert (row.area, row.now.registered, row.period.inspections, list(row.now.overdue_by_level)) == (
        "141102003",
        0,
        0,
        [0] * 4,
    )


@pytest.mark.feature("V1")
async def test_venues_count_while_they_are_open_and_on_the_code_while_one_is_in_force(figures, house, who):
    one, two = await house.register(zones=2), await house.register(area="141102002001")
    await house.register(area="110101001001")
    row = await figures.of()
    assert (row.now.registered, row.now.on_code) == (2, 2)
    for zone, left in ((one.zones[0], 2), (one.zones[1], 1)):
        with calling(who.officer):
            await house.venues.RevokeVenueCode(
                venue_pb2.RevokeVenueCodeRequest(request_id=str(uuid4()), zone=zone.zone), None
            )
        assert (await figures.of()).now.on_code == left
    with calling(who.officer):
        await house.venues.ReplaceVenueCode(
            venue_pb2.ReplaceVenueCodeRequest(request_id=str(uuid4()), zone=one.zones[0].zone), None
        )
    assert (await figures.of()).now.on_code == 2
    with calling(who.officer):
        await house.venues.CloseVenue(
            venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=two.venue_id, reason="歇业"), None
        )
    row = await figures.of()
    assert (row.now.registered, row.now.on_code) == (1, 1)


@pytest.mark.feature("V2")
async def test_a_letter_that_is_served_and_acknowledged_counts_its_venue_once(figures, desk, house):
    venue, other = await house.register(), await house.register()
    await desk.template()
    await desk.issue()
    (letter,) = await desk.of(venue)
    for _ in range(2):
        await desk.call(desk.grid, desk.service(venue, [letter]))
    now = (await figures.of()).now
    assert (now.letter_served, now.notice_served, now.letter_acknowledged) == (1, 0, 0)
    await desk.acknowledge(letter)
    assert (await figures.of()).now.letter_acknowledged == 1
    await figures.servicer.fold()
    (second,) = await desk.of(other)
    await desk.call(desk.grid, desk.service(other, [second]))
    assert (await figures.of()).now.letter_served == 2


@pytest.mark.feature("V6")
async def test_an_inspection_uploaded_late_belongs_to_the_day_on_which_it_was_made(figures, street):
    await street.policies()
    venue = await street.venue()
    street.later(days=1)
    await street.passes(venue, made=street.now() - timedelta(days=1))
    await street.fail(venue)
    today = figures.today
    assert (await figures.of()).period.inspections == 1
    yesterday = str(today - timedelta(days=1))
    before = (await figures.of(first_day=yesterday, last_day=yesterday)).period
    assert (before.inspections, before.failed) == (1, 0)
    both = await figures.of(first_day=yesterday)
    assert (both.period.inspections, both.period.failed, both.period.notices, both.now.inspected) == (2, 1, 1, 1)


@pytest.mark.feature("V7")
async def test_the_ladder_is_counted_step_by_step_and_an_upheld_appeal_takes_its_step_back(figures, street):
    await street.policies()
    venue, lenient = await street.venue(LIANHUACHI), await street.venue(FENGSHAN)
    await street.climb_to_suspension(venue)
    measure = (await street.fail(lenient)).inspection.inspection_id
    rows = {row.area: row.period for row in await figures.rows(area_digits=9)}
    cards = rows[LIANHUACHI]
    assert (cards.notices, cards.yellow_cards, cards.red_cards, cards.suspensions) == (2, 1, 1, 1)
    assert (rows[FENGSHAN].notices, rows[FENGSHAN].yellow_cards, rows[FENGSHAN].failed) == (1, 0, 1)
    assert (await figures.of()).now.suspended == 1
    await street.decide((await street.appeal(measure)).appeal_id, enforcement_pb2.APPEAL_DECISION_UPHELD)
    period = (await figures.of(FENGSHAN)).period
    assert (period.inspections, period.failed, period.notices, period.annulled) == (1, 0, 0, 1)
    await figures.servicer.fold()
    assert (await figures.of(FENGSHAN)).period == period


@pytest.mark.feature("V7")
async def test_a_lifted_suspension_is_a_reopening_and_one_that_ended_by_itself_is_over(figures, street):
    await street.policies()
    lifted, ended = await street.venue(), await street.venue()
    measure, _ = await street.climb_to_suspension(lifted)
    await street.climb_to_suspension(ended)
    assert (await figures.of()).now.suspended == 2
    await street.rectify(measure)
    await street.passes(lifted, measure)
    await street.lift(await street.propose_lift(measure))
    row = await figures.of()
    assert (row.now.suspended, row.period.lifts, row.period.reopened) == (1, 1, 1)
    street.later(days=4)
    assert (await figures.of()).now.suspended == 0


@pytest.mark.feature("X7")
async def test_what_is_late_is_told_by_how_far_it_has_climbed(figures, street):
    await street.policies()
    await street.fail(await street.venue())
    street.later(hours=48)
    await street.fail(await street.venue(FENGSHAN))
    assert (await figures.of()).now.overdue == 0
    street.later(hours=1)
    assert list((await figures.of()).now.overdue_by_level) == [1, 0, 0, 0]
    street.later(hours=24)
    assert list((await figures.of()).now.overdue_by_level) == [0, 1, 0, 0]
    street.later(hours=48)
    row = await figures.of()
    assert (list(row.now.overdue_by_level), row.now.overdue) == ([0, 1, 0, 1], 2)
    assert (await figures.of(FENGSHAN)).now.overdue == 1


@pytest.mark.feature("X10")
async def test_drills_and_categories_are_counted_apart(figures, house):
    await house.register(category=6)
    await house.register(category=3)
    await house.register(drill_id="drill-1")
    assert (await figures.of()).now.registered == 2
    assert (await figures.of(category=6)).now.registered == 1
    assert (await figures.of(drill_id="drill-1")).now.registered == 1
    await figures.servicer.fold()
    assert (await figures.of(category=6)).now.registered == 1
    assert (await figures.of("14", category=3)).now.registered == 1


@pytest.mark.parametrize("area", ["14", "1411", "141102", "1411020", "141102001", "1411020010", "141102001001"])
async def test_every_length_of_prefix_counts_the_same_before_and_after_adding_up(figures, house, area):
    for each in ("141102001001", "141102001002", "141102002001", "141103001001", "1411020010"):
        await house.register(area=each)
    expected = sum(
        each.startswith(area) for each in ("141102001001", "141102001002", "141102002001", "141103001001", "1411020010")
    )
    everywhere = Caller("command-2", frozenset({"command"}), ("14",))
    for _ in range(2):
        (row,) = await figures.rows(area, everywhere)
        assert row.now.registered == expected
        await figures.servicer.fold()


async def test_adding_up_changes_nothing_and_leaves_nothing_to_add(figures, house):
    for _ in range(5):
        await house.register()
    before = await figures.of()
    async with house.pool.acquire() as connection, connection.transaction():
        assert await store.fold(connection, 3) == 3
    assert await figures.of() == before
    await figures.servicer.fold()
    assert await figures.of() == before
    assert await house.owner.fetchval("SELECT count(*) FROM summary_changes") == 0


async def test_a_registration_that_fails_counts_nothing(figures, house):
    async with house.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO venues (venue_id, name, category, area, address, operators, request_id, digest)"
            " VALUES (gen_random_uuid(), 'x', 3, '141102001001', 'y', '{}', gen_random_uuid(), sha256(''))"
        )
        assert await connection.fetchval("SELECT sum(change) FROM summary_changes WHERE metric = 1") == 1
        await transaction.rollback()
    assert (await figures.of()).now.registered == 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"first_day": "2022-02-30"}, "PERIOD_INVALID"),
        ({"first_day": "2022-03-11", "last_day": "2022-03-10"}, "PERIOD_INVALID"),
        ({"first_day": "2020-01-01", "last_day": "2022-03-10"}, "PERIOD_INVALID"),
        ({"area_digits": 3}, "AREA_DIGITS_INVALID"),
    ],
)
async def test_what_makes_no_period_is_refused(figures, given, reason):
    with pytest.raises(DomainError) as refused:
        await figures.rows(**given)
    assert refused.value.reason == reason


def test_counts_are_read_from_the_level_that_is_kept_for_such_areas():
    levels = [wanted("14", digits, 0, "", "", "", date(2022, 3, 10)).level for digits in (2, 4, 6, 8, 9, 10, 12)]
    assert levels == [6, 6, 6, 9, 9, 0, 0]


async def test_nobody_but_the_facts_moves_a_count(house):
    import asyncpg

    async with house.pool.acquire() as connection:
        for statement in (
            "INSERT INTO summary_changes (area, category, drill_id, day, metric, change) VALUES ('141102001', 3, '', '2022-03-10', 10, 5)",
            "UPDATE counted_venues SET inspected = true",
            "DELETE FROM summary_days",
            "SELECT count_code()",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
