"""All SQL of posts, devices and scan policies. Functions take the connection first and do not commit."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from verdicts.model import Policy

from checkpoint.posts.model import Device, PlacedDevice, Post, TimedPolicy

Db = Any  # asyncpg's Connection, or the proxy that its pool lends

_POST = "post, post_id, name, level, area"
_DEVICE = "d.device_id, d.post, d.public_key, d.label, d.enrolled_at, d.revoked"


async def insert_post(conn: Db, post: Post) -> Post:
    """The post with its number. IntegrityError `posts_post_id_key` when the id is taken."""
    row = await conn.fetchrow(
        f"INSERT INTO posts (post_id, name, level, area) VALUES ($1, $2, $3, $4) RETURNING {_POST}",
        post.post_id,
        post.name,
        post.level,
        post.area,
    )
    return _post(row)


async def find_post(conn: Db, post_id: UUID) -> Post | None:
    row = await conn.fetchrow(f"SELECT {_POST} FROM posts WHERE post_id = $1", post_id)
    return None if row is None else _post(row)


async def list_posts(conn: Db, area: str, after: int, limit: int) -> list[Post]:
    """Posts in an area (prefix), in order of their numbers, after the given one."""
    rows = await conn.fetch(
        f"SELECT {_POST} FROM posts WHERE area LIKE $1 || '%' AND post > $2 ORDER BY post LIMIT $3", area, after, limit
    )
    return [_post(row) for row in rows]


async def find_device(conn: Db, device_id: UUID, *, lock: bool = False) -> tuple[Device, Post] | None:
    """A device and its post; with `lock` the device's row is held until the transaction ends."""
    row = await conn.fetchrow(
        f"""
        SELECT {_DEVICE}, p.post_id, p.name, p.level, p.area
        FROM devices d JOIN posts p ON p.post = d.post WHERE d.device_id = $1 {"FOR UPDATE OF d" if lock else ""}
        """,
        device_id,
    )
    return None if row is None else (_device(row), _post(row))


async def insert_device(conn: Db, device: Device) -> bool:
    """False when the device is enrolled already. IntegrityError `devices_public_key_key`: another one has that key."""
    inserted = await conn.fetchval(
        """
        INSERT INTO devices (device_id, post, public_key, label, enrolled_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT ON CONSTRAINT devices_pkey DO NOTHING RETURNING true
        """,
        device.device_id,
        device.post,
        device.public_key,
        device.label,
        device.enrolled_at,
    )
    return bool(inserted)


async def move_device(conn: Db, device_id: UUID, post: int, label: str) -> None:
    await conn.execute("UPDATE devices SET post = $2, label = $3 WHERE device_id = $1", device_id, post, label)


async def revoke_device(conn: Db, device_id: UUID) -> None:
    """For good: nothing sets it back."""
    await conn.execute("UPDATE devices SET revoked = true WHERE device_id = $1", device_id)


async def list_devices(conn: Db, area: str, after: UUID, limit: int) -> list[PlacedDevice]:
    """Devices at posts of an area (prefix), in order of their ids, after the given one."""
    rows = await conn.fetch(
        f"""
        SELECT {_DEVICE}, p.post_id FROM devices d JOIN posts p ON p.post = d.post
        WHERE p.area LIKE $1 || '%' AND d.device_id > $2 ORDER BY d.device_id LIMIT $3
        """,
        area,
        after,
        limit,
    )
    return [PlacedDevice(_device(row), row["post_id"]) for row in rows]


async def bump(conn: Db) -> None:
    """Tell all replicas, with the commit, that posts, devices or policies changed.

    The row's lock puts such changes one after another, so a reader who saw version n has seen all that led to it.
    """
    await conn.execute("UPDATE reference_version SET version = version + 1")


async def version(conn: Db) -> int:
    found: int = await conn.fetchval("SELECT version FROM reference_version")
    return found


async def all_devices(conn: Db) -> Sequence[tuple[Device, str]]:
    """Every device that is not revoked, with the area of its post."""
    rows = await conn.fetch(
        f"SELECT {_DEVICE}, p.area FROM devices d JOIN posts p ON p.post = d.post WHERE NOT d.revoked"
    )
    return [(_device(row), row["area"]) for row in rows]


async def policies(conn: Db) -> list[TimedPolicy]:
    """All versions, in the order in which they take effect; of two at the same moment the later version counts."""
    rows = await conn.fetch(
        """
        SELECT version, temperature_required, high_temperature_decicelsius, codes_required, registration_required,
               list_max_age_seconds, effective_from
        FROM scan_policies ORDER BY effective_from, version
        """
    )
    return [
        TimedPolicy(
            Policy(
                version=row["version"],
                temperature_required=row["temperature_required"],
                high_temperature_decicelsius=row["high_temperature_decicelsius"],
                codes_required=row["codes_required"],
                registration_required=row["registration_required"],
                list_max_age_seconds=row["list_max_age_seconds"],
            ),
            row["effective_from"],
        )
        for row in rows
    ]


def _post(row: Any) -> Post:
    return Post(post_id=row["post_id"], name=row["name"], level=row["level"], area=row["area"], post=row["post"])


def _device(row: Any) -> Device:
    return Device(
        device_id=row["device_id"],
        post=row["post"],
        public_key=row["public_key"],
        label=row["label"],
        enrolled_at=row["enrolled_at"],
        revoked=row["revoked"],
    )
