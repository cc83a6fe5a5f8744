"""A bell that every replica hears, and that nobody misses for good."""

import asyncio

import pytest
from chassis.events import Broadcast, connect

pytestmark = pytest.mark.connected


async def test_every_listener_hears_a_ring_and_one_failing_silences_nobody(stage, until):
    heard = []

    def failing(payload: bytes) -> None:
        raise RuntimeError

    async def collect(payload: bytes) -> None:
        heard.append(payload)

    bells = [Broadcast(stage.bus, f"{stage.prefix}.bell") for _ in range(3)]
    for bell, callback in zip(bells, [heard.append, collect, failing], strict=True):
        bell.listen(callback)
    await until(lambda: heard == [b"", b""])  # each connection begins with a ring, for those that were missed
    for number in range(2):
        await bells[0].ring(b"%d" % number)
    await until(lambda: len(heard) == 6)
    assert sorted(heard) == [b"", b"", b"0", b"0", b"1", b"1"]
    for bell in bells:
        await bell.close()


async def test_listeners_survive_a_restart_of_the_bus(fresh_nats, until):
    bus = connect(fresh_nats.url, "test")
    bell, heard = Broadcast(bus, "bell"), []
    bell.listen(heard.append)
    await until(lambda: heard == [b""])
    await asyncio.to_thread(fresh_nats.stop)
    await until(lambda: bus.degraded)
    await bell.ring(b"nobody hears this")
    await asyncio.to_thread(fresh_nats.start)
    await until(lambda: heard == [b"", b""])
    await bell.ring(b"again")
    await until(lambda: heard == [b"", b"", b"again"])
    await bell.close()
    await bus.close()


async def test_a_bus_that_comes_later_is_found(fresh_nats, until):
    fresh_nats.stop()
    bus = connect(fresh_nats.url, "test")
    await asyncio.sleep(0.3)
    assert bus.degraded
    await asyncio.to_thread(fresh_nats.start)
    await asyncio.wait_for(bus.ready(), 5)
    assert not bus.degraded
    await bus.close()
