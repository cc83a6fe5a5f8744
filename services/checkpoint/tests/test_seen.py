"""Which scanners have fallen silent, counted alike by every replica and without a name."""

from datetime import timedelta

import pytest
from chassis import pool as pools
from checkpoint.sync import store
from checkpoint.sync.seen import Seen
from prometheus_client import REGISTRY

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


@pytest.fixture
async def pool(own_world):
    pool = await pools.create(own_world.settings.database_url, application_name="test", max_size=2)
    yield pool
    await pools.close(pool)


def counted() -> dict[str, float]:
    return {
        age: REGISTRY.get_sample_value("lilitong_devices", {"synced_within": age})
        for age in ("2m", "1h", "12h", "older", "never")
    }


async def test_devices_are_counted_by_the_time_since_they_followed_the_list(own_world, pool):
    world = own_world
    devices = [(await world.scanner()).device_id for _ in range(6)]
    now = world.clock.now()
    for device, ago in zip(devices, (2, 30, 300, 3000, None, 1), strict=True):
        if ago is not None:
            await world.sql.execute("INSERT INTO device_syncs VALUES ($1, $2)", device, now - timedelta(minutes=ago))
    await world.sql.execute("UPDATE devices SET revoked = true WHERE device_id = $1", devices[5])
    await Seen(pool, world.clock, set).note()
    assert counted() == {"2m": 1, "1h": 1, "12h": 1, "older": 1, "never": 1}


async def test_counting_many_devices_fetches_one_row_for_each_age_and_no_device(own_world, pool):
    now = own_world.clock.now()
    await own_world.scanner()
    await own_world.sql.execute(
        """
        INSERT INTO devices (device_id, post, public_key, label, enrolled_at)
        SELECT md5(n::text)::uuid, post, int4send(n), 'gate', enrolled_at FROM devices, generate_series(1, 20000) n;
        """
    )
    await own_world.sql.execute(
        "INSERT INTO device_syncs SELECT md5(n::text)::uuid, $1 FROM generate_series(1, 15000) n", now
    )
    await own_world.sql.execute("ANALYZE devices, device_syncs")
    await Seen(pool, own_world.clock, set).note()
    assert counted() == {"2m": 15000, "1h": 0, "12h": 0, "older": 0, "never": 5001}
    async with pool.acquire() as conn:
        assert len(await store.sync_counts(conn, [now])) == 2


async def test_who_follows_now_is_written_down_and_a_slow_clock_sets_nobody_back(own_world, pool):
    world = own_world
    scanner = await world.scanner()
    stream = scanner.sync()
    await stream.read()
    now = world.clock.now()
    await Seen(pool, world.clock, lambda: {scanner.device_id}).note()
    world.clock.set(now - timedelta(hours=1))
    await Seen(pool, world.clock, lambda: {scanner.device_id}).note()
    assert await world.sql.fetchval("SELECT synced_at FROM device_syncs") == now
    stream.cancel()


async def test_the_streams_name_the_devices_that_are_connected(own_world):
    world = own_world
    scanner = await world.scanner()
    stream = scanner.sync()
    await stream.read()
    # The service's own sweep writes it down, by its own list of streams; forget the start's turn and wait for the next.
    service = world.services[0][0]
    sweep = next(work.__self__ for name, work, _ in service._tasks if name == "sweep")
    for job in sweep._jobs:
        job.due = 0.0
    await world.until(lambda: world.sql.fetchval("SELECT count(*) FROM device_syncs"))
    assert await world.sql.fetchval("SELECT device_id FROM device_syncs") == scanner.device_id
    stream.cancel()
