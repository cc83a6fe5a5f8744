import asyncio
from datetime import timedelta

import asyncpg
import pytest
from chassis import sweep
from chassis.sweep import Sweep


@pytest.fixture
async def timers(database, pool, clock):
    owner = await asyncpg.connect(database.owner_url("chassis"))
    await owner.execute("CREATE TABLE timers (n int, due_at timestamptz); GRANT SELECT, UPDATE ON timers TO chassis")
    rows = [(n, clock.now() + timedelta(minutes=n)) for n in range(100)]
    await owner.executemany("INSERT INTO timers VALUES ($1, $2)", rows)
    await owner.close()
    return pool


class Taker:
    """Takes due timers; `told` holds what was committed by the end of each transaction or tried."""

    def __init__(self, clock):
        self.clock, self.told = clock, []

    async def __call__(self, connection, limit):
        rows = await connection.fetch(
            """UPDATE timers SET due_at = NULL WHERE n IN (
                 SELECT n FROM timers WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING n""",
            self.clock.now(), limit,
        )  # fmt: skip
        await asyncio.sleep(0.01)
        self.told += [row["n"] for row in rows]
        return len(rows)


@pytest.mark.connected
async def test_what_is_due_is_told_once_although_several_replicas_sweep(timers, clock):
    clock.advance(timedelta(minutes=49))
    take = Taker(clock)
    counts = await asyncio.gather(*(sweep.lapses(timers, take, limit=7) for _ in range(4)))
    assert sorted(take.told) == list(range(50))
    assert sum(counts) == 50
    assert await sweep.lapses(timers, take) == 0


@pytest.mark.connected
async def test_a_lapse_whose_transaction_fails_stays_due(timers, clock):
    take = Taker(clock)

    async def broken(connection, limit):
        await take(connection, limit)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await sweep.lapses(timers, broken)
    assert await sweep.lapses(timers, take) == 1
    assert take.told == [0, 0]


@pytest.mark.connected
async def test_one_turn_is_bounded(timers, clock):
    clock.advance(timedelta(days=1))
    assert await sweep.lapses(timers, Taker(clock), limit=5, rounds=3) == 15


@pytest.mark.connected
async def test_a_job_without_rows_is_run_by_one_replica_at_a_time(pool):
    async with pool.acquire() as one, pool.acquire() as two, two.transaction():
        async with one.transaction():
            assert await sweep.only_one(one, "job")
            assert not await sweep.only_one(two, "job")
            assert await sweep.only_one(two, "another")
        assert await sweep.only_one(two, "job")


async def test_a_job_that_hangs_does_not_stop_the_others():
    ran = []

    async def hangs():
        await asyncio.sleep(60)

    async def fine():
        ran.append(1)

    jobs = Sweep(job_seconds=0.02)
    jobs.register("hangs", 3600, hangs)
    jobs.register("fine", 0, fine)
    await asyncio.wait_for(jobs.run_due(), 5)
    assert ran == [1]


async def test_a_job_waits_for_its_interval_and_a_failed_one_is_tried_again_sooner(monkeypatch):
    monkeypatch.setattr(sweep, "RETRY_SECONDS", 0.0)
    ran = []

    async def hourly():
        ran.append("hourly")

    async def fails_once():
        ran.append("fails")
        if ran.count("fails") == 1:
            raise ValueError

    jobs = Sweep()
    jobs.register("hourly", 3600, hourly)
    jobs.register("fails", 3600, fails_once)
    for _ in range(3):
        await jobs.run_due()
    assert ran == ["hourly", "fails", "fails"]


async def test_the_loop_ends_when_it_is_cancelled():
    ran = asyncio.Event()

    async def job():
        ran.set()

    jobs = Sweep(tick_seconds=0.001)
    jobs.register("job", 0, job)
    task = asyncio.create_task(jobs.run())
    await asyncio.wait_for(ran.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
