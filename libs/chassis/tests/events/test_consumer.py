"""In from the bus: one effect per event, order per aggregate, poison that delays nobody."""

import asyncio
from collections import defaultdict
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from chassis.events import PoisonError, outbox
from chassis.events.consumer import LEASE
from chassis.events.dead_letters import replay, resting
from chassis.events.inbox import hold_lease
from google.protobuf.wrappers_pb2 import StringValue

pytestmark = pytest.mark.connected

SOON = (0.02, 0.05)


@pytest.fixture
async def effects(pool):
    async def read() -> dict[str, list[str]]:
        found = defaultdict(list)
        for row in await pool.fetch("SELECT aggregate, text FROM effects ORDER BY number"):
            found[row["aggregate"]].append(row["text"])
        return found

    return read


def text_of(event) -> str:
    return event.parse(StringValue).value


async def record(connection, event) -> None:
    await connection.execute("INSERT INTO effects (aggregate, text) VALUES ($1, $2)", event.aggregate, text_of(event))


def refusing(texts: set[str], error: Exception):
    async def handler(connection, event) -> None:
        await record(connection, event)
        if text_of(event) in texts:
            raise error

    return handler


async def count(effects) -> int:
    return sum(map(len, (await effects()).values()))


def reaches(effects, number: int):
    async def reached() -> bool:
        return await count(effects) >= number

    return reached


async def test_events_take_effect_in_order_and_the_consumer_says_when_it_is_caught_up(stage, effects, until):
    stage.relay()
    consumer = stage.consumer(record)
    await stage.publish(*(stage.event(str(number), aggregate=f"a{number % 7}") for number in range(300)))
    await until(reaches(effects, 300))
    assert await effects() == {f"a{rest}": [str(n) for n in range(300) if n % 7 == rest] for rest in range(7)}
    await until(lambda: consumer.caught_up)
    assert consumer.has_caught_up
    assert consumer.progressed_at == stage.clock.now()
    assert await consumer.lag() == 0


async def test_an_event_takes_effect_soon_after_its_commit(stage, effects, until):
    relay = stage.relay()
    consumer = stage.consumer(record)
    await until(lambda: consumer.caught_up)
    times = []
    for number in range(20):
        begun = asyncio.get_running_loop().time()
        await stage.publish(stage.event(str(number)))
        relay.wake()
        await until(reaches(effects, number + 1))
        times.append(asyncio.get_running_loop().time() - begun)
    print(f"commit to effect: median {sorted(times)[10] * 1000:.1f} ms")
    assert sorted(times)[10] < 0.5  # far below any poll of the consuming side


async def test_every_event_delivered_three_times_late_and_out_of_order_has_one_effect(stage, effects, until, dice):
    """As a faulty publisher would: other message ids each time, so that the server recognises nothing."""
    stage.relay()
    events = [stage.event(str(number), aggregate=f"a{number % 10}") for number in range(300)]
    await until(lambda: stage.pool.fetchval("SELECT count(*) FROM outbox_streams"))
    deliveries = events * 3
    dice.shuffle(deliveries)
    consumer = stage.consumer(record)
    for event in deliveries:
        await stage.bus.jetstream.publish(
            event.subject, event.payload, headers=event.headers() | {"Nats-Msg-Id": uuid4().hex}
        )
    await until(lambda: consumer.caught_up, timeout=30)
    found = await effects()
    assert sorted(int(text) for texts in found.values() for text in texts) == list(range(300))


async def test_poison_is_kept_with_payload_and_reason_and_disturbs_nobody(stage, effects, until):
    stage.relay()
    told = []
    await stage.bus.client.subscribe("lilitong.dead.test.reader", cb=_collect(told))
    stage.consumer(refusing({"bad"}, ValueError("text with a secret")), max_attempts=3, backoff=SOON)
    await stage.publish(stage.event("bad"), stage.event("next"), stage.event("other", aggregate="b"))
    await until(lambda: _rests(stage, 1))
    await until(reaches(effects, 2))
    assert await effects() == {"a": ["next"], "b": ["other"]}
    [letter] = await resting(stage.pool, "reader")
    assert (text_of(letter.event), letter.attempts) == ("bad", 3)
    assert letter.reason.startswith("ValueError in refusing")
    assert "secret" not in letter.reason
    await until(lambda: told)
    assert told[0].headers["lilitong-reason"] == letter.reason
    assert told[0].data == letter.event.payload


def _collect(found: list):
    async def collect(message) -> None:
        found.append(message)

    return collect


