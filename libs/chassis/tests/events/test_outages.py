"""Servers killed, wiped and frozen under load: nothing lost, nothing doubled, nothing out of order, nobody's hand needed."""

import asyncio
import os
import signal
from collections import defaultdict

import pytest
from chassis.events import Event
from chassis.events.dead_letters import resting
from google.protobuf.wrappers_pb2 import StringValue

pytestmark = [
    pytest.mark.connected,
    pytest.mark.slow,
    pytest.mark.usefixtures("debris"),
    # Clients whose server was killed drop their sockets instead of closing them; that is theirs to mend.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def nats_url(fresh_nats):
    return fresh_nats.url


async def test_the_bus_is_killed_five_times(load, fresh_nats, dice):
    for _ in range(5):
        await asyncio.sleep(dice.random() * 0.5)
        await asyncio.to_thread(fresh_nats.kill)
        await asyncio.sleep(0.2 + dice.random())
        await asyncio.to_thread(fresh_nats.start)
        await load.back()
    await load.done()


async def test_the_bus_loses_everything_three_times(load, fresh_nats, dice):
    for _ in range(3):
        await asyncio.sleep(dice.random() * 0.5)
        await asyncio.to_thread(fresh_nats.kill)
        fresh_nats.wipe()
        await asyncio.sleep(0.2)  # the kernel frees the port a moment after the process has gone
        await asyncio.to_thread(fresh_nats.start)
        await load.back()
    await load.done()


async def test_the_bus_is_frozen(load, fresh_nats):
    os.kill(fresh_nats.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(20)
    finally:
        os.kill(fresh_nats.pid, signal.SIGCONT)
    await load.back()
    await load.done()


async def test_every_database_connection_is_cut_ten_times(load, dice):
    """Also in the middle of transactions, and between a commit and its answer."""
    for _ in range(10):
        await asyncio.sleep(dice.random() * 0.3)
        await load.stage.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await load.back()
    await load.done()


async def test_relay_and_consumer_are_thrown_away_at_random(load, dice):
    for _ in range(10):
        for task in load.stage.tasks:
            task.cancel()
        await asyncio.gather(*load.stage.tasks, return_exceptions=True)
        load.stage.tasks.clear()
        load.relay = load.stage.relay()
        load.stage.consumer(load.handle)
        await load.back()
        await asyncio.sleep(dice.random() * 0.3)
    await load.done()


async def test_one_percent_poison_among_ten_thousand(stage, until, dice):
    """All poison is kept, all else takes effect in order; nothing waits for a poison of another aggregate."""
    stage.relay()

    async def handler(connection, event) -> None:
        text = event.parse(StringValue).value
        if text.startswith("bad"):
            raise ValueError(text)
        await connection.execute("INSERT INTO effects (aggregate, text) VALUES ($1, $2)", event.aggregate, text)

    stage.consumer(handler, max_attempts=2, backoff=(0.05,))
    events = []
    for number in range(10_000):
        bad = dice.random() < 0.01
        events.append(stage.event(f"{'bad' if bad else 'good'} {number}", aggregate=f"a{number % 97}"))
    for start in range(0, len(events), 500):
        await stage.publish(*events[start : start + 500])

    def texts(kind: str) -> list[tuple[str, str]]:
        return [
            (e.aggregate, t) for e in events for t in [StringValue.FromString(e.payload).value] if t.startswith(kind)
        ]

    good, bad = texts("good"), texts("bad")
    await until(lambda: stage.pool.fetchval("SELECT count(*) = $1 FROM effects", len(good)), timeout=120)
    await until(lambda: stage.pool.fetchval("SELECT count(*) = $1 FROM dead_letters", len(bad)), timeout=30)
    found, wanted = defaultdict(list), defaultdict(list)
    for row in await stage.pool.fetch("SELECT aggregate, text FROM effects ORDER BY number"):
        found[row["aggregate"]].append(row["text"])
    for aggregate, text in good:
        wanted[aggregate].append(text)
    assert found == wanted
    letters = await resting(stage.pool, "reader", limit=10_000)
    assert sorted(StringValue.FromString(letter.event.payload).value for letter in letters) == sorted(t for _, t in bad)


async def test_five_thousand_events_three_times_each_late_and_shuffled(stage, until, dice):
    stage.relay()
    await until(lambda: stage.pool.fetchval("SELECT count(*) FROM outbox_streams"))

    async def handler(connection, event) -> None:
        await connection.execute("INSERT INTO effects (text) VALUES ($1)", event.parse(StringValue).value)

    stage.consumer(handler)
    events: list[Event] = [stage.event(str(number), aggregate=f"a{number % 50}") for number in range(5000)] * 3
    dice.shuffle(events)
    jetstream = stage.bus.jetstream
    for start in range(0, len(events), 100):
        await asyncio.gather(
            *(
                jetstream.publish(
                    event.subject, event.payload, headers=event.headers() | {"Nats-Msg-Id": f"{start}-{number}"}
                )
                for number, event in enumerate(events[start : start + 100])
            )
        )
    await until(lambda: stage.pool.fetchval("SELECT count(*) >= 5000 FROM effects"), timeout=120)
    await until(lambda: stage.tasks and _nothing_pending(stage), timeout=60)
    assert await stage.pool.fetchval("SELECT array_agg(text::int ORDER BY text::int) FROM effects") == list(range(5000))


async def _nothing_pending(stage) -> bool:
    info = await stage.bus.jetstream.consumer_info(stage.spec.name, "reader")
    return info.num_pending == 0 and info.num_ack_pending == 0
