"""Imports and the search for duplicates at their full size."""

import resource
import time

import pytest
from venue.register.duplicates.finding import Finding

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected, pytest.mark.slow]
ROWS = 50_000
TWINS = 500


@pytest.mark.case("happy path", "repeat")
async def test_fifty_thousand_rows_within_a_minute_and_again_without_change(office, house):
    content = files.many(ROWS).encode()
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    job = await office.run(content)
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{ROWS:,} rows: {seconds:.1f} s, of it {after.ru_utime - before.ru_utime:.1f} s of CPU here")
    assert (job.created, job.unchanged, job.rejected) == (ROWS, 0, 0)
    assert seconds <= 60
    started = time.monotonic()
    again = await office.run(content)
    print(f"again: {time.monotonic() - started:.1f} s")
    assert (again.created, again.unchanged, again.rejected) == (0, ROWS, 0)

    # Twins: another clerk's spelling of the same name, at the same address.
    twins = [files.row(number, 场所名称=f"店 铺{number}号（有限公司）") for number in range(1, TWINS + 1)]
    assert (await office.run(files.text(twins))).created == TWINS
    finding = Finding(house.pool, house.clock)
    started, began = time.monotonic(), time.process_time()
    while await house.pool.fetchval("SELECT EXISTS (SELECT FROM duplicate_queue)"):
        await finding.tick()
    seconds = time.monotonic() - started
    print(f"duplicates among {ROWS + TWINS:,}: {seconds:.1f} s, of it {time.process_time() - began:.1f} s of CPU here")
    pairs = await house.rows(
        """
        SELECT f.address AS one, s.address AS other FROM merge_candidates
        JOIN venues f ON f.venue_id = first_id JOIN venues s ON s.venue_id = second_id
        WHERE (f.name LIKE '店 铺%') <> (s.name LIKE '店 铺%')
        """
    )
    assert sum(pair["one"] == pair["other"] for pair in pairs) == TWINS
    print(f"proposed: {await house.owner.fetchval('SELECT count(*) FROM merge_candidates')}")
    assert seconds <= 120
