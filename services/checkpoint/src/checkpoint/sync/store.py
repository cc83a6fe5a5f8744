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


async def sync_counts(conn: Db, since: Sequence[datetime]) -> dict[int | None, int]:
    """How many devices that are not revoked followed the list last at or after each of `since`, the oldest first.

    By how many of these instants had come by then: 0 is before all of them, None never.
    """
    rows = await conn.fetch(
        """
        SELECT width_bucket(s.synced_at, $1::timestamptz[]) AS bucket, count(*) AS devices
        FROM devices d LEFT JOIN device_syncs s USING (device_id) WHERE NOT d.revoked GROUP BY bucket
        """,
        since,
    )
    return {row["bucket"]: row["devices"] for row in rows}
