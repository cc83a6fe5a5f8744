"""Imports through the gateway's own sockets: a gigabyte that is no file, and a file whose service is killed again and again."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from devstack.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.feature("V1"), pytest.mark.timeout(240)]

AREA = "141102001001"
TITLES = "场所名称,场所类别,区划代码,详细地址,分区,容量\n"
ROWS, KILLS = 20_000, 4
MIB = 1024 * 1024
MOST_MEMORY = 300 * MIB


@pytest_asyncio.fixture(loop_scope="session", name="stack")
async def _stack(state_dir):
    stack = await Stack.start(state_dir / "imports")
    yield stack
    await stack.stop()


@pytest_asyncio.fixture(loop_scope="session", name="client")
async def _client(stack):
    headers = {"Authorization": f"Bearer {stack.token('venue_officer')}"}
    async with httpx.AsyncClient(base_url=stack.gateway_url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def peak(stack, service) -> int:
    """The most memory that the process ever held, in bytes."""
    status = Path(f"/proc/{stack.pid(service)}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def created(client) -> str:
    import_id = str(uuid4())
    body = {"import_id": import_id, "area": "141102", "file_name": "场所.csv"}
    answer = await client.post("/v1/venue-imports", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 201, answer.text
    return import_id


async def put(client, import_id, content) -> httpx.Response:
    return await client.post(
        f"/v1/venue-imports/{import_id}/file", content=content, headers={"Content-Type": "text/csv"}
    )


async def look(client, import_id):
    """None while the service is away."""
    with suppress(httpx.TransportError):
        answer = await client.get(f"/v1/venue-imports/{import_id}")
        if answer.status_code == 200:
            job = answer.json()
            assert job["rows_read"] == job["created"] + job["unchanged"] + job["rejected"]
            return job
    return None


async def until(client, import_id, enough):
    async with asyncio.timeout(120):
        while True:
            job = await look(client, import_id)
            if job is not None and enough(job):
                return job
            await asyncio.sleep(0.05)


async def pieces(piece: bytes, size: int):
    for _ in range(size // len(piece)):
        yield piece


@pytest.mark.parametrize("piece", [b"x", b"\x00", b'"', b"\n", b'"\n'])
@pytest.mark.case("bad input")
async def test_a_gigabyte_takes_nobody_down(stack, client, piece):
    import_id = await created(client)
    # The answer may come while we still send, and the connection ends then: both are an end.
    with suppress(httpx.TransportError):
        answer = await put(client, import_id, pieces(piece * (MIB // len(piece)), 1024 * MIB))
        assert answer.status_code == 413
    job = await until(client, import_id, lambda job: job is not None)
    assert job["state"] == "receiving"
    memory = {service: peak(stack, service) // MIB for service in ("gateway", "venue")}
    print(f"peak memory in MiB: {memory}")
    assert max(memory.values()) * MIB < MOST_MEMORY


@pytest.mark.case("crash")
async def test_an_import_survives_kill_9_of_its_service_and_loses_and_doubles_nothing(stack, client):
    rows = "".join(f"店铺{n}号,餐饮,{AREA},滨河路{n}号,大厅,80\n" for n in range(ROWS))
    bad = "".join(f"店铺{n}号,飞船,{AREA},滨河路{n}号,大厅,80\n" for n in range(500))
    content = (TITLES + rows + bad).encode("gb18030")
    import_id = await created(client)
    assert (await put(client, import_id, content)).status_code == 202
    chance = random.Random(1)
    for kill in range(1, KILLS + 1):
        job = await until(client, import_id, lambda job, kill=kill: job["rows_read"] >= kill * ROWS // (KILLS + 2))
        assert job["state"] == "running", "it is killed in the middle"
        await asyncio.sleep(chance.random() / 5)
        stack.kill("venue")
        await stack.restart("venue")
        await stack.ready("venue")
    job = await until(client, import_id, lambda job: job["state"] in ("done", "failed"))
    assert (job["state"], job["created"], job["rejected"]) == ("done", ROWS, 500)
    listed = (await client.get("/v1/venues", params={"area": AREA, "page_size": 1})).json()
    assert listed["total"] == ROWS
    report = await client.get(f"/v1/venue-imports/{import_id}/report", headers={"Accept": "text/csv"})
    assert len(report.content.decode("utf-8-sig").splitlines()) == 501
