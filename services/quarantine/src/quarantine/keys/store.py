"""All SQL of signing keys."""

from collections.abc import Sequence
from datetime import datetime

from chassis.pool import Connection
from daysets.trust import Use

from quarantine.keys.model import SigningKey


async def lock(conn: Connection) -> None:
    """Replicas and commands that change the list do so one after another, until the transaction ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.signing_keys'))")


async def every(conn: Connection) -> list[SigningKey]:
    """All keys that there ever were."""
    rows = await conn.fetch(
        """
        SELECT kid, use, version, public_key, origin, not_before, not_after, revoked_at
        FROM signing_keys ORDER BY use, version
        """
    )
    return [
        SigningKey(
            kid=row["kid"],
            use=Use(row["use"]),
            version=row["version"],
            public_key=row["public_key"],
            not_before=row["not_before"],
            not_after=row["not_after"],
            revoked_at=row["revoked_at"],
            origin=row["origin"],
        )
        for row in rows
    ]


async def newest(conn: Connection) -> dict[Use, datetime]:
    """When the newest key of each use was made, by the database's clock."""
    rows = await conn.fetch(
        "SELECT use, max(made_at) AS made_at FROM signing_keys WHERE revoked_at IS NULL GROUP BY use"
    )
    return {Use(row["use"]): row["made_at"] for row in rows}


async def insert(conn: Connection, keys: Sequence[SigningKey]) -> None:
    await conn.executemany(
        """
        INSERT INTO signing_keys (kid, use, version, public_key, origin, not_before, not_after)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [
            (key.kid, key.use.value, key.version, key.public_key, key.origin, key.not_before, key.not_after)
            for key in keys
        ],
    )


async def retire(conn: Connection, use: Use, before_version: int, at: datetime) -> None:
    """Older keys of a use end at that time, if they do not end earlier."""
    await conn.execute(
        """
        UPDATE signing_keys SET not_after = $3
        WHERE use = $1 AND version < $2 AND not_after > $3 AND not_before < $3
        """,
        use.value,
        before_version,
        at,
    )


async def revoke(conn: Connection, kid: bytes, now: datetime) -> bool:
    """Whether there was such a key that was not revoked before."""
    answer: str = await conn.execute(
        "UPDATE signing_keys SET revoked_at = $2 WHERE kid = $1 AND revoked_at IS NULL", kid, now
    )
    return not answer.endswith(" 0")
