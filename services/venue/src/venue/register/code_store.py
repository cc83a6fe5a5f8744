"""All SQL of venue codes: versions of posters and screens, and what was answered to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """A request about a zone's code and its effect: the version it led to, and the poster's text where there is one."""

    request_id: UUID
    action: str
    zone: int
    version: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Versions:
    """The zone's present versions; `screen` 0 means none."""

    code: int
    screen: int


async def answered(connection: Any, request_id: UUID) -> CodeRequest | None:
    """What was done at this request before."""
    row = await connection.fetchrow(
        "SELECT request_id, action, zone, version, code FROM code_requests WHERE request_id = $1", request_id
    )
    return None if row is None else CodeRequest(**row)


async def remember(connection: Any, request: CodeRequest) -> None:
    await connection.execute(
        "INSERT INTO code_requests (request_id, action, zone, version, code) VALUES ($1, $2, $3, $4, $5)",
        request.request_id,
        request.action,
        request.zone,
        request.version,
        request.code,
    )


async def versions(connection: Any, zone: int) -> Versions:
    row = await connection.fetchrow("SELECT code_version, screen_version FROM zones WHERE zone = $1", zone)
    return Versions(row["code_version"], row["screen_version"])


async def set_codes(connection: Any, zone: int, found: Versions, code: str | None, changed: int) -> None:
    """From now on these versions hold; without `code` the zone has no valid code of either kind."""
    await connection.execute(
        "UPDATE zones SET code_version = $2, screen_version = $3, code = $4, changed = $5 WHERE zone = $1",
        zone,
        found.code,
        found.screen,
        code,
        changed,
    )


async def set_screen(connection: Any, zone: int, screen: int, changed: int) -> None:
    await connection.execute(
        "UPDATE zones SET screen_version = $2, changed = $3 WHERE zone = $1", zone, screen, changed
    )


async def codes_after(connection: Any, zone: int, most: int) -> tuple[list[tuple[int, int, str]], int | None]:
    """(zone, version, text) of the next `most` zones that have a code; and the last zone of them, None at the end."""
    rows = await connection.fetch(
        "SELECT zone, code_version, code FROM zones WHERE zone > $1 AND code IS NOT NULL ORDER BY zone LIMIT $2",
        zone,
        most,
    )
    return [(row["zone"], row["code_version"], row["code"]) for row in rows], rows[-1]["zone"] if rows else None


async def replace_codes(connection: Any, rows: Sequence[tuple[int, str, str]]) -> int:
    """(zone, text as it was read, the same version's text by another key); how many still stood so and were free.

    The register's version stays: what replicas keep in mind of a zone is not its text.
    """
    changed = await connection.fetch(
        """
        WITH free AS (
            SELECT z.zone, n.code FROM zones z
            JOIN unnest($1::integer[], $2::text[], $3::text[]) AS n (zone, former, code) ON z.zone = n.zone AND z.code = n.former
            FOR NO KEY UPDATE OF z SKIP LOCKED
        )
        UPDATE zones z SET code = free.code FROM free WHERE z.zone = free.zone RETURNING z.zone
        """,
        [zone for zone, _, _ in rows],
        [former for _, former, _ in rows],
        [code for _, _, code in rows],
    )
    return len(changed)
