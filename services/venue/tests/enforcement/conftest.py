"""A district with its ladders, inspectors and leads, on the service's real parts."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger.note import Signer
from lilitong.venue.v1 import enforcement_pb2 as pb
from lilitong.venue.v1 import events_pb2
from lilitong.venue.v1 import inspection_pb2 as ipb
from venue.enforcement import room
from venue.enforcement.inspections.photos import open_store
from venue.register.zones import ZoneCache

from ..acting import ActingByDay, person  # noqa: TID252 - tests are in no package that has a name

LIANHUACHI = "141102002"
FENGSHAN = "141102001"
FORM, NOTICE, YELLOW, RED, DECISION, SEAL = 1, 2, 3, 4, 5, 6
MET, FAILED, NOT_APPLICABLE = 1, 2, 3
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(40)


def step(papers, days=0, hours=48):
    return pb.LadderStep(papers=papers, suspension_days=days, rectify_hours=hours)


# As the two sub-districts worked in March 2022: Lianhuachi with cards, Fengshan without.
LADDERS = {
    LIANHUACHI: (
        "莲花池街道疫情防控办公室",
        [step([FORM, NOTICE]), step([FORM, NOTICE, YELLOW]), step([FORM, RED, DECISION, SEAL], days=3, hours=72)],
    ),
    FENGSHAN: (
        "凤山街道疫情防控办公室",
        [step([FORM, NOTICE]), step([FORM, NOTICE]), step([FORM, DECISION, SEAL], days=3, hours=72)],
    ),
}


def rules(area, **given):
    body, steps = LADDERS[area]
    fields = {"window_days": 60, "steps": steps, "reinspect_hours": 24, "climb_hours": 24, "issuing_body": body}
    return pb.LadderRules(**fields | given)


async def refused(call):
    """The kind and the reason of the refusal."""
    with pytest.raises(DomainError) as found:
        await call
    return found.value.kind, found.value.reason


async def count(street, table):
    return await street.house.owner.fetchval(f"SELECT count(*) FROM {table}")


async def failed(street, venue, times=3):
    """Failed inspections, ten minutes apart; the last one's measure."""
    for _ in range(times):
        answer = await street.fail(venue)
        street.later(minutes=10)
    return answer.inspection.inspection_id


