"""What one process knows of the keys that wrap people's data keys."""

from uuid import uuid4

from chassis import key_versions
from passes.sealing import kek_version
from quarantine.people import rewrapping
from quarantine.people.details import Details, PersonKeys
from quarantine.people.rewrapping import rewrap
from quarantine.people.wrapping import Wrapping
from quarantine.register import store
from quarantine.register.model import Channel, Registration
from quarantine.register.store import Entry

LATER = key_versions.TAKEN_OVER


class Replica:
    """What one process knows of the keys, and the people it registers."""

    def __init__(self, world):
        self.world, self.wrapping = world, Wrapping.of(world.vault)
        self.keys = PersonKeys.of(world.vault, self.wrapping)

    async def load(self):
        async with self.world.pool.acquire() as conn:
            await key_versions.load(conn, [self.wrapping.keks], self.world.clock.now())
        return self

    async def start(self):
        async with self.world.pool.acquire() as conn, conn.transaction():
            await key_versions.ensure(conn, [self.wrapping.keks], self.world.clock.now())
        return self

    async def rotate(self, wait=LATER):
        async with self.world.pool.acquire() as conn, conn.transaction():
            made = await key_versions.rotate(conn, self.wrapping.keks, self.world.clock.now())
        self.world.clock.advance(wait)
        return made

    async def rewrap(self, **given):
        return await rewrap(self.world.pool, (await self.load()).wrapping, **given)

    async def retire(self, version):
        async with self.world.pool.acquire() as conn, conn.transaction():
            await rewrapping.retire(conn, self.wrapping, version, self.world.clock.now())

    async def people(self, count):
        """Ids of people registered by what this process knows now."""
        people, now = [uuid4() for _ in range(count)], self.world.clock.now()
        for person in people:
            one = Registration(uuid4(), uuid4(), "141102001001", "滨河路1号", (), Channel(3), None, "")
            stored = self.keys.seal(person, Details("王芳", str(person), "", "滨河路1号"), "")
            async with self.world.pool.acquire() as conn, conn.transaction():
                await store.insert(conn, [Entry(one, bytes(32), (stored,))], "grid-1", now)
        return people

    async def names(self, people):
        rows = await self.world.pool.fetch(
            "SELECT resident_id, data_key, sealed FROM residents WHERE resident_id = ANY ($1)", people
        )
        return [self.keys.open(row["resident_id"], row["data_key"], row["sealed"]).name for row in rows]

    async def versions(self):
        rows = await self.world.pool.fetch("SELECT data_key FROM residents WHERE data_key IS NOT NULL")
        return sorted(kek_version(row["data_key"]) for row in rows)
