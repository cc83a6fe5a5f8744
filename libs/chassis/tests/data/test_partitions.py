from datetime import date

import asyncpg
import pytest
from chassis import partitions
from chassis import pool as pools

pytestmark = [pytest.mark.connected, pytest.mark.feature("X5")]


async def test_the_login_role_makes_and_drops_days_it_does_not_own(make_service_database, clock):
    database = await make_service_database("chassis")
    pool = await pools.create(database.url("chassis"), application_name="test")
    await partitions.maintain(pool, clock)
    async with pool.acquire() as connection:
        again = await partitions.ensure(connection, date(2022, 3, 1), date(2022, 3, 10))
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await connection.execute("SELECT ensure_day_partitions('requests', '2022-03-01', '2022-03-02')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE outbox_20220310")
        assert again == 0
        assert await partitions.drop(connection, date(2022, 3, 1)) > 0
        assert await connection.fetchval("SELECT to_regclass('outbox_20220228')") is None
    await pools.close(pool)
