"""Imposing in chunks: concurrently, after a crash, and in few steps."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY
from quarantine.daysets import store
from quarantine.restrictions import impose as imposing

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q10")]


async def with_contacts(world: Any, count: int) -> tuple[str, str, list[UUID]]:
    """A case that searches have found `count` close contacts for, one approval short of its confirmation."""
    await world.policy()
    await world.loop.keeper.tick()
    (index,) = await world.household()
    people = await world.household(count)
    case_id, result_id = await world.searching(index)
    search = await world.search_of(case_id)
    for start in range(0, count, 500):
        hits = [world.hit(person, search.day) for person in people[start : start + 500]]
        await world.found(search, hits, part=start // 500 + 1, parts=-(-count // 500))
    return case_id, result_id, people


async def state(world: Any) -> tuple[int, int, int]:
    """Restrictions, log entries that are theirs, people on today's list."""
    row = await world.pool.fetchrow(
        "SELECT (SELECT count(*) FROM restrictions) AS a, (SELECT count(DISTINCT leaf_index) FROM restrictions) AS b,"
        " (SELECT count(*) FROM day_set_entries WHERE active AND day = $1) AS c",
        world.clock.now().date(),
    )
    return row["a"], row["b"], row["c"]


async def test_several_imposers_at_once_restrict_everybody_once(world, monkeypatch) -> None:
    monkeypatch.setattr(imposing, "CHUNK", 20)
    case_id, result_id, people = await with_contacts(world, 150)
    await world.approve(case_id, result_id, "approver-2")
    counts = await asyncio.gather(*(world.loop.imposer.run_due() for _ in range(4)))
    while await world.loop.imposer.run_due():
        pass
    assert sum(counts) <= 151
    assert await state(world) == (151, 151, 151)
    assert await world.listed(people[77]) == 2
    index = await world.index()
    assert index.status(world.clock.now().date()).complete


@pytest.mark.parametrize("step", ["insert", "mark_restricted", "take_contacts"])
async def test_a_chunk_that_dies_anywhere_leaves_nothing_and_is_done_again(world, monkeypatch, step: str) -> None:
    case_id, result_id, people = await with_contacts(world, 60)
    await world.approve(case_id, result_id, "approver-2")
    real = getattr(imposing.store, step)
    calls = 0

    async def dying(conn: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await real(conn, *arguments)
        if calls == 2:
            await world.pool.execute("SELECT pg_terminate_backend($1, 5000)", conn.get_server_pid())
            await conn.fetchval("SELECT 1")
        return answer

    monkeypatch.setattr(imposing.store, step, dying)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await world.loop.imposer.run_due()
    assert await state(world) == (50, 50, 50)
    monkeypatch.setattr(imposing.store, step, real)
    assert await world.loop.imposer.run_due() == 11
    assert await state(world) == (61, 61, 61)
    assert [await world.listed(person) for person in people] == [2] * 60


@pytest.mark.slow
async def test_two_thousand_contacts_take_few_transactions(world, monkeypatch) -> None:
    """A bound on the work and not on the time: five chunks, a small first one, and a query count that does not grow."""
    sizes: list[int] = []
    real = imposing.impose

    async def counted(conn: Any, sealer: Any, issuer: Any, drill_id: str, grounds: Any, now: Any) -> None:
        sizes.append(len(grounds))
        await real(conn, sealer, issuer, drill_id, grounds, now)

    monkeypatch.setattr(imposing, "impose", counted)
    case_id, result_id, people = await with_contacts(world, 2000)
    await world.approve(case_id, result_id, "approver-2")
    assert await world.loop.imposer.run_due() == 2001
    assert sizes == [50, 500, 500, 500, 451]
    assert await state(world) == (2001, 2001, 2001)
    assert await world.listed(people[-1]) == 2


async def test_lists_flushed_while_people_are_restricted_wait_for_nobody_in_a_circle(world, monkeypatch) -> None:
    """Decisions and flushes take the same locks from two sides; a wrong order shows here as a deadlock."""
    monkeypatch.setattr(imposing, "CHUNK", 10)
    case_id, result_id, people = await with_contacts(world, 120)
    await world.approve(case_id, result_id, "approver-2")
    today = world.clock.now().date()
    done = asyncio.Event()

    async def flushing(offset: int) -> None:
        while not done.is_set():
            async with world.pool.acquire() as conn, conn.transaction():
                await store.queue(conn, [today + timedelta(days=offset)], "", people[::3], world.clock.now())
            async with world.pool.acquire() as conn, conn.transaction():
                await world.loop.issuer.flush(conn, today + timedelta(days=offset), "")
            await asyncio.sleep(0)

    flushes = [asyncio.create_task(flushing(offset)) for offset in (1, 2)]
    try:
        while await world.loop.imposer.run_due():
            pass
    finally:
        done.set()
        await asyncio.gather(*flushes)
    assert await state(world) == (121, 121, 121)
    async with world.pool.acquire() as conn, conn.transaction():
        await world.loop.issuer.flush(conn, today + timedelta(days=1), "")
    assert await world.listed(people[1], days=1) == 2


@pytest.mark.feature("X6")
async def test_the_loop_clock_runs_from_the_wake_until_everybody_is_restricted(world, monkeypatch) -> None:
    case_id, result_id, _ = await with_contacts(world, 30)
    imposer = world.loop.imposer
    before = REGISTRY.get_sample_value("lilitong_loop_impose_seconds_count")
    assert REGISTRY.get_sample_value("lilitong_loop_waiting_seconds") == 0
    imposer.wake()
    monkeypatch.setattr(imposer, "_woken", imposer._woken - 7)
    assert REGISTRY.get_sample_value("lilitong_loop_waiting_seconds") >= 7
    await world.approve(case_id, result_id, "approver-2")
    turns = asyncio.Event()

    async def once(*_: Any) -> None:
        turns.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(imposing, "rest", once)
    working = asyncio.create_task(imposer.run())
    await turns.wait()
    working.cancel()
    assert (await state(world))[0] == 31
    assert REGISTRY.get_sample_value("lilitong_loop_waiting_seconds") == 0
    assert REGISTRY.get_sample_value("lilitong_loop_impose_seconds_count") == before + 1
    assert REGISTRY.get_sample_value("lilitong_loop_impose_seconds_sum") >= 7


@pytest.mark.feature("X6")
async def test_what_comes_in_during_a_turn_is_timed_by_the_next_one_and_waits_until_then(world, monkeypatch) -> None:
    imposer, waits, done = world.loop.imposer, [], asyncio.Event()
    before = REGISTRY.get_sample_value("lilitong_loop_impose_seconds_count")

    async def run_due() -> int:
        waits.append(REGISTRY.get_sample_value("lilitong_loop_waiting_seconds"))
        if len(waits) == 1:
            imposer.wake()  # the next approval, while this one is worked on
            raise OSError("the database went away")
        if len(waits) == 4:
            done.set()
        return 1

    monkeypatch.setattr(imposer, "run_due", run_due)
    imposer.wake()
    with pytest.raises(OSError, match="went away"):
        await imposer.run()
    working = asyncio.create_task(imposer.run())
    await done.wait()
    working.cancel()
    assert [waited > 0 for waited in waits] == [True, True, True, False]
    assert REGISTRY.get_sample_value("lilitong_loop_impose_seconds_count") == before + 2