async def _rests(stage, number: int) -> bool:
    return len(await resting(stage.pool, "reader")) == number


async def test_a_refused_event_holds_back_its_own_aggregate_only(stage, effects, until):
    stage.relay()
    stage.consumer(refusing({"bad"}, ValueError()), max_attempts=2, backoff=(1.0,), window=16)
    events = [stage.event(f"after {number}") for number in range(40)]  # more than the window
    await stage.publish(stage.event("bad"), *events, *(stage.event(str(n), aggregate="b") for n in range(60)))
    await until(reaches(effects, 60), timeout=0.9)
    assert set(await effects()) == {"b"}
    await until(reaches(effects, 100))
    assert (await effects())["a"] == [f"after {number}" for number in range(40)]


async def test_what_does_not_decode_is_a_dead_letter_at_once(stage, effects, until):
    stage.relay()
    stage.consumer(record, backoff=(60,))
    broken = stage.event("x")
    broken = type(broken)(broken.event_id, broken.type, broken.subject, "a", broken.day, b"\xff\xff")
    await stage.publish(broken, stage.event("good"))
    await until(reaches(effects, 1))
    [letter] = await resting(stage.pool, "reader")
    assert (letter.reason, letter.attempts) == ("body: not a google.protobuf.StringValue", 1)
    assert letter.event.payload == b"\xff\xff"


async def test_a_delivery_without_an_envelope_is_a_dead_letter_too(stage, effects, until):
    stage.relay()
    await until(lambda: stage.pool.fetchval("SELECT count(*) FROM outbox_streams"))
    stage.consumer(record)
    await stage.bus.jetstream.publish(f"{stage.prefix}.foreign", b"who am I")
    await until(lambda: _rests(stage, 1))
    [letter] = await resting(stage.pool, "reader")
    assert letter.event.payload == b"who am I"
    assert letter.reason == "envelope: header ce-id is missing"


async def test_replay_has_one_effect_however_often_it_is_asked_for(stage, effects, until):
    stage.relay()
    refused = {"bad", "worse"}
    stage.consumer(refusing(refused, PoisonError("not yet")))
    await stage.publish(stage.event("bad"), stage.event("worse"))
    await until(lambda: _rests(stage, 2))
    refused.remove("bad")
    bad, worse = sorted(await resting(stage.pool, "reader"), key=lambda letter: text_of(letter.event))
    assert await replay(stage.pool, "reader", [bad.event.event_id]) == 1
    assert await replay(stage.pool, "reader", [bad.event.event_id]) == 0
    await until(reaches(effects, 1))
    assert await replay(stage.pool, "reader") == 1  # the other one, which fails again
    await until(lambda: _attempted(stage, worse.event.event_id))
    assert await effects() == {"a": ["bad"]}
    assert [letter.event.event_id for letter in await resting(stage.pool, "reader")] == [worse.event.event_id]


async def _attempted(stage, event_id) -> bool:
    return await stage.pool.fetchval("SELECT NOT requeued FROM dead_letters WHERE event_id = $1", event_id)


async def test_an_outage_is_never_counted(stage, effects, until):
    stage.relay()
    away = [DomainError(Kind.UNAVAILABLE, "SERVICE_AWAY", "later"), ConnectionResetError(), TimeoutError()]

    async def handler(connection, event) -> None:
        await record(connection, event)
        if away:
            raise away.pop()

    stage.consumer(handler, max_attempts=1)
    await stage.publish(stage.event("patient"))
    await until(reaches(effects, 1))
    assert await effects() == {"a": ["patient"]}
    assert await resting(stage.pool, "reader") == []
    assert await stage.pool.fetchval("SELECT count(*) FROM consumer_attempts") == 0


async def test_attempts_survive_a_restart(stage, effects, until):
    stage.relay()
    attempts = 0

    async def handler(_connection, _event) -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError

    stage.consumer(handler, max_attempts=3, backoff=(0.01, 60))
    await stage.publish(stage.event("bad"))
    await until(lambda: attempts == 2)
    await until(lambda: stage.pool.fetchval("SELECT attempts = 2 FROM consumer_attempts"))
    await _stop(stage.tasks[-1])
    stage.consumer(handler, max_attempts=3, backoff=(60,))
    await until(lambda: _rests(stage, 1))
    assert attempts == 3
    assert await stage.pool.fetchval("SELECT count(*) FROM consumer_attempts") == 0


