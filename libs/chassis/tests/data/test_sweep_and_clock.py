import json
from datetime import UTC, date, datetime, timedelta

from chassis.clock import OffsetFileClock, day_start, local_day
from chassis.sweep import Sweep


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
