"""Random lives of venues: whatever happens, in whatever order, the summary says what the facts say."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.errors import DomainError
from lilitong.venue.v1 import enforcement_pb2, venue_pb2

pytestmark = [pytest.mark.connected, pytest.mark.feature("X6")]

AREAS = ["141102001", "141102002"]


class Lives:
    """What may happen next; most of it is refused now and then, which must count nothing either."""

    def __init__(self, figures, street, desk, house, who, draw):
        self.figures, self.street, self.desk, self.house, self.who, self.draw = figures, street, desk, house, who, draw
        self.venues, self.measures, self.done = [], [], 0

    async def grow(self):
        area = self.draw.choice(AREAS)
        drill = self.draw.choice(["", "", "", "drill-1"])
        self.venues.append(await self.street.venue(area, zones=2, category=self.draw.choice([3, 6]), drill_id=drill))

    async def step(self):
        venue = self.draw.choice(self.venues)
        often = [self.fail, self.fail, self.fail, self.suspend, self.suspend, self.reopen, self.reopen]
        seldom = [self.good, self.late, self.rectify, self.look_again, self.appeal, self.revoke, self.serve, self.wait]
        act = self.draw.choice([*often, *seldom, self.close, self.fold, self.grow_one])
        with suppress(DomainError):
            await act(venue)
            self.done += 1

    async def fail(self, venue):
        answer = await self.street.fail(venue)
        self.measures.append((venue, answer.inspection.inspection_id))

    async def good(self, venue):
        await self.street.passes(venue)

    async def late(self, venue):
        made = self.street.now() - timedelta(hours=self.draw.randrange(1, 48))
        answer = await self.street.fail(venue, made=made)
        self.measures.append((venue, answer.inspection.inspection_id))

    def measure(self):
        return self.draw.choice(self.measures[-6:])

    async def suspend(self, _):
        await self.street.suspend(self.measure()[1])

    async def rectify(self, _):
        await self.street.rectify(self.measure()[1])

    async def look_again(self, _):
        venue, measure = self.measure()
        await self.street.passes(venue, measure)

    async def reopen(self, _):
        """The whole way, if this measure is open."""
        venue, measure = self.measure()
        with suppress(DomainError):
            await self.street.rectify(measure)
        await self.street.passes(venue, measure)
        await self.street.lift(await self.street.propose_lift(measure))

    async def appeal(self, _):
        appeal = await self.street.appeal(self.measure()[1])
        decision = self.draw.choice([enforcement_pb2.APPEAL_DECISION_UPHELD, enforcement_pb2.APPEAL_DECISION_REJECTED])
        await self.street.decide(appeal.appeal_id, decision)

    async def revoke(self, venue):
        request = venue_pb2.RevokeVenueCodeRequest(request_id=str(uuid4()), zone=self.draw.choice(venue.zones).zone)
        with calling(self.who.officer):
            await self.house.venues.RevokeVenueCode(request, None)

    async def close(self, venue):
        if self.draw.random() < 0.3:
            request = venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=venue.venue_id, reason="歇业")
            with calling(self.who.officer):
                await self.house.venues.CloseVenue(request, None)

    async def serve(self, venue):
        await self.desk.issue(area="141102", drill_id=venue.drill_id)
        letters = await self.desk.of(venue)
        await self.desk.call(self.desk.grid, self.desk.service(venue, letters))
        if self.draw.random() < 0.5:
            await self.desk.acknowledge(letters[0])

    async def wait(self, _):
        self.street.later(hours=self.draw.choice([1, 9, 30]))

    async def fold(self, _):
        await self.figures.servicer.fold()

    async def grow_one(self, _):
        await self.grow()

    async def agree(self):
        first, last = self.figures.days(self.draw.choice([0, 1, 3, 30]))
        for area in ("141102", *AREAS, "141102001001"):
            await self.figures.agrees(area, first, last)
        await self.figures.agrees("141102", first, last, category=6)
        await self.figures.agrees("141102", first, last, drill_id="drill-1")


@pytest.mark.parametrize("seed", [3, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
async def test_random_lives_are_counted_as_the_facts_say(figures, street, desk, house, who, seed):
    draw = random.Random(seed)
    await street.policies()
    await desk.template()
    lives = Lives(figures, street, desk, house, who, draw)
    for _ in range(4):
        await lives.grow()
    await lives.fail(lives.venues[0])
    for number in range(300):
        await lives.step()
        if number % 60 == 59:
            await lives.agree()
    await figures.servicer.fold()
    await lives.agree()
    _, flow = await figures.counted("141102", *figures.days(60))
    assert min(flow[name] for name in ("failed", "notices", "suspensions", "annulled", "lifts", "reopened")) > 0


async def test_many_at_once_while_others_add_up_are_counted_to_the_last(figures, street, house):
    await street.policies()
    venues = [await street.venue() for _ in range(8)]
    requests = [await street.inspection(venue, bad=["masks"]) for venue in venues for _ in range(3)]
    going = True
    seen = []

    async def add_up():
        while going:
            await figures.servicer.fold()
            seen.append((await figures.of()).period.inspections)

    adding = [asyncio.create_task(add_up()) for _ in range(2)]
    await asyncio.gather(*(street.call(street.one, request) for request in requests))
    going = False
    await asyncio.gather(*adding)
    assert max(seen) <= 24
    await figures.agrees("141102", *figures.days(0))
    period = (await figures.of()).period
    assert (period.inspections, period.failed) == (24, 24)
