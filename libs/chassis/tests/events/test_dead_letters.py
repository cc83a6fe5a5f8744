"""The command with which an operator looks at dead letters and puts them back."""

import asyncio
import sys

import pytest
from chassis.events import PoisonError
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
