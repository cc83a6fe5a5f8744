"""V-IMPORT: a district's 50,000 venues as one file through the gateway, beside a bare insert of as many rows.

The import is the real one: uploaded over REST, read, checked and signed by the venue service, announced as events. The bar
writes as many venues with their owners and zones by the service's own statements into its own tables, whose triggers count
them there too, from a process that laid everything out before.
"""

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid5

import asyncpg
import httpx
from devstack.stack import Stack
from venue.register import store
from venue.register.imports.job import ROWS_AT_ONCE
from venue.register.model import NewVenue, NewZone, Particulars, Zone

from bench.cpu import Meter, Used
from bench.figure import AtMost, Measured
from bench.run import Bench

ID: Final = "V-IMPORT"
ROWS: Final = 50_000
DISTRICT: Final = "141102"
GOAL_S: Final = 60
PATIENCE_S: Final = 300
POLL_S: Final = 0.1
PIECE: Final = 64 * 1024
TITLES: Final = (
    "场所名称", "场所类别", "区划代码", "详细地址", "分区", "容量", "经营者", "负责人", "统一社会信用代码", "账号"
)  # fmt: skip
# What the search has taken by then it ends itself.
_PUT_OFF: Final = """
    DELETE FROM duplicate_queue WHERE seq IN (SELECT seq FROM duplicate_queue FOR UPDATE SKIP LOCKED)
"""
_IDS: Final = UUID("0d0c1b16-9a55-5f0c-8f53-0f9b1d6f6a10")


@dataclass(frozen=True, slots=True)
class Pair:
    """One run: seconds of the import and of the bare insert, and what the import cost."""

    seconds: float
    bare: float
    used: Used


class WrongImportError(Exception):
    """The file was not taken in as it must be; such a run is no figure."""


def cells(run: int, number: int) -> tuple[str, ...]:
    """A row: 20 sub-districts with 6 communities each, 13 categories, no venue of a former run."""
    area = f"{DISTRICT}{1 + number % 20:03}{1 + number // 20 % 6:03}"
    name, street = f"第{run}批店铺{number}号", f"滨河路{run}区{number}号"
    licence = f"9114{run:04}{number:010}"
    category = str(1 + number % 13)
    return (
        name,
        category,
        area,
        street,
        "大厅",
        "80",
        f"经营{number}",
        f"负责{number}",
        licence,
        f"shop-{run}-{number}",
    )


def file(run: int, rows: int) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([TITLES, *(cells(run, number) for number in range(rows))])
    return out.getvalue().encode("gb18030")


def rows_of(run: int, count: int) -> list[NewVenue]:
    """The same venues as the register takes them, of another drill: what is once in the register is not new."""
    found = []
    for number in range(count):
        name, category, area, street, zone, capacity, owner, responsible, licence, account = cells(run, number)
        venue_id = uuid5(_IDS, f"{run}-{number}")
        found.append(
            NewVenue(
                request_id=venue_id,
                venue_id=venue_id,
                name=name,
                category=int(category),
                area=area,
                address=street,
                zones=(NewZone(zone, int(capacity)),),
                operators=(account,),
                drill_id=f"bare-{run}",
                digest=sha256(name.encode()).digest(),
                particulars=Particulars(owner, responsible, licence),
            )
        )
    return found


async def measure(bench: Bench) -> list[Measured]:
    rows = max(1_000, int(ROWS * min(1.0, bench.scale * 10)))
    stack = await Stack.start(bench.folder / "import", progress=bench.say)
    try:
        if stack.database is None:
            raise RuntimeError("the bench brings its own Postgres")
        owner = await asyncpg.connect(stack.database_url(stack.database.admin_url, "venue_owner"))
        service = await asyncpg.connect(stack.database_url(stack.database.admin_url, "venue"))
        headers = {"Authorization": f"Bearer {stack.token('venue_officer')}"}
        client = httpx.AsyncClient(base_url=stack.gateway_url, headers=headers, timeout=120, trust_env=False)
        try:
            pairs = []
            for run in range(1, bench.runs + 1):
                pairs.append(await _pair(stack, client, owner, service, run, rows))
                bench.say(f"{ID}: {rows:,} rows in {pairs[-1].seconds:.1f} s, bare {pairs[-1].bare:.1f} s")
            return figures(pairs, rows)
        finally:
            await client.aclose()
            await owner.close()
            await service.close()
    finally:
        await stack.stop()


