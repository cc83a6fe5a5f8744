"""Answers by the client's id of a request, stored in the transaction of the effect."""

import hashlib
from datetime import date
from uuid import UUID

from google.protobuf.message import Message

from chassis.errors import DomainError, Kind
from chassis.pool import Connection

KEEP_DAYS = 14


def _digest(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _mismatch() -> DomainError:
    return DomainError(Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "this request id was used before with other content")


def _identity(request_id: str) -> UUID:
    try:
        return UUID(request_id)
    except ValueError:
        raise DomainError(
            Kind.INVALID, "REQUEST_ID_INVALID", "The request id is not a UUID.", fields={"request_id": "must be a UUID"}
        ) from None


async def replay(connection: Connection, request_id: str, method: str, request: Message) -> bytes | None:
    """The serialized answer given before, or None when the caller is to act now.

    To be called first in the transaction. It locks the id until the transaction ends, so that of two identical calls at once the
    second waits and then reads the first one's answer. The transaction must be READ COMMITTED, as ours are.

    Raises:
        DomainError: MISMATCH, the id came before with other content; INVALID, it is no UUID.

    """
    # The lock is taken by a statement of its own: the next one then sees what the holder before us committed.
    identity = _identity(request_id)  # as a UUID, since one id can be written in several ways
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", f"{identity}/{method}")
    row = await connection.fetchrow(
        "SELECT digest, response FROM requests WHERE request_id = $1 AND method = $2", identity, method
    )
    if row is None:
        return None
    if row["digest"] != _digest(request):
        raise _mismatch()
    return bytes(row["response"])


async def remember(
    connection: Connection, request_id: str, method: str, request: Message, response: Message, today: date
) -> None:
    """Stores the answer; to be called last in the same transaction as `replay`."""
    await connection.execute(
        "INSERT INTO requests (request_id, method, digest, response, recorded_on) VALUES ($1, $2, $3, $4, $5)",
        _identity(request_id), method, _digest(request), response.SerializeToString(), today,
    )  # fmt: skip


async def purge(connection: Connection, before: date) -> None:
    """Forgets answers recorded before a day."""
    await connection.execute("DELETE FROM requests WHERE recorded_on < $1", before)
