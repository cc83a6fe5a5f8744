"""The bar of P2: a process that does nothing but insert the rows of uploads, as fast as the driver does it.

    python -m bench.insert_rows FILE CONNECTIONS POST       (and DATABASE_URL, as the service has it)

Everything is decoded and laid out before the first statement. Says `ready`; for every line on its standard input,
`FIRST COUNT`, it inserts that many uploads, one statement and one transaction for each, and says the seconds and its own
CPU seconds.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import asyncpg
import uvloop
from passes.days import date_of

from bench.make_batches import scans_of

Columns = tuple[list[object], ...]
INSERT = """
    INSERT INTO passages (day, tag, scan_id, post, passed_at, verdict, reasons, grade, late, drill_id)
    SELECT * FROM unnest($1::date[], $2::bytea[], $3::bytea[], $4::int[], $5::timestamptz[], $6::smallint[],
                         $7::bigint[], $8::smallint[], $9::boolean[], $10::text[])
"""
SHOWN = 1


def columns(file: Path, post: int) -> list[Columns]:
    """What each statement is given."""
    found = []
    for scans in scans_of(file):
        rows = [
            (
                date_of(scan.day),
                scan.tags[0],
                scan.scan_id,
                post,
                scan.scanned_at.ToDatetime(UTC),
                int(scan.verdict),
                0,
                SHOWN,
                False,
                "",
            )
            for scan in scans
        ]
        found.append(tuple(map(list, zip(*rows, strict=True))))
    return found


async def insert(connection: "asyncpg.Connection[asyncpg.Record]", rows: Iterator[Columns]) -> None:
    for row in rows:
        await connection.execute(INSERT, *row)


async def serve(rows: list[Columns], count: int) -> None:
    connections = [await asyncpg.connect(os.environ["DATABASE_URL"]) for _ in range(count)]
    for connection in connections:
        await connection.fetch("SELECT FROM passages LIMIT 0")
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        first, many = map(int, line.split())
        part = iter(rows[first : first + many])
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(insert(connection, part) for connection in connections))
        print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]), flush=True)
    for connection in connections:
        await connection.close(timeout=5)


def main() -> int:
    file, connections, post = sys.argv[1:4]
    uvloop.run(serve(columns(Path(file), int(post)), int(connections)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
