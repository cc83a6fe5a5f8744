"""Out of the outbox: nothing skipped, nothing out of order, nothing that was not committed."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace

import pytest
from chassis.events import Relay, connect, outbox
from chassis.events.dead_letters import replay, resting
from google.protobuf.wrappers_pb2 import StringValue
from nats.js.api import DiscardPolicy

pytestmark = pytest.mark.connected


async def write(stage, dice, writers: int, each: int, aggregates: int) -> dict[str, list[str]]:
    """Concurrent writers that commit after random delays, some of which roll back; returns what was committed, per aggregate.

    As services do, a writer holds its aggregate (here a lock in memory) until its transaction has ended.
    """
    locks = defaultdict(asyncio.Lock)
    committed = defaultdict(list)
    gate = asyncio.Semaphore(16)

    async def writer(name: int) -> None:
        number = 0
        while number < each:
            aggregate = f"a{dice.randrange(aggregates)}"
            texts = [f"{name}-{number + offset}" for offset in range(min(dice.randrange(1, 6), each - number))]
            async with locks[aggregate], gate, stage.pool.acquire() as connection:
                with suppress(ZeroDivisionError):
                    async with connection.transaction():
                        await outbox.publish(connection, [stage.event(text, aggregate=aggregate) for text in texts])
                        await asyncio.sleep(dice.random() * 0.01)
                        if dice.random() < 0.1:
                            raise ZeroDivisionError
                    committed[aggregate].extend(texts)
                    number += len(texts)

    await asyncio.gather(*(writer(name) for name in range(writers)))
    return committed


async def per_aggregate(stage) -> dict[str, list[str]]:
    found = defaultdict(list)
    for aggregate, text in await stage.stored():
        found[aggregate].append(text)
    return found


async def test_late_commits_are_not_skipped_and_aggregates_keep_their_order_with_two_relays(stage, until, dice):
    stage.relay()
    stage.relay()
    committed = await write(stage, dice, writers=32, each=62, aggregates=40)
    await until(_drained(stage))
    assert await per_aggregate(stage) == committed


@pytest.mark.slow
async def test_fifty_thousand_events_of_32_writers(stage, until, dice):
    stage.relay()
    stage.relay()
    committed = await write(stage, dice, writers=32, each=1563, aggregates=500)
    await until(_drained(stage), timeout=120)
    assert sum(map(len, committed.values())) == 32 * 1563
    assert await per_aggregate(stage) == committed


def _drained(stage):
    async def drained() -> bool:
        return await stage.unpublished() == 0

    return drained


async def test_one_aggregates_events_of_one_transaction_arrive_in_the_order_written(stage, until):
    stage.relay(batch=7)
    await stage.publish(*(stage.event(str(number)) for number in range(50)))
    await until(_drained(stage))
    assert await stage.stored() == [("a", str(number)) for number in range(50)]


async def test_what_is_not_committed_is_not_published(stage, until):
    stage.relay()
    async with stage.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await outbox.publish(connection, [stage.event("early number, late commit")])
        await stage.publish(stage.event("late number, early commit", aggregate="b"))
        await until(lambda: _is_stored(stage, "late number, early commit"))
        await asyncio.sleep(0.25)
        assert await stage.stored() == [("b", "late number, early commit")]
        await transaction.commit()
    await until(lambda: _is_stored(stage, "early number, late commit"))


async def _is_stored(stage, text: str) -> bool:
    return text in [found for _, found in await stage.stored()]


async def test_a_wake_publishes_without_waiting_for_the_poll(stage, until):
    relay = stage.relay(poll_s=60)
    await until(lambda: not relay.degraded)
    await asyncio.sleep(0.05)
    await stage.publish(stage.event("now"))
    relay.wake()
    await until(lambda: _is_stored(stage, "now"), timeout=1)


async def test_a_message_too_large_for_the_bus_becomes_a_dead_letter_and_stops_nobody(stage, until):
    stage.relay()
    too_large = "x" * (stage.bus.client.max_payload + 1)
    await stage.publish(stage.event("before"), stage.event(too_large), stage.event("after"))
    await until(_drained(stage))
    assert await stage.stored() == [("a", "before"), ("a", "after")]
    [letter] = await resting(stage.pool, outbox.UNDELIVERABLE)
    assert letter.reason == "larger than the server's max_payload"
    assert StringValue.FromString(letter.event.payload).value == too_large


async def test_what_the_bus_does_not_acknowledge_stays_due_and_keeps_its_order(stage, until):
    """A stream that is full for a while refuses: nothing is given up, and nothing overtakes what was refused."""
    relay = stage.relay()
    await until(lambda: not relay.degraded)
    jetstream, usual = stage.bus.jetstream, stage.spec.config()
    await jetstream.update_stream(replace(usual, discard=DiscardPolicy.NEW, max_msgs=1))
    await stage.publish(*(stage.event(text) for text in ("one", "two", "three")))
    await until(lambda: _is_stored(stage, "one"))
    await asyncio.sleep(0.3)
    assert await stage.unpublished() == 2
    await jetstream.update_stream(usual)
    await until(_drained(stage))
    assert await stage.stored() == [("a", "one"), ("a", "two"), ("a", "three")]


async def test_headers_count_against_the_limit_too(stage, until):
    """The server closes the connection of whoever sends more than it takes, headers included."""
    stage.relay()
    generation = stage.bus.generation
    await stage.publish(stage.event("x" * (stage.bus.client.max_payload - 20)))
    await until(_drained(stage))
    assert len(await resting(stage.pool, outbox.UNDELIVERABLE)) == 1
    assert stage.bus.generation == generation


async def test_a_subject_without_a_stream_is_undeliverable_until_it_is_replayed_with_one(stage, until):
    relay = Relay(stage.pool, stage.bus, [])
    task = stage.start(relay.run())
    await stage.publish(stage.event("nowhere"))
    await until(_drained(stage))
    assert [letter.attempts for letter in await resting(stage.pool, outbox.UNDELIVERABLE)] == [1]
    task.cancel()
    stage.relay()
    assert await replay(stage.pool, outbox.UNDELIVERABLE) == 1
    await until(lambda: _is_stored(stage, "nowhere"))
    assert await resting(stage.pool, outbox.UNDELIVERABLE) == []


async def test_a_deleted_stream_is_made_again_and_filled_in_order(stage, until, dice):
    stage.relay()
    committed = await write(stage, dice, writers=8, each=40, aggregates=10)
    await until(_drained(stage))
    await stage.bus.jetstream.delete_stream(stage.spec.name)
    await stage.publish(stage.event("after the loss", aggregate="a0"))
    await until(lambda: _is_stored(stage, "after the loss"))
    committed["a0"].append("after the loss")
    assert await per_aggregate(stage) == committed


async def test_a_stream_that_lost_its_tail_is_filled_again(stage, until):
    """As after a power failure of the bus: the stream is the old one, and shorter than what it had acknowledged."""
    stage.relay()
    await stage.publish(stage.event("one"), stage.event("two"))
    await until(_drained(stage))
    await stage.pool.execute("UPDATE outbox_streams SET last_seq = 5")
    await until(lambda: stage.pool.fetchval("SELECT last_seq = 2 FROM outbox_streams"))
    await until(_drained(stage))
    # The server remembers the ids of the last two minutes, so the repeats were recognised.
    assert await stage.stored() == [("a", "one"), ("a", "two")]


async def test_a_rebuild_leaves_out_what_is_older_than_the_retention(stage, until):
    stage.relay()
    await stage.publish(stage.event("old"), stage.event("new"))
    await until(_drained(stage))
    await stage.pool.execute("UPDATE outbox SET queued_at = queued_at - interval '80 hours' WHERE seq = 1")
    await stage.bus.jetstream.delete_stream(stage.spec.name)
    await until(lambda: _exists(stage))
    await until(lambda: _is_stored(stage, "new"))
    assert await stage.stored() == [("a", "new")]


async def _exists(stage) -> bool:
    with suppress(Exception):
        return bool(await stage.bus.jetstream.stream_info(stage.spec.name))
    return False


async def test_rows_of_one_transaction_share_no_time(stage):
    await stage.publish(*(stage.event(str(number)) for number in range(20)))
    assert await stage.pool.fetchval("SELECT count(DISTINCT queued_at) FROM outbox") == 20


async def test_a_relay_starts_without_a_bus_and_says_that_it_is_degraded(stage, until, pool):
    bus = connect("nats://127.0.0.1:1", "nobody-there")
    relay = Relay(pool, bus, [stage.spec])
    stage.start(relay.run())
    await stage.publish(stage.event("kept"))
    await asyncio.sleep(0.1)
    assert bus.degraded
    assert relay.degraded
    assert await stage.unpublished() == 1
    stage.relay()
    await until(_drained(stage))
    await bus.close()
