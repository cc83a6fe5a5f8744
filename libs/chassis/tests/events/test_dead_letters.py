"""The command with which an operator looks at dead letters and puts them back."""

import asyncio
import json
import sys

import asyncpg
import pytest
from chassis.events import PoisonError, inbox
from chassis.events.dead_letters import resting
from google.protobuf.wrappers_pb2 import StringValue

pytestmark = pytest.mark.connected


async def command(url: str, *options: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chassis.events.dead_letters", "--database-url", url, "--consumer", "reader", *options,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_the_command_lists_puts_back_one_and_puts_back_all(stage, until, database):
    url = database.url("chassis")
    healed, effects = False, []

    async def handler(_connection, event):
        if not healed:
            raise PoisonError("not yet")
        return lambda: effects.append(event.parse(StringValue).value)

    stage.relay()
    stage.consumer(handler)
    await stage.publish(*(stage.event(name, aggregate=name) for name in ["one", "two", "three"]))
    await until(lambda: stage.pool.fetchval("SELECT count(*) = 3 FROM dead_letters"))
    letters = await resting(stage.pool, "reader")
    status, listing = await command(url)
    assert status == 0
    assert [line.split()[0] for line in listing.splitlines()] == [str(letter.event.event_id) for letter in letters]
    assert all(line.endswith("not yet") for line in listing.splitlines())
    healed = True
    assert await command(url, "--event-id", str(letters[0].event.event_id)) == (0, "1 put back\n")
    await until(lambda: len(effects) == 1)
    assert effects == [letters[0].event.parse(StringValue).value]
    assert await command(url, "--all") == (0, "2 put back\n")
    await until(lambda: len(effects) == 3)
    assert await command(url, "--event-id", str(letters[0].event.event_id)) == (1, "0 put back\n")
    assert sorted(effects) == ["one", "three", "two"]


async def test_resting_letters_are_counted_without_their_rows(pool, database):
    """Ten thousand letters with payloads of a kilobyte: the index tells, in a few pages, and no row is read."""
    owner = await asyncpg.connect(database.superuser_url())
    try:
        await owner.execute("SET search_path = chassis")
        await owner.execute("SELECT ensure_day_partitions('dead_letters', '2022-03-10', '2022-03-11')")
        await owner.execute(
            """
            INSERT INTO dead_letters
            SELECT '2022-03-10', 'reader' || n % 3, gen_random_uuid(), 's', 't', 'a', '', decode(repeat(md5(n::text), 62), 'hex'), 'r', 8,
                   n % 9 = 0
            FROM generate_series(1, 9999) n
            """
        )
        await owner.execute("VACUUM (ANALYZE) dead_letters")
        counted = await inbox.resting(pool)
        assert counted == {"reader0": 2222, "reader1": 3333, "reader2": 3333}
        plan = await explained(owner)
        await owner.execute("DROP INDEX dead_letters_resting_idx")
        without = await explained(owner)
    finally:
        await owner.close()
    print(
        f"{pages(plan)} pages in {plan['Actual Total Time']} ms, {pages(without)} in {without['Actual Total Time']} without"
    )
    [read] = [part for part in parts(plan) if part.get("Relation Name") == "dead_letters_20220310"]
    assert read["Node Type"] == "Index Only Scan"
    assert read["Heap Fetches"] == 0
    assert pages(plan) * 20 < pages(without)


async def explained(connection):
    [row] = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {inbox.RESTING}")
    return json.loads(row[0])[0]["Plan"]


def pages(plan):
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def parts(plan):
    """The plan and everything below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from parts(below)
