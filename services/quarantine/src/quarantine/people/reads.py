"""Product X4: who read whose data, and what for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.auth import Caller
from chassis.pool import Connection


async def record(conn: Connection, resident_ids: Sequence[UUID], caller: Caller, now: datetime) -> None:
    """Note a read of these people's data, in the transaction of the read. The caller's call named the purpose."""
    await conn.execute(
        """
        INSERT INTO personal_reads (resident_id, caller, purpose, purpose_ref, at)
        SELECT person, $2, $3, $4, $5 FROM unnest($1::uuid[]) AS person
        """,
        list(resident_ids),
        caller.subject,
        caller.purpose,
        caller.purpose_ref,
        now,
    )
