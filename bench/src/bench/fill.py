"""Puts visits into a day's partition in bulk: a table of its own is filled, indexed as the partition is, and put in its place."""

import asyncio
import random
import re
from collections.abc import Sequence
from datetime import date

import asyncpg

from bench.visits import HOUR_SQL, SEED, Zone, hour_arguments, hours, per_hour

Connection = asyncpg.Connection


class Filler:
    """Fills days of one database. Nobody may write to a day while it is filled: what came in meanwhile would be lost."""

    def __init__(self, owner_url: str, zones: Sequence[Zone], people: int) -> None:
        self._url = owner_url
        self._hours = hours(zones)
        self._people = people
        self._swap = asyncio.Lock()

    async def fill(self, day: date, rows: int, *, until: int = 24, fill_percent: int = 100) -> None:
        """Adds `rows` visits to what the day's partition holds, those of the hours before `until`.

        The day that goes on gets indexes with gaps (`fill_percent` of a page is used), as writing leaves them. Pages without
        gaps would all have to be split by what is written next, which is never so in a day that grew.
        """
        connection = await asyncpg.connect(self._url)
        try:
            partition = f"visits_{day:%Y%m%d}"
            await self._generate(connection, partition, day, per_hour(rows, until))
            made = await _index(connection, partition, fill_percent)
            async with self._swap:
                await _swap(connection, partition, day, made)
            await connection.execute(f"VACUUM (ANALYZE) {partition}")
        finally:
            await connection.close()

    async def _generate(self, connection: Connection, partition: str, day: date, counts: Sequence[int]) -> None:
        draft = f"{partition}_new"
        await connection.execute(
            f"CREATE TABLE {draft} (LIKE visits INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED,"
            f" CONSTRAINT {draft}_day CHECK (day = DATE '{day}'))"
        )
        status: str = await connection.execute(f"INSERT INTO {draft} SELECT * FROM {partition}")
        held = int(status.rpartition(" ")[2])
        statement = HOUR_SQL.format(table=draft)
        for number, (hour, count) in enumerate(zip(self._hours, counts, strict=False)):
            if count:
                await connection.execute("SELECT setseed($1)", seed_of(day, number, held))
                await connection.execute(statement, *hour_arguments(hour, number, count, day, self._people))


def seed_of(day: date, hour: int, held: int) -> float:
    """For Postgres' `setseed`, in −1…1; differs by day, hour, and how many visits the day holds already."""
    return random.Random(f"{SEED}/{day}/{hour}/{held}").uniform(-1, 1)


async def _index(connection: Connection, partition: str, fill_percent: int) -> list[str]:
    """Gives the draft the partition's indexes; their names."""
    names = []
    found = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = $1 ORDER BY 1",
        partition,
    )
    for row in found:
        definition = re.sub(
            rf"\bINDEX {row['indexname']} ON (\w+\.)?{partition}\b",
            f"INDEX {row['indexname']}_new ON {partition}_new",
            row["indexdef"],
        )
        await connection.execute(definition.replace("fillfactor='100'", f"fillfactor='{fill_percent}'"))
        names.append(row["indexname"])
    return names


async def _swap(connection: Connection, partition: str, day: date, indexes: Sequence[str]) -> None:
    granted = await connection.fetchval(
        "SELECT relacl::text LIKE '%venue=m/%' FROM pg_class WHERE relname = $1", partition
    )
    async with connection.transaction():
        await connection.execute(f"ALTER TABLE visits DETACH PARTITION {partition}")
        await connection.execute(f"DROP TABLE {partition}")
        await connection.execute(f"ALTER TABLE {partition}_new RENAME TO {partition}")
        for name in indexes:
            await connection.execute(f"ALTER INDEX {name}_new RENAME TO {name}")
        if granted:
            await connection.execute(f"GRANT MAINTAIN ON {partition} TO venue")
        await connection.execute(
            f"ALTER TABLE visits ATTACH PARTITION {partition} FOR VALUES FROM ('{day}') TO (DATE '{day}' + 1)"
        )
        await connection.execute(f"ALTER TABLE {partition} DROP CONSTRAINT {partition}_new_day")
