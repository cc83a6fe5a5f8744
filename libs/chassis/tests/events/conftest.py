"""A stage for tests of events: one stream, one database, and whatever runs on them."""

import asyncio
import contextlib
import gc
import inspect
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from chassis import pool as pools
from chassis.clock import ManualClock
from chassis.events import Bus, Consumer, Durable, Event, Relay, StreamSpec, Subscription, connect, publish
from chassis.events.dead_letters import resting
from chassis.events.durables import ACK_WAIT_S
from google.protobuf.wrappers_pb2 import StringValue
from nats.js.errors import NotFoundError

AGGREGATES = 10
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
BACK_S = 5.0
TODAY = date(2022, 3, 10)  # where the `clock` fixture stands
CHASSIS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Stage:
    """One stream of its own on the bus, events for it, and tasks that end with the test."""

    pool: asyncpg.Pool
    bus: Bus
    clock: ManualClock
    spec: StreamSpec
    prefix: str
    tasks: list[asyncio.Task] = field(default_factory=list)

    def event(self, text: str, *, aggregate: str = "a", day: date = TODAY, kind: str = "happened") -> Event:
        return Event.of(StringValue(value=text), subject=f"{self.prefix}.{kind}", aggregate=aggregate, day=day)

    async def publish(self, *events: Event) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await publish(connection, events)

    def relay(self, **options) -> Relay:
        relay = Relay(self.pool, self.bus, [self.spec], **options)
        self.start(relay.run())
        return relay

    def consumer(self, handler, *, durable: str = "reader", pool: asyncpg.Pool | None = None, **options) -> Consumer:
        filters = options.pop("filter_subjects", (f"{self.prefix}.>",))
        reads = Durable(self.spec.name, durable, filters, options.pop("ack_wait_s", ACK_WAIT_S))
        subscription = Subscription("test", reads, handler, **options)
        consumer = Consumer(pool or self.pool, self.bus, subscription, self.clock)
        consumer.task = self.start(consumer.run())
        return consumer

    def start(self, run) -> asyncio.Task:
        task = asyncio.create_task(run)
        self.tasks.append(task)
        return task

    async def stored(self) -> list[tuple[str, str]]:
        """What the stream holds: (aggregate, text), in the stream's order."""
        jetstream = self.bus.jetstream
        try:
            last = (await jetstream.stream_info(self.spec.name)).state.last_seq
        except NotFoundError:
            return []
        found = []
        for sequence in range(1, last + 1):
            message = await jetstream.get_msg(self.spec.name, seq=sequence)
            found.append((message.headers["ce-partitionkey"], StringValue.FromString(message.data).value))
        return found

    async def unpublished(self) -> int:
        return await self.pool.fetchval("SELECT count(*) FROM outbox WHERE NOT published")


async def until(condition, timeout: float = 15.0) -> None:  # noqa: ASYNC109  # the tests' own clock watcher
    """Wait for a condition, plain or async; the time-out makes the test fail."""
    async with asyncio.timeout(timeout):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)


class Load:
    """Writers and a consumer at work; `done` waits until all that was committed has its effect, and compares."""

    def __init__(self, stage: Stage, dice: random.Random) -> None:
        self.stage, self.dice = stage, dice
        self.stop = asyncio.Event()
        self.relay = stage.relay()

    async def begin(self) -> None:
        self.consumer = self.stage.consumer(self.handle)
        self.writers = [asyncio.create_task(self.write(f"a{number}")) for number in range(AGGREGATES)]
        await until(self.progress(20))

    async def handle(self, connection, event) -> None:
        await connection.execute(
            "INSERT INTO effects (aggregate, text) VALUES ($1, $2)", event.aggregate, event.parse(StringValue).value
        )

    async def write(self, aggregate: str) -> None:
        number = 0
        while not self.stop.is_set():
            try:
                await self.stage.publish(self.stage.event(str(number), aggregate=aggregate))
            except AWAY:
                await asyncio.sleep(0.1)  # perhaps committed, perhaps not: the outbox table will tell
            number += 1
            self.relay.wake()
            await asyncio.sleep(self.dice.random() * 0.02)

    def progress(self, number: int):
        """A condition: `number` more effects than now."""
        start = None

        async def reached() -> bool:
            nonlocal start
            try:
                count = await self.stage.pool.fetchval("SELECT count(*) FROM effects")
            except AWAY:
                return False
            start = count if start is None else start
            return count >= start + number

        return reached

    async def all_marked(self) -> bool:
        return await self.stage.unpublished() == 0

    async def back(self) -> None:
        """Effects flow again within five seconds."""
        begun = time.monotonic()
        await until(self.progress(20), timeout=BACK_S)
        print(f"back after {time.monotonic() - begun:.2f} s")

    async def done(self) -> None:
        self.stop.set()
        await asyncio.gather(*self.writers)
        total = await self.stage.pool.fetchval("SELECT count(*) FROM outbox")
        await until(lambda: self.stage.pool.fetchval("SELECT count(*) >= $1 FROM effects", total), timeout=30)
        await until(self.all_marked)  # what was sent and not marked when a connection was cut is sent again
        print(f"{total} events")
        outbox = await self.stage.pool.fetch("SELECT aggregate, payload FROM outbox ORDER BY seq")
        effects = await self.stage.pool.fetch("SELECT aggregate, text FROM effects ORDER BY number")
        committed, found = defaultdict(list), defaultdict(list)
        for row in outbox:
            committed[row["aggregate"]].append(StringValue.FromString(row["payload"]).value)
        for row in effects:
            found[row["aggregate"]].append(row["text"])
        assert found == committed
        assert await resting(self.stage.pool, "reader") == []


@pytest.fixture(name="until")
def until_fixture():
    return until


@pytest.fixture
def dice():
    """Seeded randomness whose seed is printed, so that a failure can be played again."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def debris():
    """Collects what the bus's client left behind when its server was killed, while the test's own warning filter still applies."""
    yield
    gc.collect()


@pytest.fixture
def nats_url(nats_server):
    return nats_server


@pytest.fixture
async def database(make_service_database):
    return await make_service_database(chassis=[CHASSIS / "migrations", Path(__file__).parent / "migrations"])


@pytest.fixture
async def pool(database):
    pool = await pools.create(database.url("chassis"), application_name="test", max_size=20)
    yield pool
    await pools.close(pool)


@pytest.fixture
async def stage(pool, nats_url, clock):
    bus = connect(nats_url, "test")
    prefix = f"t{uuid4().hex[:12]}"
    stage = Stage(pool, bus, clock, StreamSpec(prefix.upper(), (f"{prefix}.>",)), prefix)
    await bus.ready()
    yield stage
    for task in stage.tasks:
        task.cancel()
    await asyncio.gather(*stage.tasks, return_exceptions=True)
    with contextlib.suppress(Exception):
        await bus.jetstream.delete_stream(stage.spec.name)
    await bus.close()


@pytest.fixture
async def load(stage, dice):
    load = Load(stage, dice)
    await load.begin()
    yield load
    load.stop.set()
    await asyncio.gather(*load.writers)
