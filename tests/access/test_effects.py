"""A refused call changes nothing, and the right caller is let in afterwards with the very same request."""

import os

import access_table
import asyncpg
import pytest
from access_matrix.callers import PURPOSE
from access_matrix.doors import LOOK_UPS, OK
from access_matrix.samples import request_for
from access_matrix.tables import at_rest
from access_matrix.world import HOME
from chassis.access import NOWHERE
from chassis.urls import with_database

pytestmark = [
    pytest.mark.connected,
    pytest.mark.feature("X2"),
    pytest.mark.asyncio(loop_scope="session"),
]


def refused_callers(callers, endpoint, world):
    """Who must not: nobody, the wrong role with every area, the right role elsewhere."""
    others = [role for role in access_table.ROLES if role not in endpoint.rule.roles]
    yield {}
    yield callers.person(others, ["1", "14"]) | PURPOSE
    yield callers.workload("gateway") | PURPOSE
    if endpoint.rule.area is not NOWHERE:
        for role in sorted(endpoint.rule.roles):
            yield callers.person(role, ["141102003", "110101"], subject=world.subject(role)) | PURPOSE


def right_caller(callers, endpoint, world):
    if endpoint.rule.devices:
        return callers.device(world.device_id, world.device_key)
    if not endpoint.rule.roles:
        return callers.workload(min(endpoint.rule.workloads))
    role = min(endpoint.rule.roles)
    return callers.person(role, [HOME], subject=world.subject(role)) | PURPOSE


@pytest.mark.parametrize("name", ["grpc", "rest"])
async def test_a_refused_call_leaves_nothing_behind(name, catalog, stack, doors, callers, maker):
    world = await maker.world()
    endpoints = [one for one in catalog.endpoints.values() if name == "grpc" or one.operation is not None]
    requests = {one.path: request_for(one.request, world, next(iter(sorted(one.rule.roles)), "")) for one in endpoints}
    admin_url = os.environ.get("DATABASE_URL") or stack.database.admin_url
    connection = await asyncpg.connect(with_database(admin_url, "lilitong"))
    try:
        before = await at_rest(connection)
        for one in endpoints:
            refused = [
                await doors[name].call(one, requests[one.path], headers)
                for headers in refused_callers(callers, one, world)
            ]
            hidden = {"not_found"} if one.path.endswith(LOOK_UPS) else set()
            assert {answer.kind for answer in refused} <= {"denied", "unauthenticated"} | hidden, one.path
        after = await at_rest(connection)
    finally:
        await connection.close()
    assert {table for table in before if before[table] != after.get(table)} == set()
    assert before.keys() == after.keys()
    for one in endpoints:
        answer = await doors[name].call(one, requests[one.path], right_caller(callers, one, world))
        assert answer.kind == OK, f"{one.path}: {answer}"
