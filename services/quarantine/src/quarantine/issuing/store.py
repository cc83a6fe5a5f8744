"""All SQL of passes and paper cards. Passes themselves are not stored: a row with passes of several days would link
these days without their keys, which is what the keys are for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from quarantine.issuing.model import Holder

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "paper_cards_pkey": lambda: DomainError(Kind.EXISTS, "CARD_EXISTS", "A card with this id exists."),
}
_METHOD: Final = "IssuePasses"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came first: `digest` (SHA-256) of its content, and when it was answered."""

    digest: bytes
    issued_at: datetime


async def holders(conn: Connection, resident_ids: Sequence[UUID]) -> dict[UUID, Holder]:
    rows = await conn.fetch(
        """
        SELECT resident_id, household_id, area, drill_id, data_key IS NULL AS erased
        FROM residents WHERE resident_id = ANY ($1)
        """,
        list(resident_ids),
    )
    return {
        row["resident_id"]: Holder(row["resident_id"], row["household_id"], row["area"], row["drill_id"], row["erased"])
        for row in rows
    }


async def asked(conn: Connection, request_ids: Sequence[UUID]) -> dict[UUID, Asked]:
    """Which of these requests came before."""
    rows = await conn.fetch(
        "SELECT request_id, digest, response FROM requests WHERE request_id = ANY ($1) AND method = $2",
        list(request_ids),
        _METHOD,
    )
    return {row["request_id"]: Asked(row["digest"], datetime.fromisoformat(row["response"].decode())) for row in rows}


async def remember(conn: Connection, requests: Mapping[UUID, Asked], today: date) -> None:
    """Note the requests that are new; of those that another call notes at the same time the first one stays."""
    ids = sorted(requests)
    await conn.execute(
        """
        INSERT INTO requests (request_id, method, digest, response, recorded_on)
        SELECT r.id, $4, r.digest, r.response, $5 FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS r (id, digest, response)
        ON CONFLICT ON CONSTRAINT requests_pkey DO NOTHING
        """,
        ids,
        [requests[one].digest for one in ids],
        [requests[one].issued_at.isoformat().encode() for one in ids],
        _METHOD,
        today,
    )


async def insert_card(conn: Connection, card_id: UUID, resident_id: UUID, drill_id: str) -> None:
    await conn.execute(
        "INSERT INTO paper_cards (card_id, resident_id, drill_id) VALUES ($1, $2, $3)", card_id, resident_id, drill_id
    )


async def card(conn: Connection, card_id: UUID) -> Record | None:
    """(area, drill_id) of a card's holder."""
    return await conn.fetchrow(
        "SELECT r.area, c.drill_id FROM paper_cards c JOIN residents r USING (resident_id) WHERE c.card_id = $1",
        card_id,
    )


async def revoke_card(conn: Connection, card_id: UUID, now: datetime) -> bool:
    """Whether the card was valid until now."""
    answer: str = await conn.execute(
        "UPDATE paper_cards SET revoked_at = $2 WHERE card_id = $1 AND revoked_at IS NULL", card_id, now
    )
    return answer.endswith(" 1")
