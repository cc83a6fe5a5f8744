"""Real things for the calls to be about: made at first through the public API, added to by what the answers tell."""

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from random import Random
from typing import Any

import access_table
import grpc
from access_matrix.callers import Callers
from access_matrix.doors import Rpcs
from access_matrix.making import Maker
from access_matrix.world import World
from devstack import scene
from devstack.district import District
from devstack.phone import Phone
from devstack.stack import Stack
from passes import venue_code
from passes.errors import PassError

WORLDS, PHONES, FAMILIES, SUSPECTS = 2, 24, 8, 6
_KEPT = 400
# Names under which answers tell of things that requests name; others would be taken for something that they are not.
TOLD = frozenset({
    "household_id", "resident_id", "card_id", "policy_id", "case_id", "lab_result_id", "task_id", "restriction_id",
    "evidence_id", "venue_id", "zone", "post_id", "device_id", "drill_id", "inspection_id", "measure_id", "suspension_id",
    "extension_id", "lift_id", "appeal_id", "application_id", "import_id", "candidate_id", "template_id", "obligation_id",
    "document_id", "team_id", "inspector_id", "draw_id", "premises_id", "lot_id", "sample_id", "proposal_id", "decision_id",
    "export_id",
})  # fmt: skip
_OTHER_NAMES = {"code": "venue_code", "next_page_token": "page_token", "visit_ids": "visit_id", "card": "card"}
_OF_A_WORLD = {
    "suspect_id": "resident_id", "restricted_id": "resident_id", "approving_case_id": "case_id",
    "approving_result_id": "lab_result_id", "closing_case_id": "case_id", "lifting_id": "restriction_id",
    "lift_proposed_id": "restriction_id", "proposal_id": "restriction_id", "replacing_zone": "zone",
    "revoking_zone": "zone", "screen_zone": "zone", "revoking_device_id": "device_id", "ladder_policy_id": "policy_id",
    "rectifying_id": "measure_id", "suspended_id": "measure_id", "growing_id": "venue_id", "letter_draft_id": "template_id",
    "growing_team_id": "team_id", "lot_sample_id": "sample_id", "released_lot_id": "lot_id", "recall_id": "decision_id",
    "ended_draw_id": "draw_id",
}  # fmt: skip


class Things:
    """Pools by the name that a request gives them. `stored`: what was answered as done, by table's name."""

    def __init__(self) -> None:
        self._pools: dict[str, deque[Any]] = {}
        self._pairs: dict[str, list[dict[str, Any]]] = {}
        self.phones: list[Phone] = []
        self.operators: list[str] = []
        self.worlds: list[World] = []
        self._seconds = itertools.count()

    @classmethod
    async def made(cls, stack: Stack) -> "Things":
        """Two worlds of the access matrix and some people with phones beside them."""
        things = cls()
        catalog = access_table.collect()
        channels = {name: grpc.aio.insecure_channel(stack.address(name)) for name in access_table.SERVICES}
        try:
            maker = Maker(Rpcs(channels), Callers(stack.minter), catalog.endpoints)
            for _ in range(WORLDS):
                things._take_world(await maker.world())
        finally:
            await asyncio.gather(*(channel.close() for channel in channels.values()))
        district = District(stack)
        try:
            things.phones = await scene.people(district, PHONES)
            for _ in range(FAMILIES):
                things.phones += await scene.family(district, 3)
            for _ in range(3):
                place = await scene.venue(district)
                things.tell({"venue_id": place.venue_id, "zone": place.zone, "code": place.code})
                things.operators.append(place.operator)
            for phone in await scene.people(district, SUSPECTS):
                case_id, result_id = await district.suspect(phone.resident_id)
                things._belong("POST /v1/cases/{case_id}/approvals", case_id=case_id, lab_result_id=result_id)
        finally:
            await district.close()
        for phone in things.phones:
            things.tell({"resident_id": phone.resident_id})
        return things

    def _take_world(self, world: World) -> None:
        self.worlds.append(world)
        for field in fields(World):
            name = _OF_A_WORLD.get(field.name, field.name)
            if name in TOLD or name in {"id_number", "venue_code", "visit_id"}:
                self._add(name, getattr(world, field.name))
        self.operators.append(world.operator)

    def _belong(self, about: str, **values: Any) -> None:
        """These values make sense together only: drawn one by one they hardly ever meet."""
        self._pairs.setdefault(about, []).append(values)

    def together(self, about: str, random: Random) -> Mapping[str, Any]:
        """Values that belong together for an operation, every other time; nothing where each may stand alone."""
        pairs = self._pairs.get(about)
        return random.choice(pairs) if pairs and random.random() < 0.5 else {}

    def tell(self, answer: Any) -> None:
        """Takes up every thing that an answer names."""
        if isinstance(answer, Mapping):
            for name, value in answer.items():
                known = _OTHER_NAMES.get(name, name)
                if known in TOLD or name in _OTHER_NAMES:
                    for one in value if isinstance(value, list) else [value]:
                        self._add(known, one)
                self.tell(value)
        elif isinstance(answer, list):
            for one in answer[:20]:
                self.tell(one)

    def _add(self, name: str, value: Any) -> None:
        if value and isinstance(value, str | int):
            self._pools.setdefault(name, deque(maxlen=_KEPT)).append(value)

    def pick(self, name: str, random: Random) -> Any:
        """Something real, mostly one of the newest; None when there is nothing of that name."""
        pool = self._pools.get(name)
        if not pool:
            return None
        near = min(len(pool), 12) if random.random() < 0.5 else len(pool)
        return pool[-random.randint(1, near)]

    def shown(self, code: str, random: Random) -> str:
        """A fresh presentation of somebody's phone, for a venue's code or ("") for whoever scans."""
        phone = random.choice(self.phones)
        context = b""
        if code:
            try:
                context = venue_code.parse(code).to_bytes()
            except PassError:
                return "LLT1:NOTHING"
        # Different seconds, so that not all are replays of each other; all of them fresh.
        second = int(datetime.now(UTC).timestamp()) - next(self._seconds) % 40
        try:
            return phone.show(datetime.fromtimestamp(second, UTC), context=context)
        except KeyError:  # the day before, around midnight
            return phone.show(datetime.now(UTC), context=context)
