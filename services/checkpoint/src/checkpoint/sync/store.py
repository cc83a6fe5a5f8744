"""All SQL about who followed the list when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

Db = Any


async def note_syncs(conn: Db, device_ids: Sequence[UUID], now: datetime) -> None:
    """These devices follow the list now. A clock that lags behind another replica's sets nothing back."""
    await conn.execute(
        """
        INSERT INTO device_syncs (device_id, synced_at) SELECT unnest($1::uuid[]), $2
        ON CONFLICT (device_id) DO UPDATE SET synced_at = greatest(device_syncs.synced_at, excluded.synced_at)
        """,
        device_ids,
        now,
    )


async def sync_times(conn: Db) -> list[datetime | None]:
    """For every device that is not revoked, when it last followed the list."""
    rows = await conn.fetch(
        "SELECT s.synced_at FROM devices d LEFT JOIN device_syncs s USING (device_id) WHERE NOT d.revoked"
    )
    return [row["synced_at"] for row in rows]
