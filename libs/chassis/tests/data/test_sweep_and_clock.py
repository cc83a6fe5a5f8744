import json
from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.clock import OffsetFileClock, day_start, local_day
from chassis.sweep import Sweep
from prometheus_client import REGISTRY


async def test_a_failing_job_does_not_stop_the_others():
    ran = []

    async def broken():
        raise ValueError

    async def fine():
        ran.append(1)

    sweep = Sweep()
    sweep.register("broken", 10, broken)
    sweep.register("fine", 0, fine)
    await sweep.run_due()
    await sweep.run_due()
    assert ran == [1, 1]


def test_a_local_day_begins_at_sixteen_hours_utc():
    assert local_day(datetime(2022, 3, 9, 16, 0, tzinfo=UTC)) == date(2022, 3, 10)
    assert local_day(datetime(2022, 3, 9, 15, 59, 59, tzinfo=UTC)) == date(2022, 3, 9)
    assert day_start(date(2022, 3, 10)) == datetime(2022, 3, 9, 16, 0, tzinfo=UTC)


def test_an_offset_clock_follows_its_file_and_survives_a_broken_one(tmp_path):
    path = tmp_path / "clock.json"
    path.write_text(json.dumps({"offset_seconds": -3600}))
    clock = OffsetFileClock(path)
    assert abs(clock.now() - (datetime.now(UTC) - timedelta(hours=1))) < timedelta(seconds=5)
    path.write_text("{")
    clock._read_at = float("-inf")
    assert abs(clock.now() - (datetime.now(UTC) - timedelta(hours=1))) < timedelta(seconds=5)


def sample(name: str, job: str) -> float:
    return REGISTRY.get_sample_value(name, {"task": job}) or 0.0


@pytest.mark.feature("X11")
async def test_a_job_that_fails_is_counted_and_its_last_good_end_stays_where_it_was():
    broken = True

    async def work():
        if broken:
            raise ValueError

    sweep = Sweep()
    sweep.register("watched", 0, work)
    assert sample("lilitong_sweep_interval_seconds", "watched") == 0
    registered = sample("lilitong_sweep_done_timestamp_seconds", "watched")
    await sweep.run_due()
    assert sample("lilitong_sweep_failures_total", "watched") == 1
    assert sample("lilitong_sweep_done_timestamp_seconds", "watched") == registered
    broken = False
    await sweep.run_due()
    assert sample("lilitong_sweep_failures_total", "watched") == 1
    assert sample("lilitong_sweep_done_timestamp_seconds", "watched") > registered
