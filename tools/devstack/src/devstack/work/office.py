"""The venue office of one sub-district: inspections by pairs, what follows from them, and what ends it again. Public API only."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import uuid4

from devstack.api import Api, Json, encode
from devstack.district import District
from devstack.work.ladders import DECISION, RED, YELLOW, SubDistrict
from devstack.work.pace import everyone

BATCH: Final = 50
PAIRS: Final = 6
REMARKS: Final = ("现场未落实", "记录不全", "无人值守", "要求未张贴")
WINDOW_DAYS: Final = 60


@dataclass(slots=True)
class Shop:
    """A venue and its failed inspections, oldest first."""

    venue: Json
    measures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Visit:
    """One inspection to come: by whom, where, and what of it. `failing`: how many items of the checklist are not met."""

    shop: Shop
    pair: tuple[str, str]
    failing: int = 0
    reinspects: str = ""
    minutes_ago: int = 0


class Office:
    """`shops`: those that come to fail, most often first, once `choose` has named them; `recorded`: inspections so far."""

    def __init__(self, district: District, work: SubDistrict, venues: Sequence[Json]) -> None:
        self.district, self.work, self.venues = district, work, venues
        self.shops: list[Shop] = []
        self.recorded = 0
        self._items: dict[str, list[str]] = {}
        self._random = random.Random(f"work/{work.area}")  # noqa: S311 - the same on every run
        self._pairs = [(f"inspector-{work.area}-{n}a", f"inspector-{work.area}-{n}b") for n in range(PAIRS)]
        self._fresh: list[Json] = []

    async def prepare(self) -> None:
        """The ladder as a policy, drafted by one lead and approved by two others, and the checklists that inspectors carry."""
        rules = {
            "window_days": WINDOW_DAYS,
            "steps": [step.as_json() for step in self.work.ladder],
            "reinspect_hours": 24,
            "climb_hours": 24,
            "issuing_body": self.work.issuing_body,
        }
        policy_id = str(uuid4())
        draft = {
            "policy_id": policy_id,
            "area": self.work.area,
            "title": f"{self.work.name}阶梯处置办法",
            "rules": rules,
            "effective_from": (self.district.now() - timedelta(minutes=1)).isoformat(),
        }
        await self._lead(1).post("/ladder-policies", draft)
        for number in (2, 3):
            await self._lead(number).post(f"/ladder-policies/{policy_id}/approvals")
        for category in sorted({each["category"] for each in self.venues}):
            found = await self.district.api("inspector", self._pairs[0][0]).get("/checklists", category=category)
            self._items[category] = [each["item"] for each in found["items"]]

    def choose(self, first: Sequence[Json]) -> None:
        """Who fails: those of the spot check (`first`) and as many others as the figures need, in no order of the register."""
        taken = {each["venue_id"] for each in first}
        others = [each for each in self.venues if each["venue_id"] not in taken]
        self._random.shuffle(others)
        count = self.work.failing[0]
        chosen = [*others[: count - len(first)], *first][:count]
        self._random.shuffle(chosen)
        self.shops = [Shop(each) for each in chosen]
        self._fresh = others[count - len(first) :]

    async def first_round(self, done: Sequence[Shop] = ()) -> None:
        """Whoever is to fail does, but for those where a spot check has been; some others are found in order."""
        visited = {id(shop) for shop in done}
        failing = [shop for shop in self.shops if id(shop) not in visited]
        await self.inspect("检查", self._visits(failing, failing=2))
        await self.inspect("检查", self._visits([Shop(each) for each in self._fresh[: self.work.passing]]))

    async def mend(self) -> None:
        """Some of those that failed once put it right, and the inspectors look again."""
        second = self.work.failing[1]
        await self._put_right(self.shops[second : second + self.work.mended])

    async def again(self, step: int) -> None:
        """The shops that come to the second or third step (2, 3) are looked at again and fail again."""
        shops = self.shops[: self.work.failing[step - 1]]
        visits = self._visits(shops, failing=1)
        await self.inspect(
            "复查", [Visit(v.shop, v.pair, v.failing, v.shop.measures[-1], v.minutes_ago) for v in visits]
        )

    async def suspend(self) -> None:
        """The suspensions that third failures propose are approved by a lead who was not there."""

        async def approve(shop: Shop) -> None:
            await self._lead(1).post(f"/measures/{shop.measures[-1]}/suspensions", {"suspension_id": str(uuid4())})

        await everyone("停业整顿", self.shops[: self.work.failing[2]], approve, self.district.progress)

    async def reopen(self) -> None:
        """Some with a card, and some that are suspended, put it right; a second person lifts what needs it."""
        _, _, third = self.work.failing
        suspended, carded = self.shops[: self.work.reopened], self.shops[third : third + self.work.unbarred]
        await self._put_right([*suspended, *carded])
        to_lift = [
            shop
            for shop in (*suspended, *carded)
            if {YELLOW, RED, DECISION} & set(self.work.ladder[len(shop.measures) - 1].papers)
        ]

        async def lift(shop: Shop) -> None:
            lift_id = str(uuid4())
            inspector = self.district.api("inspector", self._pairs[0][0])
            await inspector.post(
                f"/measures/{shop.measures[-1]}/lifts", {"lift_id": lift_id, "grounds": "复查合格，建议解除。"}
            )
            await self._lead(2).post(f"/measure-lifts/{lift_id}/approvals")

        await everyone("解除", to_lift, lift, self.district.progress)

    async def inspect(self, what: str, visits: Sequence[Visit]) -> list[str]:
        """Uploads inspections pair by pair; their ids in the order of `visits`. A failed one is added to its shop's measures."""
        said = [self._said(visit) for visit in visits]
        by_pair: dict[tuple[str, str], list[Json]] = {}
        for visit, body in zip(visits, said, strict=True):
            by_pair.setdefault(visit.pair, []).append(body)

        async def upload(pair: tuple[str, str]) -> None:
            api = self.district.api("inspector", pair[0])
            await self.district.batches(
                f"{self.work.name} {what}", api, "/inspection-batches", by_pair[pair], BATCH, at_once=1
            )

        await everyone(f"{self.work.name} {what}", list(by_pair), upload, lambda *_: None)
        for visit, body in zip(visits, said, strict=True):
            if visit.failing:
                visit.shop.measures.append(body["inspection_id"])
        self.recorded += len(said)
        return [body["inspection_id"] for body in said]

    def _visits(self, shops: Sequence[Shop], *, failing: int = 0) -> list[Visit]:
        """Shared out among the pairs, over the last hours."""
        return [
            Visit(shop, self._pairs[number % PAIRS], failing, minutes_ago=self._random.randrange(5, 180))
            for number, shop in enumerate(shops)
        ]

    def _said(self, visit: Visit) -> Json:
        """An inspection as its pair's device says it."""
        items = self._items[visit.shop.venue["category"]]
        bad = set(self._random.sample(items, visit.failing))
        findings = [
            {"item": item, "outcome": "failed", "remark": self._random.choice(REMARKS)}
            if item in bad
            else {"item": item, "outcome": "met"}
            for item in items
        ]
        return {
            "request_id": str(uuid4()),
            "inspection_id": str(uuid4()),
            "subject": "venue",
            "subject_id": visit.shop.venue["venue_id"],
            "first_inspector": visit.pair[0],
            "second_inspector": visit.pair[1],
            "inspected_at": (self.district.now() - timedelta(minutes=visit.minutes_ago)).isoformat(),
            "checklist_version": 1,
            "findings": findings,
            "reinspects": visit.reinspects,
        }

    async def _put_right(self, shops: Sequence[Shop]) -> None:
        async def rectify(shop: Shop) -> None:
            api = self.district.api("venue_operator", shop.venue["operators"][0])
            body = {
                "rectification_id": str(uuid4()),
                "statement": "已按要求整改，见照片。",
                "evidence": [encode(sha256(f"demo photo of {shop.measures[-1]}".encode()).digest())],
            }
            await api.post(f"/measures/{shop.measures[-1]}/rectifications", body)

        await everyone(f"{self.work.name} 整改", shops, rectify, self.district.progress)
        visits = [
            Visit(shop, self._pairs[number % PAIRS], reinspects=shop.measures[-1]) for number, shop in enumerate(shops)
        ]
        await self.inspect("复查", visits)

    def _lead(self, number: int) -> Api:
        return self.district.api("enforcement_lead", f"lead-{number}-{self.work.area}")
