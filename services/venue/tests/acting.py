"""People who act in a room of the house, whichever it is."""

from dataclasses import dataclass, field
from datetime import timedelta

from chassis.access import calling
from chassis.auth import Caller
from chassis.clock import local_day
from chassis.partitions import ensure


def person(name, *roles, areas=("141102",)):
    return Caller(name, frozenset(roles), areas)


@dataclass
class Acting:
    """What people do in a room: its RPCs, by their requests, at the house's time."""

    house: object

    def servicer_of(self, name):
        """Whose the RPC of that name is."""
        return self.servicer

    async def call(self, caller, request):
        """Any RPC of the room, by its request."""
        name = type(request).__name__.removesuffix("Request")
        with calling(caller):
            return await getattr(self.servicer_of(name), name)(request, None)

    def now(self):
        return self.house.clock.now()

    def later(self, **step):
        self.house.clock.advance(timedelta(**step))


@dataclass
class ActingByDay(Acting):
    """The same in rooms whose tables have a partition for each day."""

    days: set = field(default_factory=set, kw_only=True)

    async def call(self, caller, request):
        await self.open_day(local_day(self.now()))
        return await super().call(caller, request)

    async def open_day(self, day):
        if day not in self.days:
            async with self.house.pool.acquire() as connection:
                await ensure(connection, day, day)
            self.days.add(day)
