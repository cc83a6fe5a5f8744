"""The service as a process: started beside a database that is not there yet, killed, and commanded from outside."""

import asyncio
import base64
import contextlib
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from chassis import migrate, urls
from chassis.errors import DomainError, Kind
from chassis.rpc.channel import connect
from chassis.run import Service
from devstack import processes
from devstack.readiness import wait_ready
from devstack.tokens import AUDIENCE, ISSUER, Minter
from lilitong.quarantine.v1 import register_pb2, register_pb2_grpc
from quarantine.app import wire
from quarantine.keys.__main__ import arguments, run
from quarantine.register.model import check_character
from quarantine.schema import migration_dirs
from quarantine.settings import QuarantineSettings

ROOT = Path(__file__).parents[4]


def settings(database_url: str, folder: Path, **changed: Any) -> QuarantineSettings:
    minter = Minter(folder / "tokens")
    values = {
        "listen": "127.0.0.1:0",
        "jwks": str(minter.jwks),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "database_url": database_url,
        "nats_url": "nats://127.0.0.1:9",
        "event_trace_key": base64.b64encode(bytes(32)).decode(),
        "vault": folder / "vault",
        "drain_seconds": 2,
    }
    return QuarantineSettings(**(values | changed))


@pytest.mark.connected
@pytest.mark.feature("Q2")
async def test_the_operators_commands_list_rotate_and_revoke(running, capsys):
    async def command(*words: str) -> tuple[int, str]:
        code = await run(running.settings, arguments().parse_args(words), running.clock)
        return code, capsys.readouterr().out

    def kid_of(use: str, listing: str) -> str:
        return next(line.split()[0] for line in listing.splitlines() if line.split()[1] == use)

    _, before = await command("list")
    assert [line.split()[1] for line in before.splitlines()] == ["drill_pass", "log", "pass", "sealing", "people-kek"]
    code, said = await command("rotate", "pass")
    assert (code, "signs from now on" in said) == (0, True)
    old = kid_of("pass", before)
    assert (await command("revoke", old))[0] == 0
    assert (await command("revoke", old))[0] == 1
    _, after = await command("list")
    assert [line.split()[-1] for line in after.splitlines() if line.startswith(old)] == ["revoked"]
    assert len(after.splitlines()) == 6  # the revoked key was not the one that signs, so none was made for it


async def test_a_database_that_never_comes_ends_the_start_with_a_failure(tmp_path):
    port = processes.free_port()
    away = settings(f"postgresql://quarantine:x@127.0.0.1:{port}/lilitong", tmp_path, start_seconds=0.2)
    assert await asyncio.wait_for(Service("quarantine").serve(wire(away)), 10) == 1


async def _migrated(admin_url: str) -> str:
    await migrate.prepare(admin_url, "lilitong", {"quarantine": "test"})
    url = urls.with_database(admin_url, "lilitong")
    owner = urls.with_user(url, "quarantine_owner", "test")
    await asyncio.to_thread(migrate.migrate, owner, "quarantine", migration_dirs(ROOT))
    return urls.with_user(url, "quarantine", "test")


@pytest.mark.slow
@pytest.mark.feature("X11")
async def test_it_waits_for_its_database_and_tells_when_it_is_away(fresh_postgres, tmp_path):
    url = await _migrated(fresh_postgres.admin_url)
    fresh_postgres.kill()
    service = Service("quarantine", drain_seconds=2)
    life = asyncio.create_task(service.serve(wire(settings(url, tmp_path))))
    await asyncio.sleep(1.0)
    assert not service.ports
    assert not life.done()
    try:
        for _ in range(2):
            await asyncio.to_thread(fresh_postgres.start)
            assert await _becomes(service, ready=True)
            fresh_postgres.kill()
            assert await _becomes(service, ready=False)
        await asyncio.to_thread(fresh_postgres.start)
        assert await _becomes(service, ready=True)
    finally:
        service.stop()
        assert await life == 0


async def _becomes(service: Service, *, ready: bool) -> bool:
    for _ in range(300):
        if service.ready is ready and service.ports:
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.feature("Q1")
async def test_killed_at_any_moment_what_was_acknowledged_is_there_and_a_repeat_completes_the_rest(
    fresh_postgres, tmp_path
):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    url = await _migrated(fresh_postgres.admin_url)
    minter = Minter(tmp_path / "tokens")
    port = processes.free_port()
    known = settings(url, tmp_path, listen=f"127.0.0.1:{port}").model_dump(exclude_none=True)
    known["event_trace_key"] = base64.b64encode(bytes(32)).decode()
    env = os.environ | {f"QUARANTINE_{name.upper()}": str(value) for name, value in known.items()}
    batches = [[_household(batch * 40 + place) for place in range(40)] for batch in range(40)]
    acknowledged: set[int] = set()
    channel = connect(f"127.0.0.1:{port}", name="test", timeout=10)
    register = register_pb2_grpc.RegisterServiceStub(channel)
    token = [("authorization", f"Bearer {minter.person('registrar-1', ['registrar'])}")]

    async def send(place: int) -> None:
        request = register_pb2.BatchRegisterHouseholdsRequest(requests=batches[place])
        answer = await register.BatchRegisterHouseholds(request, metadata=token)
        assert not any(result.HasField("error") for result in answer.results)
        acknowledged.add(place)

    async def insist(place: int) -> None:
        for _ in range(100):
            with contextlib.suppress(DomainError):  # the channel may still believe that nobody is there
                return await send(place)
            await asyncio.sleep(0.1)
        raise AssertionError("not answered in 10 s")

    async def start() -> int:
        started = processes.spawn([sys.executable, "-m", "quarantine"], log=log, env=env, cwd=tmp_path)
        await wait_ready("quarantine", port, started, log, 30)
        return started

    log = tmp_path / "quarantine.log"
    pid = 0
    try:
        for turn in range(5):
            pid = await start()
            await insist(8 * turn)
            sending = asyncio.gather(*(send(8 * turn + place) for place in range(1, 8)), return_exceptions=True)
            await asyncio.sleep(chance.uniform(0.0, 0.2))
            os.kill(pid, signal.SIGKILL)
            outcomes = [one for one in await sending if one is not None]
            assert all(isinstance(one, DomainError) and one.kind is Kind.UNAVAILABLE for one in outcomes)
            processes.end(pid)
        print("acknowledged before the end", sorted(acknowledged))
        pid = await start()
        await asyncio.gather(*(insist(place) for place in range(40)))
    finally:
        await channel.close()
        processes.end(pid)
    assert await _rows(url) == {"households": 1600, "registrations": 1600, "residents": 1600}


async def _rows(url: str) -> dict[str, int]:
    conn = await asyncpg.connect(url)
    try:
        tables = ("households", "registrations", "residents")
        return {table: await conn.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    finally:
        await conn.close()


def _household(number: int) -> register_pb2.RegisterHouseholdRequest:
    body = f"1411021950{number // 1000 + 1:02d}01{number % 1000:03d}"
    resident = register_pb2.Resident(resident_id=str(uuid4()), name="演示", id_number=body + check_character(body))
    return register_pb2.RegisterHouseholdRequest(
        request_id=str(uuid4()),
        household_id=str(uuid4()),
        area="141102001001",
        address="演示小区1号",
        residents=[resident],
        channel=register_pb2.REGISTRATION_CHANNEL_IMPORT,
    )
