"""A clock that cannot ring holds up no other, is reported, and rings once what hindered it is mended."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from venue.enforcement.ladder.clocks import RETRY, ClocksFailedError

from .conftest import count

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7"), pytest.mark.case("crash")]


async def spoil(street, venue):
    """The clocks of a venue name one that is not registered."""
    await street.house.owner.execute(
        "UPDATE ladder_clocks SET venue_id = gen_random_uuid() WHERE venue_id = $1", venue.venue_id
    )


async def mend(street, venue):
    await street.house.owner.execute(
        "UPDATE ladder_clocks c SET venue_id = f.venue_id FROM ladder_facts f WHERE f.fact_id = c.fact_id AND f.venue_id = $1",
        venue.venue_id,
    )


async def ended(street):
    return [each.suspension_id for each in await street.events("suspension.v1.ended")]


async def test_one_that_fails_is_reported_and_the_others_ring_in_the_same_turn(street):
    await street.policies()
    spoilt, sound = await street.venue(), await street.venue()
    (_, lost), (_, told) = [await street.climb_to_suspension(each) for each in (spoilt, sound)]
    await spoil(street, spoilt)
    street.later(days=4)
    await street.standing(sound)
    with capture_logs() as logs, pytest.raises(ClocksFailedError):
        await street.room.clocks.tick()
    assert await ended(street) == [told.suspension_id]
    assert [(each["event"], each["fact"], each["error"]) for each in logs] == [
        ("clock_failed", lost.suspension_id, "KeyError")
    ]
    assert await count(street, "ladder_clocks") == 1


async def test_it_is_tried_again_after_a_pause_and_the_turns_end_badly_until_it_has_rung(street):
    await street.policies()
    venue = await street.venue()
    _, suspension = await street.climb_to_suspension(venue)
    await spoil(street, venue)
    street.later(days=4)
    await street.standing(venue)
    for logged in (1, 0, 0):
        with capture_logs() as logs, pytest.raises(ClocksFailedError):
            await street.room.clocks.tick()
        assert len(logs) == logged
    await mend(street, venue)
    with pytest.raises(ClocksFailedError):
        await street.room.clocks.tick()
    street.house.clock.advance(RETRY)
    await street.room.clocks.tick()
    assert await ended(street) == [suspension.suspension_id]
    assert await count(street, "ladder_clocks") == 0


async def test_more_that_fail_than_a_turn_takes_at_once_do_not_starve_one_behind_them(street):
    await street.policies()
    spoilt, sound = await street.venue(), await street.venue()
    measure = (await street.fail(spoilt)).inspection.inspection_id
    _, suspension = await street.climb_to_suspension(sound)
    await street.house.owner.execute(
        """
        WITH made AS (
            INSERT INTO ladder_facts (fact_id, venue_id, ordinal, kind, measure_id, actor, happened_at, recorded_at)
            SELECT gen_random_uuid(), $1, 100 + n, 5, $2, 'x', $3, $3 FROM generate_series(1, 60) AS n RETURNING fact_id
        )
        INSERT INTO ladder_clocks (fact_id, kind, venue_id, due_at) SELECT fact_id, 1, gen_random_uuid(), $3 FROM made
        """,
        UUID(spoilt.venue_id),
        UUID(measure),
        street.now() - timedelta(days=1),
    )
    street.later(days=4)
    await street.standing(sound)
    with capture_logs() as logs, pytest.raises(ClocksFailedError):
        await street.room.clocks.tick()
    assert len(logs) == 60
    assert await ended(street) == [suspension.suspension_id]


@pytest.mark.case("concurrency")
async def test_replicas_that_meet_a_failing_one_tell_the_others_once(street):
    await street.policies()
    venues = [await street.venue() for _ in range(4)]
    suspensions = [(await street.climb_to_suspension(each))[1].suspension_id for each in venues]
    await spoil(street, venues[0])
    street.later(days=4)
    await street.standing(venues[1])
    await asyncio.gather(*(street.room.clocks.tick() for _ in range(4)), return_exceptions=True)
    assert sorted(await ended(street)) == sorted(suspensions[1:])
    assert await count(street, "ladder_clocks") == 1
