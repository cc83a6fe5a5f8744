"""Postgres or NATS gone or frozen: every scan is answered at once, the answer says what it lacks, and all comes back."""

import asyncio
import os
import secrets
import signal
import time

import asyncpg
import pytest
from chassis.clock import SystemClock, local_day
from daysets.segment import Entry
from lilitong.checkpoint.v1 import scan_pb2

pytestmark = [
    pytest.mark.connected,
    pytest.mark.slow,
    pytest.mark.feature("C4"),
    # Sockets of clients whose server was killed under them are closed by the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

AWAY_S = 12
ANSWER_S = 0.8
RECOVERY_S = 5


@pytest.fixture
async def stormy(fresh_postgres, surroundings):
    """A world with servers of its own, so that they can be broken."""
    surroundings.postgres = fresh_postgres
    return await surroundings.open(SystemClock())


class Scans:
    """Somebody new passes a few times a second; what was acknowledged is remembered."""

    def __init__(self, world, scanner):
        self.world, self.scanner = world, scanner
        self.slowest = 0.0
        self.acknowledged, self.sent = set(), set()
        self.last = None

    async def one(self):
        tag, began = secrets.token_bytes(16), time.monotonic()
        self.sent.add(tag)
        answer = await self.scanner.scan(self.world.quarantine.show((tag,), self.world.clock.now()), timeout=5)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert answer.verdict == scan_pb2.VERDICT_ALLOW
        if answer.recorded:
            self.acknowledged.add(tag)
        return answer

    async def during(self, seconds):
        """Several at a time; the answers."""
        until, answers = time.monotonic() + seconds, []
        while time.monotonic() < until:
            answers += await asyncio.gather(*(self.one() for _ in range(4)))
            await asyncio.sleep(0.05)
        return answers

    async def well_again(self):
        began = time.monotonic()
        while True:
            answer = await self.one()
            if answer.recorded and not answer.degraded:
                return time.monotonic() - began
            assert time.monotonic() - began < RECOVERY_S + 5
            await asyncio.sleep(0.05)


async def stored(world):
    conn = await asyncpg.connect(world.settings.database_url)
    try:
        return {row["tag"] for row in await conn.fetch("SELECT tag FROM passages")}
    finally:
        await conn.close()


@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.feature("C2")
async def test_scans_are_answered_without_postgres_and_recorded_again_soon_after(stormy, fresh_postgres, how):
    world = stormy
    scans = Scans(world, await world.scanner())
    assert all(answer.recorded and not answer.degraded for answer in await scans.during(1))
    scans.slowest = 0.0
    if how == "kill":
        os.kill(fresh_postgres.pid, signal.SIGKILL)
        away = await scans.during(AWAY_S)
        await asyncio.to_thread(fresh_postgres.start)
    else:
        frozen = _postmaster_and_children(fresh_postgres.pid)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        away = await scans.during(AWAY_S)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert scans.slowest < ANSWER_S
    assert not any(answer.recorded for answer in away[8:])
    assert all(answer.degraded for answer in away[8:])
    assert await scans.well_again() < RECOVERY_S
    assert scans.acknowledged <= await stored(world) <= scans.sent


@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.feature("C2")
async def test_scans_are_recorded_without_nats_and_say_that_news_may_be_missing(stormy, fresh_nats, how):
    world = stormy
    scans = Scans(world, await world.scanner())
    await scans.during(1)
    scans.slowest = 0.0
    if how == "kill":
        os.kill(fresh_nats.pid, signal.SIGKILL)
    else:
        os.kill(fresh_nats.pid, signal.SIGSTOP)
    away = await scans.during(AWAY_S)
    assert scans.slowest < ANSWER_S
    assert all(answer.recorded for answer in away)
    assert all(answer.degraded for answer in away[-8:])
    assert away[-1].list_age_seconds >= 3
    if how == "kill":
        await asyncio.to_thread(fresh_nats.start)
    else:
        os.kill(fresh_nats.pid, signal.SIGCONT)
    assert await scans.well_again() < RECOVERY_S
    assert scans.acknowledged == await stored(world)
    # And news comes in again.
    alice = secrets.token_bytes(16)
    await world.until(lambda: world.bus.is_connected)
    segment = world.quarantine.change([Entry(alice, 1, bytes(8))], local_day(world.clock.now()))
    await world.tell_segment(segment)

    async def denied():
        answer = await scans.scanner.scan(world.quarantine.show((alice,), world.clock.now()))
        return answer.verdict == scan_pb2.VERDICT_DENY

    await world.until(denied)


async def test_connections_cut_in_the_middle_lose_nothing_that_was_acknowledged(stormy):
    world = stormy
    scans = Scans(world, await world.scanner())
    running = asyncio.create_task(scans.during(4))
    for _ in range(6):
        await asyncio.sleep(0.5)
        await world.sql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'checkpoint'")
    await running
    assert await scans.well_again() < RECOVERY_S
    assert scans.acknowledged <= await stored(world) <= scans.sent
    assert await world.sql.fetchval("SELECT count(*) = count(DISTINCT tag) FROM passages")


def _postmaster_and_children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:  # noqa: PTH123 - a file of the kernel's
        return [pid, *map(int, children.read().split())]
