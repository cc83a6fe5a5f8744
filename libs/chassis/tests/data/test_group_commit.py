import asyncio

import asyncpg
import pytest
from chassis.group_commit import GroupCommit, Linger

pytestmark = pytest.mark.connected


@pytest.fixture
async def numbers(database, pool):
    owner = await asyncpg.connect(database.owner_url("chassis"))
    await owner.execute("CREATE TABLE numbers (n int CONSTRAINT numbers_n_check CHECK (n >= 0))")
    await owner.execute("GRANT SELECT, INSERT ON numbers TO chassis")
    await owner.close()
    return pool


class Writer:
    def __init__(self):
        self.batches = []

    async def __call__(self, connection, items):
        self.batches.append(len(items))
        await connection.execute("INSERT INTO numbers SELECT unnest($1::int[])", list(items))
        return [item * 10 for item in items]


async def stored(pool):
    return sorted(row["n"] for row in await pool.fetch("SELECT n FROM numbers"))


async def test_concurrent_writes_share_few_transactions_and_get_their_own_answers(numbers):
    writer = Writer()
    commit = GroupCommit(numbers, writer, connections=2, max_batch=100)
    answers = await asyncio.gather(*(commit.submit(n) for n in range(500)))
    assert [n * 10 for n in range(500)] == answers
    assert list(range(500)) == await stored(numbers)
    assert len(writer.batches) < 20


async def test_a_data_error_reaches_its_culprit_alone(numbers):
    commit = GroupCommit(numbers, Writer())
    answers = await asyncio.gather(*(commit.submit(-1 if n == 37 else n) for n in range(100)), return_exceptions=True)
    assert isinstance(answers[37], asyncpg.CheckViolationError)
    assert [n for n in range(100) if n != 37] == await stored(numbers)
    assert all(not isinstance(answer, Exception) for n, answer in enumerate(answers) if n != 37)


async def test_a_cancelled_caller_leaves_the_others_alone(numbers):
    commit = GroupCommit(numbers, Writer())
    futures = [commit.submit(n) for n in range(10)]
    futures[3].cancel()
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert [n * 10 for n in range(10) if n != 3] == [a for a in answers if isinstance(a, int)]
    assert 3 not in await stored(numbers)


async def test_a_broken_connection_is_told_to_every_caller_of_its_batch_and_nothing_is_stored(numbers):
    async def write(connection, items):
        await connection.execute("INSERT INTO numbers SELECT unnest($1::int[])", list(items))
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return list(items)

    commit = GroupCommit(numbers, write)
    answers = await asyncio.gather(*(commit.submit(n) for n in range(5)), return_exceptions=True)
    assert all(isinstance(answer, Exception) for answer in answers)
    assert await stored(numbers) == []


async def test_draining_waits_for_what_is_under_way(numbers):
    commit = GroupCommit(numbers, Writer())
    future = commit.submit(1)
    await commit.drain()
    assert future.done()
    assert future.result() == 10


async def test_a_value_that_the_driver_refuses_reaches_its_culprit_alone(numbers):
    commit = GroupCommit(numbers, Writer())
    answers = await asyncio.gather(*(commit.submit(2**40 if n == 5 else n) for n in range(20)), return_exceptions=True)
    assert isinstance(answers[5], asyncpg.DataError)
    assert [n for n in range(20) if n != 5] == await stored(numbers)


async def test_one_caller_after_another_is_served_over_a_single_connection(numbers):
    """A caller that submits at the very moment the flusher ends is not forgotten."""
    commit = GroupCommit(numbers, Writer(), connections=1)
    assert [n * 10 for n in range(20)] == [await asyncio.wait_for(commit.submit(n), 5) for n in range(20)]


