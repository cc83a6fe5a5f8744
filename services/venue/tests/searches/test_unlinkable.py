"""S5: in everything that is stored, no value but places and kinds is shared by two days of one person."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from passes.days import DAY_SECONDS
from venue.searches.model import Search

pytestmark = [pytest.mark.connected, pytest.mark.feature("V11"), pytest.mark.feature("V4")]

TODAY = date(2022, 3, 10)
# Kinds of things, the same for everybody.
COMMON = {
    "",
    "b''",
    "lilitong.venue.exposure.v1.found",
    "lilitong.venue.v1.ExposureFound",
}


async def test_two_days_of_one_person_have_nothing_in_common_but_the_place(house):
    await house.clear("visit_notes")
    (place,) = (await house.register()).zones
    code, zone = place.code, place.zone
    days = [TODAY, TODAY + timedelta(days=1)]
    for day in days:
        for name in ("case", "contact"):
            (visit_id,) = (await house.check_in(house.scan(name, code))).visit_ids
        await house.check_out(visit_id)
        search = Search(day, uuid4(), house.people.tag("case", day), 0, DAY_SECONDS, "")
        async with house.pool.acquire() as connection, connection.transaction():
            await house.searching.open(connection, search)
        await house.check_in(house.scan("second contact", code))
        house.clock.advance(timedelta(days=1))
    seen = 0
    for (table,) in await house.rows("SELECT parent FROM day_partitioned"):
        readable = "visits_plain" if table == "visits" else table
        rows = [dict(row) for row in await house.rows(f"SELECT * FROM {readable}")]
        rows = [row for row in rows if row.get("subject") != "lilitong.venue.venue.v1.registered"]
        for row in rows:
            if "packed" in row:  # zone, minutes and grade of each visit, which are in the visits too
                assert {note >> 27 for note in row.pop("packed")} == {zone}
            if "place" in row:  # the zone, which is there too, and one of 24 hours
                assert row.pop("place") == row["entered"] // 3600 << 26 | row["zone"]
        by_day = [
            {str(value) for row in rows if row["day"] == day for value in row.values() if long_enough(value)}
            for day in days
        ]
        seen += len(by_day[0])
        assert by_day[0] & by_day[1] <= COMMON, table
    assert seen > 15
    stamps = [row["queued_at"] for row in await house.rows("SELECT queued_at FROM outbox")]
    assert len(set(stamps)) == len(stamps)


def long_enough(value):
    """Small numbers and flags are shared by half the district; what could name a person is not small."""
    return value is not None and not isinstance(value, bool) and not (isinstance(value, int) and abs(value) < 100_000)