@dataclass
class Street(ActingByDay):
    """What people do, in one line each. Times are the house's clock's."""

    room: room.Room
    signer: Signer
    told: SimpleNamespace
    items: dict = field(default_factory=dict)

    one = person("inspector-1", "inspector")
    two = person("inspector-2", "inspector")
    lead = person("lead-1", "enforcement_lead")
    chief = person("lead-2", "enforcement_lead")
    third = person("lead-3", "enforcement_lead")
    shop = person("shop-1", "venue_operator")

    def servicer_of(self, name):
        return self.room.inspections if hasattr(self.room.inspections, name) else self.room.enforcement

    async def policy(self, area, *, effective=None, **given):
        """A policy in force."""
        draft = pb.DraftLadderPolicyRequest(
            request_id=str(uuid4()), policy_id=str(uuid4()), area=area, title="阶梯处置办法", rules=rules(area, **given)
        )
        draft.effective_from.FromDatetime(effective or self.now() - timedelta(days=1))
        await self.call(self.lead, draft)
        for approver in (self.chief, self.third):
            ask = pb.ApproveLadderPolicyRequest(request_id=str(uuid4()), policy_id=draft.policy_id)
            answer = await self.call(approver, ask)
        return answer.policy

    async def policies(self):
        return [await self.policy(area) for area in LADDERS]

    async def venue(self, area=LIANHUACHI, **given):
        return await self.house.register(area=f"{area}001", **given)

    async def checklist(self, subject=1, category=3):
        if (subject, category) not in self.items:
            answer = await self.call(self.one, ipb.GetChecklistRequest(subject=subject, category=category))
            self.items[subject, category] = [each.item for each in answer.checklist.items]
        return self.items[subject, category]

    async def inspection(self, venue, *, bad=(), photos=None, made=None, **given):
        """A request; `bad` items failed, `photos` by item, `made` is the device's time."""
        items = await self.checklist(1, venue.category)
        findings = [
            ipb.Finding(item=item, outcome=FAILED if item in bad else MET, photos=(photos or {}).get(item, ()))
            for item in items
        ]
        fields = {
            "request_id": str(uuid4()),
            "inspection_id": str(uuid4()),
            "subject": 1,
            "subject_id": venue.venue_id,
            "first_inspector": "inspector-1",
            "second_inspector": "inspector-2",
            "checklist_version": 1,
            "findings": findings,
        }
        request = ipb.RecordInspectionRequest(**fields | given)
        request.inspected_at.FromDatetime(made or self.now())
        return request

    async def fail(self, venue, **given):
        return await self.call(self.one, await self.inspection(venue, bad=["masks"], **given))

    async def passes(self, venue, measure_id="", **given):
        return await self.call(self.one, await self.inspection(venue, reinspects=measure_id, **given))

    async def rectify(self, measure_id, caller=None, **given):
        fields = {
            "request_id": str(uuid4()),
            "rectification_id": str(uuid4()),
            "measure_id": measure_id,
            "statement": "已整改",
            "evidence": [os.urandom(32)],
        }
        return await self.call(caller or self.shop, pb.SubmitRectificationRequest(**fields | given))

    async def suspend(self, measure_id, caller=None, **given):
        fields = {"request_id": str(uuid4()), "suspension_id": str(uuid4()), "measure_id": measure_id}
        return await self.call(caller or self.lead, pb.ApproveSuspensionRequest(**fields | given))

    async def propose_extension(self, measure_id, caller=None, days=2):
        extension_id = str(uuid4())
        request = pb.ProposeSuspensionExtensionRequest(
            request_id=str(uuid4()), extension_id=extension_id, measure_id=measure_id, days=days, grounds="仍未整改"
        )
        await self.call(caller or self.lead, request)
        return extension_id

    async def extend(self, extension_id, caller=None):
        request = pb.ApproveSuspensionExtensionRequest(
            request_id=str(uuid4()), suspension_id=str(uuid4()), extension_id=extension_id
        )
        return await self.call(caller or self.chief, request)

    async def propose_lift(self, measure_id, caller=None):
        lift_id = str(uuid4())
        request = pb.ProposeMeasureLiftRequest(
            request_id=str(uuid4()), lift_id=lift_id, measure_id=measure_id, grounds="复查合格"
        )
        await self.call(caller or self.one, request)
        return lift_id

    async def lift(self, lift_id, caller=None):
        request = pb.ApproveMeasureLiftRequest(request_id=str(uuid4()), lift_id=lift_id)
        return (await self.call(caller or self.lead, request)).standing

    async def appeal(self, measure_id, caller=None):
        request = pb.FileAppealRequest(
            request_id=str(uuid4()), appeal_id=str(uuid4()), measure_id=measure_id, grounds="当时已测温"
        )
        return (await self.call(caller or self.shop, request)).appeal

    async def decide(self, appeal_id, decision, caller=None):
        request = pb.DecideAppealRequest(
            request_id=str(uuid4()), appeal_id=appeal_id, decision=decision, grounds="经核实"
        )
        return (await self.call(caller or self.third, request)).appeal

    async def standing(self, venue, at=None, caller=None):
        request = pb.GetStandingRequest(venue_id=venue.venue_id)
        if at is not None:
            request.at.FromDatetime(at)
        return (await self.call(caller or self.lead, request)).standing

    async def open_measures(self, area="141102", caller=None, **given):
        return (await self.call(caller or self.lead, pb.ListOpenMeasuresRequest(area=area, **given))).measures

    async def climb_to_suspension(self, venue):
        """Three failed inspections, the last one's suspension approved."""
        for _ in range(3):
            answer = await self.fail(venue)
            self.later(hours=1)
        return answer.inspection.inspection_id, (await self.suspend(answer.inspection.inspection_id)).suspension

    async def agrees(self, venue, standing):
        """What check-ins rest on says the same as the standing, and so does the list of what is open."""
        assert self.house.zones.find(venue.zones[0].zone).suspended(self.now()) == standing.suspended
        await self.room.clocks.tick()
        heads = await self.house.rows("SELECT measure_id FROM ladder_heads WHERE venue_id = $1", venue.venue_id)
        assert [str(head["measure_id"] or "") for head in heads] in ([], [standing.current_measure_id])

    async def check_in(self, venue, name="wang", **given):
        """The answer at the venue's door."""
        return await self.house.check_in(self.house.scan(name, venue.zones[0].code, **given))

    async def events(self, what=None):
        """(subject's end, message) of the room's events, in order."""
        rows = await self.house.rows(
            "SELECT subject, type, payload FROM outbox WHERE subject !~ 'venue.venue|exposure|code' ORDER BY seq"
        )
        found = [
            (
                row["subject"].removeprefix("lilitong.venue."),
                getattr(events_pb2, row["type"].rpartition(".")[2]).FromString(row["payload"]),
            )
            for row in rows
        ]
        return [message for subject, message in found if subject == what] if what else found


@pytest.fixture
async def street(house, tmp_path):
    return make_street(house, tmp_path)


def make_street(house, folder):
    signer = Signer("lilitong/venue", Ed25519PrivateKey.generate())
    told = SimpleNamespace(relay=0, bell=0)

    def wake():
        told.relay += 1

    async def announce():
        told.bell += 1
        await house.zones.announce()

    made = room.build(
        house.pool,
        house.clock,
        signer,
        open_store("", folder / "photos"),
        seal=lambda: b"",
        told=wake,
        zones_changed=announce,
    )
    return Street(house, made, signer, told)


@pytest.fixture
def replica(house):
    """Another replica's memory of the zones, and a door that rests on it."""
    from dataclasses import replace

    zones = ZoneCache(house.pool)
    return SimpleNamespace(zones=zones, admission=replace(house.admission, find_zone=zones.find))
