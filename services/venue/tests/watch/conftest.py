"""The fold beside the house, from a clean start."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.clock import local_day
from chassis.events.outbox import unsealed
from chassis.partitions import ensure
from lilitong.venue.v1 import code_task_pb2, occupancy_pb2, visit_pb2
from venue.visits.model import Visit
from venue.watch.fold import Fold
from venue.watch.rpc import CodeTaskServicer, OccupancyServicer


@dataclass
class Watch:
    house: object
    fold: Fold
    occupancy: OccupancyServicer
    tasks: CodeTaskServicer
    told: SimpleNamespace

    officer = Caller("officer-1", frozenset({"venue_officer"}), ("141102",))

    async def call(self, request, caller=None):
        name = type(request).__name__.removesuffix("Request")
        servicer = self.occupancy if hasattr(self.occupancy, name) else self.tasks
        with calling(caller or self.officer):
            return await getattr(servicer, name)(request, None)

    async def counted(self, zone):
        """People inside by the maintained count, after a turn of the fold."""
        await self.tick()
        row = await self.house.owner.fetchrow("SELECT inside FROM zone_occupancy WHERE zone = $1", zone)
        return 0 if row is None else row["inside"]

    async def tick(self):
        today = local_day(self.house.clock.now())
        async with self.house.pool.acquire() as connection:
            await ensure(connection, today, today)
        await self.fold.tick()

    async def exact(self, venue):
        with calling(self.officer):
            answer = await self.house.visits.GetOccupancy(visit_pb2.GetOccupancyRequest(venue_id=venue.venue_id), None)
        return [zone.inside for zone in answer.zones]

    async def come(self, venue, names, *, grade=3, entered=None, zone=0, drill_id=""):
        """So many visits at once, as the group commit stores them."""
        now = self.house.clock.now()
        second = (now.hour + 8) % 24 * 3600 + now.minute * 60 + now.second if entered is None else entered
        facts = self.house.zones.find(venue.zones[zone].zone)
        day = local_day(now)
        visits = [
            (
                Visit(
                    day,
                    self.house.people.tag(name, day),
                    name.encode().rjust(8, b"\0")[-8:],
                    facts.zone,
                    second,
                    facts.dwell,
                    grade,
                    False,
                    False,
                    drill_id,
                ),
            )
            for name in names
        ]
        fates = await self.house.recorder.record_all(visits)
        assert {str(fate) for fate in fates} == {"Fate.STORED"}
        return fates

    async def crowded(self, area="141102", **given):
        return await self.call(occupancy_pb2.ListCrowdedZonesRequest(area=area, **given))

    async def open_tasks(self, **given):
        request = code_task_pb2.ListCodeTasksRequest(area="141102", **given)
        return (await self.call(request)).tasks

    async def events(self, subject, message):
        rows = await self.house.rows("SELECT payload FROM outbox WHERE subject = $1 ORDER BY seq", subject)
        return [message.FromString(row["payload"]) for row in rows]


@pytest.fixture
async def watch(house):
    told = SimpleNamespace(relay=0)

    def wake():
        told.relay += 1

    await house.owner.execute("DELETE FROM visit_notes")
    await house.owner.execute("TRUNCATE area_occupancy")
    await house.owner.execute("UPDATE occupancy_state SET through = 0")
    return Watch(
        house,
        Fold(house.pool, house.clock, unsealed, wake),
        OccupancyServicer(house.pool),
        CodeTaskServicer(house.pool, house.clock, unsealed, wake),
        told,
    )
