"""The search for duplicates leaves the machine to an import, but not for ever."""

from datetime import timedelta

import pytest
from venue.register.duplicates.finding import STANDS_BACK, Finding
from venue.register.imports import job as jobs

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]


@pytest.mark.case("concurrency")
async def test_duplicates_are_looked_for_once_the_import_was_read_or_takes_too_long(office, house, monkeypatch):
    monkeypatch.setattr(jobs, "ROWS_AT_ONCE", 2)
    finding = Finding(house.pool, house.clock)

    async def waiting():
        await finding.tick()
        return await house.owner.fetchval("SELECT count(*) FROM duplicate_queue")

    await office.put(files.many(7).encode())
    for _ in range(2):  # the look at the file, and its first rows
        assert await office.replicas[0].step()
    assert await waiting() == 2
    house.clock.advance(STANDS_BACK - timedelta(seconds=1))
    assert await waiting() == 2
    house.clock.advance(timedelta(seconds=1))
    assert await waiting() == 0
    await office.work()
    assert await waiting() == 0

    await office.put(files.many(9).encode())
    for _ in range(5):
        assert await office.replicas[0].step()
    assert await waiting() == 1
    await office.work()
    assert await waiting() == 0
