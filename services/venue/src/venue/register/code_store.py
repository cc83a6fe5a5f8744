"""All SQL of venue codes: versions of posters and screens, and what was answered to whom."""

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
