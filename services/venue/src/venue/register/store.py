"""All SQL of the register. Functions take the connection first and never commit."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from venue.register.model import Cursor, Known, NewVenue, Page, Venue, Zone, ZoneFacts

_VENUE = "v.venue_id, v.name, v.category, v.area, v.address, v.operators, v.drill_id, v.closed_at, v.merged_into"
_ZONE = "z.zone, z.venue_id, z.name, z.capacity, z.code_version, z.code"


async def lock_register(connection: Any) -> int:
    """Wait for other changes of the register and shut further ones out; returns its version."""
    version: int = await connection.fetchval("SELECT version FROM register_version FOR UPDATE")
    return version


async def raise_version(connection: Any) -> int:
    """The version that the changes of this transaction get. Needs no lock before: the update itself takes it."""
    version: int = await connection.fetchval("UPDATE register_version SET version = version + 1 RETURNING version")
    return version


async def version(connection: Any) -> int:
    found: int = await connection.fetchval("SELECT version FROM register_version")
    return found


async def known(connection: Any, venues: Sequence[NewVenue]) -> list[Known]:
    """Venues that have one of these ids, or came with one of these requests."""
    rows = await connection.fetch(
        "SELECT venue_id, request_id, digest FROM venues WHERE venue_id = ANY($1) OR request_id = ANY($2)",
        [venue.venue_id for venue in venues],
        [venue.request_id for venue in venues],
    )
    return [Known(row["venue_id"], row["request_id"], row["digest"]) for row in rows]


async def new_zone_ids(connection: Any, count: int) -> list[int]:
    rows = await connection.fetch("SELECT nextval('zones_zone_seq')::integer AS id FROM generate_series(1, $1)", count)
    return [row["id"] for row in rows]


async def insert_venues(connection: Any, venues: Sequence[NewVenue]) -> None:
    await connection.execute(
        """
        INSERT INTO venues (venue_id, name, category, area, address, operators, drill_id, request_id, digest)
        SELECT venue_id, name, category, area, address, ARRAY(SELECT jsonb_array_elements_text(operators)), drill_id,
               request_id, digest
        FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::uuid[],
                    $9::bytea[])
             AS n (venue_id, name, category, area, address, operators, drill_id, request_id, digest)
        """,
        [venue.venue_id for venue in venues],
        [venue.name for venue in venues],
        [venue.category for venue in venues],
        [venue.area for venue in venues],
        [venue.address for venue in venues],
        [json.dumps(venue.operators) for venue in venues],
        [venue.drill_id for venue in venues],
        [venue.request_id for venue in venues],
        [venue.digest for venue in venues],
    )


async def insert_zones(connection: Any, zones: Sequence[tuple[UUID, int, Zone]], changed: int) -> None:
    """Zones as (venue, position in it, zone)."""
    await connection.execute(
        """
        INSERT INTO zones (zone, venue_id, ordinal, name, capacity, code_version, code, changed)
        SELECT n.*, $8 FROM unnest($1::integer[], $2::uuid[], $3::smallint[], $4::text[], $5::integer[], $6::integer[],
                                   $7::text[]) AS n
        """,
        [zone.zone for _, _, zone in zones],
        [venue_id for venue_id, _, _ in zones],
        [ordinal for _, ordinal, _ in zones],
        [zone.name for _, _, zone in zones],
        [zone.capacity for _, _, zone in zones],
        [zone.code_version for _, _, zone in zones],
        [zone.code for _, _, zone in zones],
        changed,
    )


async def insert_particulars(connection: Any, venues: Sequence[NewVenue], since: datetime, recorded_by: str) -> None:
    """The first owner of each."""
    await connection.execute(
        """
        INSERT INTO venue_particulars (venue_id, ordinal, owner, responsible_person, licence, operators, since, recorded_by)
        SELECT venue_id, 1, owner, responsible_person, licence, ARRAY(SELECT jsonb_array_elements_text(operators)), $6, $7
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[])
             AS n (venue_id, owner, responsible_person, licence, operators)
        """,
        [venue.venue_id for venue in venues],
        [venue.particulars.owner for venue in venues],
        [venue.particulars.responsible_person for venue in venues],
        [venue.particulars.licence for venue in venues],
        [json.dumps(venue.operators) for venue in venues],
        since,
        recorded_by,
    )


async def compare_later(connection: Any, ids: Sequence[UUID]) -> None:
    """Have these venues held against the others for being the same (see `venue.register.duplicates`)."""
    await connection.execute("INSERT INTO duplicate_queue (venue_id) SELECT unnest($1::uuid[])", ids)


async def venues(connection: Any, ids: Collection[UUID]) -> dict[UUID, Venue]:
    """The venues of these ids that exist, with their zones in order."""
    rows = await connection.fetch(f"SELECT {_VENUE} FROM venues v WHERE v.venue_id = ANY($1)", ids)
    return {venue.venue_id: venue for venue in await _with_zones(connection, rows)}


async def hold(connection: Any, venue_id: UUID) -> Venue:
    """The venue as it is and stays until the transaction ends: whoever closes or merges it waits. `venue_id` is one that exists.

    Whoever takes the venue's ladder (`ladder_heads`) too takes that first. Whoever holds a venue takes the register's lock no
    more: those who close a venue have it and wait for the venue.
    """
    await connection.execute("SELECT FROM venues WHERE venue_id = $1 FOR SHARE", venue_id)
    # A statement of its own: it sees what was committed while that one waited.
    return (await venues(connection, [venue_id]))[venue_id]


async def freeze(connection: Any, ids: Collection[UUID]) -> dict[UUID, Venue]:
    """These venues once nobody holds them any more, to be changed in this transaction. The caller has the register's lock."""
    await connection.execute("SELECT FROM venues WHERE venue_id = ANY($1) ORDER BY venue_id FOR NO KEY UPDATE", ids)
    return await venues(connection, ids)


