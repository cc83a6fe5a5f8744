"""Postgres and the bus are lost: the record is restored, the bus begins empty, and the loop closes over what was before."""

import asyncio
import json
import os
import shutil
import time

import asyncpg
import pytest
from chassis import migrate, urls
from devstack import postgres, scene
from devstack.district import District
from devstack.gateclient import GateClient
from devstack.stack import DATABASE_LOGIN, STORES, Stack
from lilitong.checkpoint.v1 import scan_pb2
from ways import ByPods, ByProgram

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.feature("X11", "R10")]
DENY, ALLOW = scan_pb2.VERDICT_DENY, scan_pb2.VERDICT_ALLOW


def shown(district, phone):
    def show():
        now = district.now()
        return phone.show(now), now

    return show


async def restricted(stack, district, gate, phones):
    """Every phone is refused at the gate; seconds until the last was."""
    began = time.monotonic()
    async with GateClient(stack.address("checkpoint"), gate) as client:
        for phone in phones:
            assert (await client.scan_until(shown(district, phone), DENY)).verdict == DENY
    return time.monotonic() - began


@pytest.mark.parametrize("way", [ByProgram, ByPods])
async def test_a_restored_record_with_an_empty_bus_finds_whom_a_case_met_before_the_loss(state_dir, way, monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])
    folder, backup = state_dir / f"lost-{way.__name__}", way(state_dir / way.__name__)
    stack = await Stack.start(folder)
    district = District(stack)
    try:
        await district.start_policy()
        place, gate = await scene.venue(district), await scene.gate(district)
        first, second, *guests = await scene.people(district, 12)
        (stranger,) = await scene.people(district, 1)
        await scene.visit(district, place, [first, *guests[:5]])
        await scene.confirm(district, first)
        await restricted(stack, district, gate, [first, *guests[:5]])
        later = await scene.venue(district)
        await scene.visit(district, later, [second, *guests[5:]])
        vault = folder / "vault/quarantine"
        began = time.monotonic()
        await backup.save(stack.database, stack.database_name, vault)
        saving = time.monotonic() - began
    finally:
        await district.close()
        await stack.stop()

    # The catastrophe: the database and the bus are gone. What is left: the secrets, the backup, and of the vault what the way says.
    shutil.rmtree(folder / "postgres")
    shutil.rmtree(folder / "nats")
    began = time.monotonic()
    server = postgres.start(folder / "postgres")
    try:
        await migrate.prepare(
            server.admin_url, stack.database_name, dict.fromkeys(STORES, stack.secret(DATABASE_LOGIN))
        )
        await backup.restore(server, stack.database_name)
        await backup.lose(vault)
        restoring = time.monotonic() - began
    finally:
        await asyncio.to_thread(server.stop)
    stack = await Stack.start(folder)
    district = District(stack)
    try:
        ready = time.monotonic() - began
        # Who was restricted still is, nobody else is, and a case of now finds the visits of then.
        await restricted(stack, district, gate, [first, *guests[:5]])
        async with GateClient(stack.address("checkpoint"), gate) as client:
            assert (await client.scan(*shown(district, stranger)())).verdict == ALLOW
        await scene.confirm(district, second)
        loop = await restricted(stack, district, gate, [second, *guests[5:]])
        assert await dead_letters(stack) == 0
    finally:
        await district.close()
        await stack.stop()
    figures = {"way": way.__name__, "save_s": saving, "restore_s": restoring, "ready_s": ready, "loop_s": loop}
    print("R10", json.dumps({name: value if name == "way" else round(value, 2) for name, value in figures.items()}))


async def dead_letters(stack) -> int:
    url = urls.with_database(stack.database.admin_url, stack.database_name)
    connection = await asyncpg.connect(url)
    try:
        return sum([await connection.fetchval(f"SELECT count(*) FROM {schema}.dead_letters") for schema in STORES])
    finally:
        await connection.close()
