"""What is exported tells a stuck flow from an idle one."""

import asyncio

import pytest
from chassis.events import inbox
from chassis.events.model import PoisonError
from prometheus_client import REGISTRY

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_hops_are_timed_from_the_wake_to_the_bus_and_from_the_bus_to_the_effect(stage, until):
    relay = stage.relay(poll_s=5.0)
    await until(lambda: not relay.degraded)
    before = sample("lilitong_relay_seconds_count")

    async def handle(connection, event):
        await asyncio.sleep(0.3)

    stage.consumer(handle, durable="timed")
    await stage.publish(stage.event("one"))
    relay.wake()
    await until(lambda: sample("lilitong_event_delay_seconds_count", durable="timed") == 1)
    assert sample("lilitong_relay_seconds_count") == before + 1
    assert sample("lilitong_event_delay_seconds_sum", durable="timed") >= 0.3
    assert sample("lilitong_database_up") == 1


async def test_a_consumer_that_settles_nothing_is_stalled_and_one_without_work_is_not(stage, until):
    async def refuse(connection, event):
        raise ValueError

    stage.relay()
    stage.consumer(refuse, durable="stuck", backoff=(30.0,))
    await until(lambda: sample("lilitong_consumer_pending", durable="stuck") == 0)
    assert sample("lilitong_consumer_stalled_seconds", durable="stuck") == 0
    await stage.publish(stage.event("one"))
    await until(lambda: sample("lilitong_consumer_stalled_seconds", durable="stuck") > 1.5)


async def test_dead_letters_are_counted_while_they_rest(stage, until, monkeypatch):
    monkeypatch.setattr("chassis.events.relay.BACKLOG_S", 0.1)
    poisoned = True

    async def handle(connection, event):
        if poisoned:
            raise PoisonError("no good")

    stage.relay()
    stage.consumer(handle, durable="letters")
    await stage.publish(stage.event("one"), stage.event("two"))
    await until(lambda: sample("lilitong_dead_letters_resting", durable="letters") == 2)
    poisoned = False
    await inbox.requeue(stage.pool, "letters", None)
    await until(lambda: sample("lilitong_dead_letters_resting", durable="letters") == 0)


async def test_a_store_that_does_not_answer_is_told_even_while_nothing_is_to_be_sent(stage, until, monkeypatch):
    stage.relay()
    await until(lambda: sample("lilitong_database_up") == 1)

    async def away(_):
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr("chassis.events.outbox.waiting", away)
        await until(lambda: sample("lilitong_database_up") == 0)
    await until(lambda: sample("lilitong_database_up") == 1)