async def test_a_writer_that_answers_too_few_commits_nothing_and_fails_its_callers(numbers):
    async def write(connection, items):
        await connection.execute("INSERT INTO numbers SELECT unnest($1::int[])", list(items))
        return []

    commit = GroupCommit(numbers, write)
    answers = await asyncio.wait_for(asyncio.gather(*map(commit.submit, range(3)), return_exceptions=True), 5)
    assert all(isinstance(answer, RuntimeError) for answer in answers)
    assert await stored(numbers) == []


async def test_a_deferred_constraint_that_fails_at_the_commit_reaches_its_culprit_alone(database, numbers):
    owner = await asyncpg.connect(database.owner_url("chassis"))
    await owner.execute("ALTER TABLE numbers ADD CONSTRAINT numbers_n_key UNIQUE (n) DEFERRABLE INITIALLY DEFERRED")
    await owner.execute("INSERT INTO numbers VALUES (7)")
    await owner.close()
    commit = GroupCommit(numbers, Writer())
    answers = await asyncio.gather(*map(commit.submit, range(10)), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if isinstance(answer, asyncpg.UniqueViolationError)] == [7]
    assert list(range(10)) == await stored(numbers)


async def test_a_cancelled_flush_cancels_its_callers_and_the_next_write_is_served(numbers):
    started = asyncio.Event()

    async def write(connection, items):
        if 0 in items:
            started.set()
            await asyncio.sleep(60)
        return list(items)

    commit = GroupCommit(numbers, write, connections=1)
    stuck = commit.submit(0)
    await started.wait()
    next(iter(commit._flushers)).cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    assert await asyncio.wait_for(commit.submit(1), 5) == 1


async def test_under_load_a_batch_waits_for_more(numbers):
    writer = Writer()
    commit = GroupCommit(numbers, writer, linger=Linger(seconds=0.5, crowd=8))
    first = [commit.submit(n) for n in range(20)]
    await asyncio.sleep(0.05)
    assert writer.batches == []
    answers = await asyncio.gather(*first, *map(commit.submit, range(20, 40)))
    assert [n * 10 for n in range(40)] == answers
    assert writer.batches == [40]


async def test_a_lone_write_waits_for_nobody(numbers):
    commit = GroupCommit(numbers, Writer(), linger=Linger(seconds=30))
    assert [n * 10 for n in range(7)] == [await asyncio.wait_for(commit.submit(n), 5) for n in range(7)]


async def test_a_batch_that_is_large_enough_waits_no_longer(numbers):
    writer = Writer()
    commit = GroupCommit(numbers, writer, linger=Linger(seconds=30, crowd=8, enough=40))
    first = [commit.submit(n) for n in range(20)]
    await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.gather(*first, *map(commit.submit, range(20, 40))), 5)
    assert writer.batches == [40]


async def test_draining_waits_for_a_batch_that_still_grows(numbers):
    commit = GroupCommit(numbers, Writer(), linger=Linger(seconds=0.3, crowd=8))
    futures = [commit.submit(n) for n in range(20)]
    await asyncio.sleep(0.05)
    await asyncio.wait_for(commit.drain(), 5)
    assert all(future.done() for future in futures)


async def test_a_flush_cancelled_while_its_batch_grows_leaves_the_next_write_served(numbers):
    commit = GroupCommit(numbers, Writer(), linger=Linger(seconds=0.5, crowd=8))
    waiting = [commit.submit(n) for n in range(20)]
    await asyncio.sleep(0.05)
    next(iter(commit._flushers)).cancel()
    await asyncio.sleep(0)
    answers = await asyncio.wait_for(asyncio.gather(*waiting, commit.submit(20)), 5)
    assert [n * 10 for n in range(21)] == answers


@pytest.mark.parametrize(("pause", "crowded"), [(0.5, True), (1.5, True), (2.5, False)])
async def test_a_crowd_is_one_for_a_moment_only(pause, crowded):
    linger = Linger(seconds=1.0, crowd=8)
    for _ in range(8):
        linger.arrived(100.0)
    assert linger.crowded(100.0 + pause) is crowded
