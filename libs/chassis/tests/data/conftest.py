import pytest
from chassis import pool as pools


@pytest.fixture
async def database(make_service_database):
    return await make_service_database("chassis")


@pytest.fixture
async def pool(database):
    pool = await pools.create(database.url("chassis"), application_name="test")
    yield pool
    await pools.close(pool)
