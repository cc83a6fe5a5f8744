"""All SQL of the register."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record
from chassis import key_versions
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from passes.sealing import kek_version

from quarantine.people.details import Stored
from quarantine.people.wrapping import KEK
from quarantine.register.model import Registration


@dataclass(frozen=True, slots=True)
class Entry:
    """A household ready to be stored: `digest` (32 bytes) knows its request, `people` are in the request's order."""

    registration: Registration
    digest: bytes
    people: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """A household in the register, and the request it came with; None, None if it came otherwise."""

    household_id: UUID
    request_id: UUID | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Ids and blind indexes that somebody in the register has already."""

    resident_ids: frozenset[UUID]
    id_indexes: frozenset[bytes]


async def registered(conn: Connection, request_ids: Sequence[UUID], household_ids: Sequence[UUID]) -> list[Registered]:
    """Households that have one of these ids or came with one of these requests."""
    rows = await conn.fetch(
        """
        SELECT household_id, request_id, digest FROM registrations WHERE request_id = ANY ($1)
        UNION
        SELECT h.household_id, r.request_id, r.digest FROM households h LEFT JOIN registrations r USING (household_id)
        WHERE h.household_id = ANY ($2)
        """,
        list(request_ids),
        list(household_ids),
    )
    return [Registered(row["household_id"], row["request_id"], row["digest"]) for row in rows]


async def taken(conn: Connection, people: Sequence[Stored]) -> Taken:
    """Which of these people's ids and indexes are in the register already."""
    rows = await conn.fetch(
        "SELECT resident_id, id_index FROM residents WHERE resident_id = ANY ($1) OR id_index = ANY ($2)",
        [person.resident_id for person in people],
        [person.id_index for person in people],
    )
    return Taken(
        frozenset(row["resident_id"] for row in rows),
        frozenset(row["id_index"] for row in rows if row["id_index"] is not None),
    )


async def drills(conn: Connection, drill_ids: Sequence[str]) -> dict[str, bool]:
    """Of these drills, those that exist, and whether each still runs; none of them ends before the transaction does."""
    rows = await conn.fetch(
        "SELECT drill_id, ended_at IS NULL AS runs FROM drills WHERE drill_id = ANY ($1) ORDER BY drill_id FOR SHARE",
        list(drill_ids),
    )
    return {row["drill_id"]: row["runs"] for row in rows}


async def insert(conn: Connection, entries: Sequence[Entry], registered_by: str, now: datetime) -> None:
    """Store households with their people. Raises `UniqueViolationError` if any id, request or person is there already.

    Nobody is stored under a KEK that was retired meanwhile, which nobody could read: UNAVAILABLE / KEY_RETIRED, and a repeat
    takes the newer one.
    """
    registrations = [entry.registration for entry in entries]
    keks = {kek_version(person.data_key) for entry in entries for person in entry.people}
    if not await key_versions.hold(conn, KEK, sorted(keks)):
        raise DomainError(Kind.UNAVAILABLE, "KEY_RETIRED", "A key was changed meanwhile; try again.")
    await conn.execute(
        """
        INSERT INTO households (household_id, area, drill_id)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
        """,
        [one.household_id for one in registrations],
        [one.area for one in registrations],
        [one.drill_id for one in registrations],
    )
    await conn.execute(
        """
        INSERT INTO registrations (household_id, request_id, digest, channel, registered_by, registered_at, consent_given_at,
                                   consent_sha256)
        SELECT r.household_id, r.request_id, r.digest, r.channel, $7, $8, r.given_at, r.evidence
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::smallint[], $5::timestamptz[], $6::bytea[])
            AS r (household_id, request_id, digest, channel, given_at, evidence)
        """,
        [one.household_id for one in registrations],
        [one.request_id for one in registrations],
        [entry.digest for entry in entries],
        [int(one.channel) for one in registrations],
        [None if one.consent is None else one.consent.given_at for one in registrations],
        [None if one.consent is None else one.consent.evidence_sha256 for one in registrations],
        registered_by,
        now,
    )
    rows = [(entry.registration, person) for entry in entries for person in entry.people]
    await conn.execute(
        """
        INSERT INTO residents (resident_id, household_id, area, drill_id, data_key, sealed, id_index)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[])
        """,
        [person.resident_id for _, person in rows],
        [one.household_id for one, _ in rows],
        [one.area for one, _ in rows],
        [one.drill_id for one, _ in rows],
        [person.data_key for _, person in rows],
        [person.sealed for _, person in rows],
        [person.id_index for _, person in rows],
    )


async def household(conn: Connection, household_id: UUID) -> Record | None:
    """area, drill_id and channel (None if it came without a registration)."""
    return await conn.fetchrow(
        """
        SELECT h.area, h.drill_id, r.channel FROM households h LEFT JOIN registrations r USING (household_id)
        WHERE h.household_id = $1
        """,
        household_id,
    )


async def members(conn: Connection, household_id: UUID) -> list[Record]:
    """(resident_id, data_key, sealed) of those who were not erased."""
    return await conn.fetch(
        """
        SELECT resident_id, data_key, sealed FROM residents
        WHERE household_id = $1 AND data_key IS NOT NULL ORDER BY resident_id
        """,
        household_id,
    )


async def running_drills(conn: Connection) -> list[str]:
    rows = await conn.fetch("SELECT drill_id FROM drills WHERE ended_at IS NULL AND drill_id <> '' ORDER BY drill_id")
    return [row["drill_id"] for row in rows]


async def find(conn: Connection, id_indexes: Sequence[bytes]) -> Record | None:
    """(resident_id, household_id, area) of the person with one of these indexes; a real person before one of a drill."""
    return await conn.fetchrow(
        """
        SELECT resident_id, household_id, area FROM residents
        WHERE id_index = ANY ($1) AND data_key IS NOT NULL ORDER BY drill_id LIMIT 1
        """,
        list(id_indexes),
    )