def figures(pairs: Sequence[Pair], rows: int) -> list[Measured]:
    middle = sorted(pairs, key=lambda pair: pair.seconds)[len(pairs) // 2].used
    cpu = ", ".join(
        f"{name} {spent:.1f} s" for name, spent in sorted(middle.cpu.items(), key=lambda each: -each[1])[:3]
    )
    note = f"{rows:,} rows, first byte sent → done; {middle.saturated}; CPU: {cpu}"
    return [
        Measured(
            ID,
            "a file of venues through the gateway",
            "s",
            [each.seconds for each in pairs],
            AtMost(GOAL_S),
            note,
        ),
        Measured(ID, "… rows a second", "rows/s", [rows / each.seconds for each in pairs]),
        Measured(
            ID,
            "… ÷ bare insert of the rows",
            "ratio",
            [each.bare / each.seconds for each in pairs],
            note=f"{ROWS_AT_ONCE} venues a transaction, same tables and triggers; no reading, no signatures, no events",
        ),
    ]


async def _pair(
    stack: Stack, client: httpx.AsyncClient, owner: asyncpg.Connection, service: asyncpg.Connection, run: int, rows: int
) -> Pair:
    """Both sides, in turn first. The search for duplicates goes on beside the import; what is left of it is put off."""
    found = {}
    for side in ("import", "bare") if run % 2 else ("bare", "import"):
        if side == "bare":
            venues = rows_of(run, rows)
            began = time.perf_counter()
            await _insert(service, venues)
            found[side] = time.perf_counter() - began
        else:
            content = file(run, rows)
            meter = Meter({name: stack.pid(name) for name in stack.names()})
            began = time.perf_counter()
            await _import(client, content, rows)
            found[side] = time.perf_counter() - began
            used = meter.used()
        await owner.execute(_PUT_OFF)
    return Pair(found["import"], found["bare"], used)


async def _import(client: httpx.AsyncClient, content: bytes, rows: int) -> None:
    """From the sending of the file to the job's end."""
    import_id = str(uuid5(_IDS, f"{time.time_ns()}"))
    body = {"import_id": import_id, "area": DISTRICT, "file_name": "场所.csv"}
    answer = await client.post("/v1/venue-imports", json=body, headers={"Idempotency-Key": import_id})
    answer.raise_for_status()
    url = f"/v1/venue-imports/{import_id}"
    answer = await client.post(f"{url}/file", content=_pieces(content), headers={"Content-Type": "text/csv"})
    answer.raise_for_status()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            job = (await client.get(url)).json()
            if job.get("state") in ("done", "failed"):
                break
            await asyncio.sleep(POLL_S)
    check(job, rows)


def check(job: dict[str, Any], rows: int) -> None:
    """WrongImportError unless every row is a new venue."""
    told = (job["state"], job["rows_read"], job["created"], job["rejected"])
    if told != ("done", rows, rows, 0):
        raise WrongImportError(f"the import ended as {told}")


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), PIECE):
        yield content[at : at + PIECE]


async def _insert(connection: asyncpg.Connection, venues: Sequence[NewVenue]) -> None:
    at = datetime.now(UTC)
    code = "LLV1:" + "A" * 120  # about as long as a signed one
    for batch in _batches(venues):
        async with connection.transaction():
            await store.lock_register(connection)
            ids = iter(await store.new_zone_ids(connection, len(batch)))
            zones = [(venue.venue_id, 0, Zone(next(ids), venue.zones[0].name, 80, 1, code)) for venue in batch]
            await store.insert_venues(connection, batch)
            await store.insert_particulars(connection, batch, at, "bench")
            await store.compare_later(connection, [venue.venue_id for venue in batch])
            await store.insert_zones(connection, zones, await store.raise_version(connection))


def _batches(venues: Sequence[NewVenue]) -> Iterator[Sequence[NewVenue]]:
    for at in range(0, len(venues), ROWS_AT_ONCE):
        yield venues[at : at + ROWS_AT_ONCE]