async def areas(connection: Any, ids: Collection[UUID]) -> dict[UUID, str]:
    """Where the venues of these ids that exist are."""
    rows = await connection.fetch("SELECT venue_id, area FROM venues WHERE venue_id = ANY($1)", ids)
    return {row["venue_id"]: row["area"] for row in rows}


async def venue_of_zone(connection: Any, zone: int) -> Venue | None:
    rows = await connection.fetch(
        f"SELECT {_VENUE} FROM venues v JOIN zones z USING (venue_id) WHERE z.zone = $1", zone
    )
    found = await _with_zones(connection, rows)
    return found[0] if found else None


async def page(
    connection: Any,
    area: str,
    category: int | None,
    operator: str | None,
    after: Cursor | None,
    size: int,
    *,
    query: str = "",
    open_only: bool = False,
) -> Page:
    """Venues below `area`, of one category and one operator where given, that follow `after`.

    `query`: a part of the name or the address in any case, or the whole present licence number.
    """
    # All areas below a prefix lie between it and the prefix followed by the character after "9".
    scope = "v.area >= $1 AND v.area < $1 || ':' AND ($2::smallint IS NULL OR v.category = $2)"
    scope += " AND ($3::text IS NULL OR $3 = ANY(v.operators))"
    given: list[Any] = [area, category, operator]
    if open_only:
        scope += " AND v.closed_at IS NULL"
    if query:
        given.append(query)
        text = f"${len(given)}"
        scope += f""" AND (strpos(lower(v.name), lower({text})) > 0 OR strpos(lower(v.address), lower({text})) > 0
            OR v.venue_id IN (SELECT p.venue_id FROM venue_particulars p WHERE p.licence <> '' AND p.licence = upper({text})
                AND NOT EXISTS (SELECT FROM venue_particulars n WHERE n.venue_id = p.venue_id AND n.ordinal > p.ordinal)))"""
    total = await connection.fetchval(f"SELECT count(*) FROM venues v WHERE {scope}", *given)
    at = len(given)
    rows = await connection.fetch(
        f"""
        SELECT {_VENUE} FROM venues v
        WHERE {scope} AND (${at + 1}::text IS NULL OR (v.area, v.venue_id) > (${at + 1}, ${at + 2}::uuid))
        ORDER BY v.area, v.venue_id LIMIT ${at + 3}
        """,
        *given,
        after.area if after else None,
        after.venue_id if after else None,
        size + 1,
    )
    found = await _with_zones(connection, rows[:size])
    more = Cursor(found[-1].area, found[-1].venue_id) if len(rows) > size else None
    return Page(found, more, total)


async def zones_changed_after(connection: Any, version: int) -> list[ZoneFacts]:
    """What check-ins need to know of each zone that changed after the register's `version`."""
    rows = await connection.fetch(
        """
        SELECT z.zone, z.venue_id, v.area, z.capacity, c.dwell_minutes * 60 AS dwell,
               c.stay_limit_minutes * 60 AS stay_limit, z.code_version, z.code IS NOT NULL AS code_valid,
               z.screen_version, v.operators, v.drill_id,
               ARRAY(SELECT s.starts_at FROM effective_suspensions s WHERE s.venue_id = z.venue_id AND s.starts_at < s.ends_at
                     ORDER BY s.suspension_id) AS suspension_starts,
               ARRAY(SELECT s.ends_at FROM effective_suspensions s WHERE s.venue_id = z.venue_id AND s.starts_at < s.ends_at
                     ORDER BY s.suspension_id) AS suspension_ends
        FROM zones z JOIN venues v USING (venue_id) JOIN venue_categories c USING (category)
        WHERE z.changed > $1
        """,
        version,
    )
    return [
        ZoneFacts(
            zone=row["zone"],
            venue_id=row["venue_id"],
            area=row["area"],
            capacity=row["capacity"],
            dwell=row["dwell"],
            stay_limit=row["stay_limit"],
            code_version=row["code_version"],
            code_valid=row["code_valid"],
            screen_version=row["screen_version"],
            operators=frozenset(row["operators"]),
            drill_id=row["drill_id"],
            suspensions=tuple(zip(row["suspension_starts"], row["suspension_ends"], strict=True)),
        )
        for row in rows
    ]


async def _with_zones(connection: Any, rows: Iterable[Any]) -> list[Venue]:
    listed = list(rows)
    zones: dict[UUID, list[Zone]] = {}
    for row in await connection.fetch(
        f"SELECT {_ZONE} FROM zones z WHERE z.venue_id = ANY($1) ORDER BY z.venue_id, z.ordinal",
        [row["venue_id"] for row in listed],
    ):
        zones.setdefault(row["venue_id"], []).append(
            Zone(row["zone"], row["name"], row["capacity"], row["code_version"], row["code"])
        )
    return [
        Venue(
            venue_id=row["venue_id"],
            name=row["name"],
            category=row["category"],
            area=row["area"],
            address=row["address"],
            operators=tuple(row["operators"]),
            drill_id=row["drill_id"],
            zones=tuple(zones.get(row["venue_id"], ())),
            closed_at=row["closed_at"],
            merged_into=row["merged_into"],
        )
        for row in listed
    ]
