"""The days before the story: people register, get their passes and go about the district at the services' own time."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from passes.days import local_day
from passes.venue_code import ScreenGrant

from devstack import scene
from devstack.api import Json, decode
from devstack.demo.cast import ASK_AT, HOURS_AGO, Cast, elsewhere, staff
from devstack.district import District, DistrictError, days_around
from devstack.gateclient import GateClient
from devstack.phone import Phone
from devstack.scene import Gate, Place

SETTLE_SECONDS = 0.3
"""Services look at their clock file every 0.1 s."""
ATTEMPTS = 20


@dataclass(slots=True)
class Town:
    """The district as it stands. venues: as registered, in the cast's order; visits: admitted so far; gate: of the past."""

    district: District
    cast: Cast
    venues: list[Json] = field(default_factory=list)
    visits: int = 0
    refused: int = 0
    gate: Gate | None = None

    def place(self, number: int) -> Place:
        """A venue's first zone with its code and the account of its staff."""
        stored = self.venues[number]
        zone = stored["zones"][0]
        return Place(stored["venue_id"], int(zone["zone"]), zone["code"], staff(number), stored["name"])

    async def travel(self, hours_ago: float) -> None:
        """Moves the services to a time before now."""
        self.district.travel(-timedelta(hours=hours_ago))
        await asyncio.sleep(SETTLE_SECONDS)

    async def register(self) -> None:
        """Venues and households."""
        self.venues = await self.district.register_venues(self.cast.venues)
        await self.district.register_households(self.cast.households)

    async def issue(self) -> int:
        """Passes for every phone, from the services' today to the day after the machine's; how many."""
        start = self.district.now()
        days = (local_day(start - self.district.offset) - local_day(start)).days
        phones = self.cast.phones()
        await self.district.issue_phones(phones, days_around(start, before=0, after=days + 1))
        return sum(len(phone.passes) for phone in phones)

    def count(self, answers: list[Json]) -> None:
        """Counts what check-ins were answered."""
        admitted = [answer for answer in answers if answer["outcome"] == "admitted"]
        self.visits += sum(len(answer["visit_ids"]) for answer in admitted)
        self.refused += len(answers) - len(admitted)
        if len(admitted) < len(answers):
            odd = next(answer for answer in answers if answer["outcome"] != "admitted")
            raise DistrictError(f"a check-in before the story was not admitted: {odd['outcome']} {odd['reasons']}")

    async def go_out(self, number: int) -> None:
        """One outing: the index person and contacts at its place, everybody else anywhere else."""
        outing = self.cast.outings[number]
        await self.travel(outing.hours_ago)
        place = self.place(outing.place)
        self.count(await scene.visit(self.district, place, [self.cast.index]))
        if number == 1:
            await self._by_screen(place, outing.contacts)
        else:
            self.count(await scene.visit(self.district, place, outing.contacts))
        if number == ASK_AT:
            await self._unproven(place)
        await self._others(number)

    async def _by_screen(self, place: Place, phones: list[Phone]) -> None:
        """Visitors scan a code that the venue's screen shows for 30 seconds only: as good as being seen by staff."""
        answer = await self.district.api("venue_operator", place.operator).post(f"/zones/{place.zone}/screen-secrets")
        grant = ScreenGrant(place.zone, int(answer["version"]), decode(answer["kid"]), decode(answer["signature"]))
        now = self.district.now()
        code = grant.show(decode(answer["secret"]), now).to_text()
        self.count(await self.district.check_in_many([(phone.check_in(code, now), code) for phone in phones]))

    async def _unproven(self, place: Place) -> None:
        """A printed code can be scanned from a photograph, and a paper card be lent: neither proves who was there."""
        now = self.district.now()
        shown = [(phone.check_in(place.code, now), place.code) for phone in self.cast.by_poster]
        self.count(await self.district.check_in_many(shown))
        holder = {"card_id": scene.new_id(), "resident_id": self.cast.card_holder}
        card = await self.district.api("grid_worker").post("/paper-cards", holder)
        self.count([await scene.admitted_by_card(self.district, place, card["card"])])

    async def _others(self, number: int) -> None:
        """Visits that have nothing to do with the case; half scanned by staff, half by the visitors themselves."""
        visitors = [*self.cast.others, *([self.cast.unrelated] if number == len(HOURS_AGO) - 1 else [])]
        places = elsewhere(self.cast, len(visitors), f"outing {number}")
        now = self.district.now()
        by_account: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for turn, (phone, at) in enumerate(zip(visitors, places, strict=True)):
            place = self.place(at)
            if turn % 2:
                by_account[place.operator].append((phone.show(now), place.code))
            else:
                by_account[""].append((phone.check_in(place.code, now), place.code))
        for account, shown in by_account.items():
            self.count(await self.district.check_in_many(shown, operator=account))

    async def pass_a_gate(self) -> None:
        """The index person and somebody else pass the same checkpoint: a lead for a tracer, never a ground by itself."""
        self.gate = await scene.gate(self.district)
        async with GateClient(self.district.stack.address("checkpoint"), self.gate) as client:
            await client.accepted(self.district.now)
            for phone in (self.cast.index, self.cast.passer):
                await _pass(client, phone, self.district)


async def _pass(client: GateClient, phone: Phone, district: District) -> None:
    """One passage, shown again while the service is too busy to say that it is stored."""
    for _ in range(ATTEMPTS):
        now = district.now()
        if (await client.scan(phone.show(now), now)).recorded:
            return
        await asyncio.sleep(SETTLE_SECONDS)
    raise DistrictError("a passage before the story was not recorded")