async def _stop(task: asyncio.Task) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_after_commit_runs_after_the_commit_and_its_failure_changes_nothing(stage, effects, until):
    stage.relay()
    seen = []

    async def handler(connection, event):
        await record(connection, event)

        async def after() -> None:
            seen.append(await count(effects))
            raise RuntimeError("lost")

        return after

    stage.consumer(handler)
    await stage.publish(stage.event("one"), stage.event("two"))
    await until(lambda: len(seen) == 2)
    assert seen == [1, 2]
    assert await effects() == {"a": ["one", "two"]}


async def test_of_two_replicas_one_handles_and_the_other_takes_over_in_order(stage, effects, until):
    stage.relay()
    names = []

    def named(name):
        async def handler(connection, event) -> None:
            await record(connection, event)
            names.append(name)

        return handler

    stage.consumer(named("first"))
    first = stage.tasks[-1]
    await until(lambda: stage.pool.fetchval("SELECT count(*) FROM consumer_leases"))
    stage.consumer(named("second"))
    await stage.publish(*(stage.event(str(number)) for number in range(100)))
    await until(reaches(effects, 30))
    await _stop(first)
    await stage.publish(*(stage.event(str(number)) for number in range(100, 150)))
    await until(reaches(effects, 150))
    assert await effects() == {"a": [str(number) for number in range(150)]}
    assert names == sorted(names)
    assert set(names) == {"first", "second"}


async def test_who_lost_the_lease_handles_nothing_more(stage, effects, until):
    """A process that was frozen past its lease wakes up with messages in hand."""
    stage.relay()
    consumer = stage.consumer(record)
    await until(lambda: consumer.caught_up)
    other = uuid4()
    await stage.pool.execute(
        "UPDATE consumer_leases SET holder = $1, until = clock_timestamp() + interval '2 seconds'", other
    )
    await stage.publish(stage.event("for the other"))
    await asyncio.sleep(1)
    assert await count(effects) == 0
    await until(reaches(effects, 1))  # the other is never heard of again, and the lease comes back
    assert not await hold_lease(stage.pool, "reader", other, LEASE)


async def test_a_consumer_that_waits_for_its_stream_reads_it_from_the_beginning(stage, effects, until):
    stage.consumer(record)
    await stage.publish(stage.event("before any stream"))
    await asyncio.sleep(0.7)
    stage.relay()
    await until(reaches(effects, 1))


async def test_a_wider_filter_reads_what_it_had_left_out_and_repeats_nothing(stage, effects, until):
    stage.relay()
    first = stage.consumer(record, filter_subjects=(f"{stage.prefix}.one",))
    await stage.publish(stage.event("1", kind="one"), stage.event("2", kind="two"), stage.event("3", kind="one"))
    await until(reaches(effects, 2))
    await until(lambda: first.caught_up)
    await _stop(stage.tasks[-1])
    stage.consumer(record, filter_subjects=(f"{stage.prefix}.one", f"{stage.prefix}.two"))
    await until(reaches(effects, 3))
    assert await effects() == {"a": ["1", "3", "2"]}


async def test_an_event_about_a_day_past_retention_is_dropped(stage, effects, until):
    stage.relay()
    await until(lambda: stage.pool.fetchval("SELECT count(*) FROM outbox_streams"))
    late = stage.event("too late", day=stage.clock.now().date().replace(year=2021))
    await stage.bus.jetstream.publish(late.subject, late.payload, headers=late.headers())
    consumer = stage.consumer(record)
    await stage.publish(stage.event("today"))
    await until(reaches(effects, 1))
    await until(lambda: consumer.caught_up)
    assert await effects() == {"a": ["today"]}
    assert await resting(stage.pool, "reader") == []


async def test_a_deleted_stream_is_rebuilt_without_a_second_effect(stage, effects, until):
    stage.relay()
    stage.consumer(record)
    await stage.publish(*(stage.event(str(number)) for number in range(50)))
    await until(reaches(effects, 50))
    await stage.bus.jetstream.delete_stream(stage.spec.name)
    await stage.publish(stage.event("50"))
    await until(reaches(effects, 51))
    assert await effects() == {"a": [str(number) for number in range(51)]}


async def test_a_handler_may_publish_in_the_transaction_of_its_effect(stage, effects, until):
    relay = stage.relay()

    async def handler(connection, event):
        await record(connection, event)
        if text_of(event) == "cause":
            await outbox.publish(connection, [stage.event("effect")])
        return relay.wake

    stage.consumer(handler)
    await stage.publish(stage.event("cause"))
    await until(reaches(effects, 2))
    assert await effects() == {"a": ["cause", "effect"]}
