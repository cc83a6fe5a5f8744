"""An office that sends files through the gateway, and sees what became of them, of the services and of their memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil
from devstack.stack import Stack

MIB = 1024 * 1024
MOST_MEMORY = 300
WATCHED = ("gateway", "venue")
_PATIENCE_S = 120.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Upload:
    """What was answered to a file, and what the import said when it had ended (or could not begin: `job` as it was then)."""

    name: str
    drill_id: str
    status: int
    body: dict[str, Any]
    job: dict[str, Any]


@dataclass(slots=True)
class Office:
    """Each file goes into a drill of its own, so that each has a register to itself and its venues can be counted."""

    stack: Stack
    store: asyncpg.Connection
    client: httpx.AsyncClient
    processes: dict[str, psutil.Process]

    @classmethod
    def at(cls, stack: Stack, store: asyncpg.Connection) -> "Office":
        headers = {"Authorization": f"Bearer {stack.token('venue_officer')}"}
        client = httpx.AsyncClient(base_url=stack.gateway_url, headers=headers, timeout=60, trust_env=False)
        return cls(stack, store, client, {name: psutil.Process(stack.pid(name)) for name in stack.names()})

    async def close(self) -> None:
        await self.client.aclose()

    async def create(self, drill_id: str = "", area: str = "141102") -> str:
        import_id = str(uuid4())
        body = {"import_id": import_id, "area": area, "file_name": "场所.csv", "drill_id": drill_id}
        answer = await self.client.post("/v1/venue-imports", json=body, headers={"Idempotency-Key": str(uuid4())})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return import_id

    async def put(self, import_id: str, content: Any, **headers: str) -> httpx.Response:
        url = f"/v1/venue-imports/{import_id}/file"
        return await self.client.post(url, content=content, headers={"content-type": "text/csv"} | headers)

    async def look(self, import_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/venue-imports/{import_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        job: dict[str, Any] = answer.json()
        assert job["rows_read"] == job["created"] + job["unchanged"] + job["rejected"], job
        return job

    async def ended(self, import_id: str) -> dict[str, Any]:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                job = await self.look(import_id)
                if job["state"] in ("done", "failed"):
                    return job
                await asyncio.sleep(0.05)

    async def send(self, name: str, pieces: Iterator[bytes]) -> Upload:
        """A whole file, in chunks as they are made, to its end."""
        drill_id = f"file-{uuid4().hex}"
        import_id = await self.create(drill_id)
        answer = await self.put(import_id, _chunks(pieces))
        taken = answer.status_code == httpx.codes.ACCEPTED
        job = await (self.ended(import_id) if taken else self.look(import_id))
        return Upload(name, drill_id, answer.status_code, answer.json(), job)

    async def send_all(self, files: list[Any]) -> list[Upload]:
        """All of a group's files, some at once as offices do."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(file: Any) -> Upload:
            async with at_once:
                return await self.send(file.name, file.pieces())

        return list(await asyncio.gather(*(one(file) for file in files)))

    async def report(self, import_id: str) -> AsyncIterator[str]:
        """The lines of the report behind its titles, one in memory."""
        url, titles = f"/v1/venue-imports/{import_id}/report", True
        async with self.client.stream("GET", url, headers={"Accept": "text/csv"}) as answer:
            assert answer.status_code == httpx.codes.OK
            rest = ""
            async for text in answer.aiter_text():
                *lines, rest = (rest + text).split("\r\n")
                for line in lines:
                    if not titles:
                        yield line
                    titles = False
            assert not rest, "the report breaks off"

    async def venues(self, drill_ids: list[str]) -> list[asyncpg.Record]:
        """All that is stored of those drills' venues, a row for each; what of a row is missing is NULL or 0."""
        return list(
            await self.store.fetch(
                """
                SELECT v.drill_id, v.name, v.category, v.address, v.area, v.operators, p.owner, p.responsible_person, p.licence,
                       count(z.zone) AS zones, count(z.code) AS codes, min(z.name) AS zone, min(z.capacity) AS capacity
                FROM venue.venues v LEFT JOIN venue.venue_particulars p USING (venue_id) LEFT JOIN venue.zones z USING (venue_id)
                WHERE v.drill_id = ANY($1) GROUP BY v.venue_id, p.venue_id, p.ordinal
                """,
                drill_ids,
            )
        )

    async def unharmed(self) -> dict[str, int]:
        """The same processes as in the beginning, all ready; the peaks of memory in MiB."""
        for name, process in self.processes.items():
            assert process.is_running(), f"{name} is gone"
            assert self.stack.pid(name) == process.pid, f"{name} was started anew"
        for name in self.stack.children:
            await self.stack.ready(name, 10.0)
        peaks = {name: peak(process.pid) for name, process in self.processes.items() if name in WATCHED}
        print(f"peak memory in MiB: {peaks}")
        assert max(peaks.values()) < MOST_MEMORY
        return peaks


async def _chunks(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def peak(pid: int) -> int:
    """The most memory that the process ever held, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
