"""All SQL of supervision teams and of who is in them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from venue.spotcheck.model import Member, Team
from venue.spotcheck.refusals import inspector_exists, team_exists

_NOW: Final = """
    SELECT i.inspector_id, i.account, m.team_id, m.home_community
    FROM spot_check_inspectors i
    CROSS JOIN LATERAL (SELECT team_id, home_community, leaves FROM supervision_memberships
                        WHERE inspector_id = i.inspector_id ORDER BY ordinal DESC LIMIT 1) m
    WHERE NOT m.leaves
"""
_MOST: Final = 200

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "supervision_teams_pkey": team_exists,
    "supervision_teams_name_key": lambda: DomainError(
        Kind.EXISTS, "TEAM_NAME_TAKEN", "Another team of this area has this name."
    ),
    "spot_check_inspectors_pkey": inspector_exists,
    "spot_check_inspectors_account_key": lambda: DomainError(
        Kind.EXISTS, "ACCOUNT_KNOWN", "This account is known under another id."
    ),
}


async def lock_teams(conn: Connection) -> None:
    """Of two changes of teams the second waits, until the transaction of the first ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('supervision teams', 17))")


async def insert_team(conn: Connection, team: Team, registered_by: str, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO supervision_teams (team_id, name, area, registered_by, registered_at) VALUES ($1, $2, $3, $4, $5)",
        team.team_id,
        team.name,
        team.area,
        registered_by,
        now,
    )


async def team(conn: Connection, team_id: UUID) -> Team | None:
    """With those who are in it now."""
    rows = await conn.fetch("SELECT team_id, name, area FROM supervision_teams WHERE team_id = $1", team_id)
    return (await _with_members(conn, rows))[0] if rows else None


async def teams(conn: Connection, area: str) -> list[Team]:
    """Of the area and what lies in it, by name."""
    rows = await conn.fetch(
        """
        SELECT team_id, name, area FROM supervision_teams WHERE area >= $1 AND area < $1 || ':'
        ORDER BY area, name LIMIT $2
        """,
        area,
        _MOST,
    )
    return await _with_members(conn, rows)


async def _with_members(conn: Connection, rows: Sequence[Record]) -> list[Team]:
    found = await members(conn, [row["team_id"] for row in rows])
    return [
        Team(row["team_id"], row["name"], row["area"], tuple(each for each in found if each.team_id == row["team_id"]))
        for row in rows
    ]


async def members(conn: Connection, team_ids: Sequence[UUID]) -> list[Member]:
    """Who is in these teams now."""
    rows = await conn.fetch(f"{_NOW} AND m.team_id = ANY($1::uuid[]) ORDER BY i.account", team_ids)
    return [_member(row) for row in rows]


async def member(conn: Connection, inspector_id: UUID) -> Member | None:
    """Where the inspector is now; None for one who is in no team."""
    row = await conn.fetchrow(f"{_NOW} AND i.inspector_id = $1", inspector_id)
    return None if row is None else _member(row)


def _member(row: Record) -> Member:
    return Member(row["inspector_id"], row["account"], row["team_id"], row["home_community"])


async def teams_for(conn: Connection, area: str, wanted: Sequence[UUID]) -> list[UUID]:
    """The teams whose area covers this one or lies in it; of these the wanted ones, if any are named."""
    rows = await conn.fetch(
        """
        SELECT team_id FROM supervision_teams
        WHERE (starts_with(area, $1) OR starts_with($1, area)) AND (cardinality($2::uuid[]) = 0 OR team_id = ANY($2))
        """,
        area,
        wanted,
    )
    return [row["team_id"] for row in rows]


async def account_of(conn: Connection, inspector_id: UUID) -> str | None:
    found: str | None = await conn.fetchval(
        "SELECT account FROM spot_check_inspectors WHERE inspector_id = $1", inspector_id
    )
    return found


async def accounts(conn: Connection, inspector_ids: Sequence[UUID]) -> dict[UUID, str]:
    rows = await conn.fetch(
        "SELECT inspector_id, account FROM spot_check_inspectors WHERE inspector_id = ANY($1::uuid[])", inspector_ids
    )
    return {row["inspector_id"]: row["account"] for row in rows}


async def insert_inspector(conn: Connection, inspector_id: UUID, account: str) -> None:
    await conn.execute(
        "INSERT INTO spot_check_inspectors (inspector_id, account) VALUES ($1, $2)", inspector_id, account
    )


async def add_membership(conn: Connection, member: Member, recorded_by: str, now: datetime, *, leaves: bool) -> None:
    """The next entry; under `lock_teams`."""
    await conn.execute(
        """
        INSERT INTO supervision_memberships (inspector_id, ordinal, team_id, home_community, leaves, recorded_by, recorded_at)
        SELECT $1, coalesce(max(ordinal), 0) + 1, $2, $3, $4, $5, $6 FROM supervision_memberships WHERE inspector_id = $1
        """,
        member.inspector_id,
        member.team_id,
        member.home,
        leaves,
        recorded_by,
        now,
    )
