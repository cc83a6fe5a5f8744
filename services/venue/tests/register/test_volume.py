"""Imports at their full size."""

import resource
import time

import pytest

from . import files

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected, pytest.mark.slow]


async def test_fifty_thousand_rows_within_a_minute_and_again_without_change(office):
    content = files.many(50_000).encode()
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    job = await office.run(content)
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(f"50,000 rows: {seconds:.1f} s, of it {after.ru_utime - before.ru_utime:.1f} s of CPU here")
    assert (job.created, job.unchanged, job.rejected) == (50_000, 0, 0)
    assert seconds <= 60
    started = time.monotonic()
    again = await office.run(content)
    print(f"again: {time.monotonic() - started:.1f} s")
    assert (again.created, again.unchanged, again.rejected) == (0, 50_000, 0)
