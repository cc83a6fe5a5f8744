"""Fengshan's seven supervision teams 督导组: who goes where is drawn 双随机, and nobody can steer it."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

from devstack.api import Json, encode
from devstack.demo.places import community
from devstack.district import District
from devstack.work.office import Office, Shop, Visit
from devstack.work.pace import everyone, pages

TEAMS: Final = ("第一", "第二", "第三", "第四", "第五", "第六", "第七")
MEMBERS: Final = 4
PER_MILLE: Final = 50
LASTS: Final = timedelta(days=9)
FAILS: Final = 4
"""One in so many of the drawn venues is found wanting."""


class SpotCheck:
    """One draw and its visits. `assigned`: who goes where, as drawn."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.district: District = office.district
        self.area = office.work.area
        self.draw_id = str(uuid4())
        self.assigned: list[Json] = []

    async def teams(self) -> None:
        """Seven teams, led by the community leads; nobody inspects where they are at home."""
        lead = self.district.api("enforcement_lead", f"lead-1-{self.area}")
        for number, name in enumerate(TEAMS):
            team_id = str(uuid4())
            await lead.post(
                "/supervision-teams",
                {"team_id": team_id, "name": f"{self.office.work.name}{name}督导组", "area": self.area},
            )
            for member in range(MEMBERS):
                at_home = community(self.area, number + member)
                account = f"supervisor-{number + 1}-{member + 1}"
                body = {"inspector_id": str(uuid4()), "account": account, "home_community": at_home}
                await lead.post(f"/supervision-teams/{team_id}/inspectors", body)

    async def draw(self) -> None:
        """An officer commits, a lead adds a number of their own, and the draw follows from both."""
        officer = self.district.api("venue_officer", f"officer-{self.area}")
        lead = self.district.api("enforcement_lead", f"lead-1-{self.area}")
        body = {
            "draw_id": self.draw_id,
            "area": self.area,
            "title": "双随机检查",
            "area_digits": len(self.area),
            "per_mille": PER_MILLE,
            "ends_at": (self.district.now() + LASTS).isoformat(),
        }
        await officer.post("/spot-checks", body)
        await lead.post(f"/spot-checks/{self.draw_id}/draw", {"contribution": encode(secrets.token_bytes(32))})
        self.assigned = await pages(lead, f"/spot-checks/{self.draw_id}/assignments", "assignments", page_size=500)

    def wanting(self) -> list[Json]:
        """The drawn venues that will fail, as the register has them."""
        by_id = {each["venue_id"]: each for each in self.office.venues}
        most = self.office.work.failing[0] // 2
        return [by_id[each["venue_id"]] for each in self.assigned[::FAILS]][:most]

    async def visit(self) -> list[Shop]:
        """Each pair begins at its doors, inspects, and says which inspection came of it; the shops that failed."""
        by_id = {each["venue_id"]: each for each in self.office.venues}
        failing = {shop.venue["venue_id"]: shop for shop in self.office.shops}
        bad = {each["venue_id"] for each in self.wanting()}
        begun = (self.district.now() - timedelta(minutes=60)).isoformat()

        async def begin(each: Json) -> None:
            api = self.district.api("inspector", each["first_inspector"])
            await api.post(f"{self._door(each)}/beginning", {"begun_at": begun})

        await everyone("双随机", self.assigned, begin, self.district.progress)
        visits = []
        for each in self.assigned:
            venue_id, pair = each["venue_id"], (each["first_inspector"], each["second_inspector"])
            shop = failing[venue_id] if venue_id in bad else Shop(by_id[venue_id])
            visits.append(Visit(shop, pair, failing=2 if venue_id in bad else 0, minutes_ago=30))
        made = await self.office.inspect("双随机", visits)

        async def link(pair: tuple[Json, str]) -> None:
            each, inspection_id = pair
            api = self.district.api("inspector", each["first_inspector"])
            await api.post(f"{self._door(each)}/inspection", {"inspection_id": inspection_id})

        await everyone("双随机", list(zip(self.assigned, made, strict=True)), link, self.district.progress)
        return [failing[venue_id] for venue_id in bad]

    async def coverage(self) -> Sequence[Json]:
        """Per team, in the teams' order."""
        reader = self.district.api("command")
        found = await reader.get("/spot-check-coverage", area=self.area, draw_id=self.draw_id)
        return sorted(found["teams"], key=lambda team: _place(str(team["team_name"])))

    def _door(self, assignment: Json) -> str:
        return f"/spot-checks/{self.draw_id}/venues/{assignment['venue_id']}"


def _place(name: str) -> int:
    return next((number for number, ordinal in enumerate(TEAMS) if ordinal in name), len(TEAMS))
