"""A district with supervision teams, venues to be drawn and pairs at their doors, on the service's real parts."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger.note import Signer
from lilitong.venue.v1 import events_pb2
from lilitong.venue.v1 import inspection_pb2 as ipb
from lilitong.venue.v1 import spot_check_pb2 as pb
from passes.vault import DirectoryVault
from venue.enforcement.inspections.recording import Recording
from venue.enforcement.inspections.rpc import InspectionServicer
from venue.enforcement.ladder.events import Teller
from venue.key_versions import VenueKeys
from venue.spotcheck import room

from ..acting import ActingByDay, person  # noqa: TID252 - tests are in no package that has a name

DISTRICT = "141102"
MET, FAILED = 1, 2
TO_BEGIN, BEGUN, INSPECTED, MISSED = 1, 2, 3, 4
COMMITTED, OPENED, DRAWN, PUBLISHED, LAPSED = 1, 2, 3, 4, 5


async def refused(call):
    """The kind and the reason of the refusal."""
    with pytest.raises(DomainError) as found:
        await call
    return found.value.kind, found.value.reason


@dataclass
class Squad(ActingByDay):
    """What people do, in one line each. Times are the house's clock's."""

    room: room.Room
    signer: Signer
    draw_keys: Path
    told: SimpleNamespace
    inspections: InspectionServicer

    officer = person("officer-1", "venue_officer")
    lead = person("lead-1", "enforcement_lead")
    chief = person("lead-2", "enforcement_lead")
    shop = person("shop-1", "venue_operator")

    def servicer_of(self, name):
        return self.room.servicer if hasattr(self.room.servicer, name) else self.inspections

    async def team(self, name="一队", homes=("141102009001", "141102009002"), area=DISTRICT):
        """A team with an inspector for each home; returns (team id, accounts)."""
        team_id, accounts = str(uuid4()), []
        await self.call(
            self.lead,
            pb.RegisterSupervisionTeamRequest(request_id=str(uuid4()), team_id=team_id, name=name, area=area),
        )
        for number, home in enumerate(homes):
            accounts.append(f"{name}-{number}")
            await self.call(self.lead, self.assign(team_id, accounts[-1], home))
        return team_id, accounts

    @staticmethod
    def assign(team_id, account, home="141102009001", **given):
        fields = {"request_id": str(uuid4()), "inspector_id": str(uuid4())}
        return pb.AssignInspectorRequest(
            **fields | {"account": account, "team_id": team_id, "home_community": home} | given
        )

    async def venues(self, count, area="141102001001", **given):
        return [await self.house.register(area=area, **given) for _ in range(count)]

    def commitment(self, *, days=7, **given):
        fields = {
            "request_id": str(uuid4()),
            "draw_id": str(uuid4()),
            "area": DISTRICT,
            "title": "三月双随机抽查",
            "area_digits": 9,
            "per_mille": 500,
        }
        request = pb.CommitSpotCheckRequest(**fields | given)
        request.ends_at.FromDatetime(self.now() + timedelta(days=days))
        return request

    async def commit(self, **given):
        return (await self.call(self.officer, self.commitment(**given))).spot_check

    @staticmethod
    def opening(draw_id, contribution=None, **given):
        fields = {"request_id": str(uuid4()), "draw_id": draw_id, "contribution": contribution or os.urandom(32)}
        return pb.DrawSpotCheckRequest(**fields | given)

    async def draw(self, draw_id, **given):
        return (await self.call(self.lead, self.opening(draw_id, **given))).spot_check

    async def drawn(self, **given):
        return await self.draw((await self.commit(**given)).draw_id)

    async def get(self, draw_id):
        return (await self.call(self.officer, pb.GetSpotCheckRequest(draw_id=draw_id))).spot_check

    async def assignments(self, draw_id, caller=None, **given):
        request = pb.ListSpotCheckAssignmentsRequest(draw_id=draw_id, **given)
        return list((await self.call(caller or self.lead, request)).assignments)

    def beginning(self, assignment, at=None, **given):
        request = pb.BeginSpotCheckRequest(
            request_id=str(uuid4()), draw_id=assignment.draw_id, venue_id=assignment.venue_id, **given
        )
        request.begun_at.FromDatetime(at or self.now())
        return request

    @staticmethod
    def first(assignment):
        return person(assignment.first_inspector, "inspector")

    @staticmethod
    def second(assignment):
        return person(assignment.second_inspector, "inspector")

    async def begin(self, assignment, caller=None, **given):
        request = self.beginning(assignment, **given)
        return (await self.call(caller or self.first(assignment), request)).assignment

    async def inspect(self, assignment, *, bad=(), inspectors=None):
        """The pair records an inspection of the venue; its id."""
        first, second = inspectors or (assignment.first_inspector, assignment.second_inspector)
        caller = person(first, "inspector")
        listed = await self.call(caller, ipb.GetChecklistRequest(subject=1, category=assignment.category))
        request = ipb.RecordInspectionRequest(
            request_id=str(uuid4()),
            inspection_id=str(uuid4()),
            subject=1,
            subject_id=assignment.venue_id,
            first_inspector=first,
            second_inspector=second,
            checklist_version=1,
            findings=[
                ipb.Finding(item=each.item, outcome=FAILED if each.item in bad else MET)
                for each in listed.checklist.items
            ],
        )
        request.inspected_at.FromDatetime(self.now())
        await self.call(caller, request)
        return request.inspection_id

    @staticmethod
    def linking(assignment, inspection_id):
        return pb.LinkSpotCheckInspectionRequest(
            request_id=str(uuid4()),
            draw_id=assignment.draw_id,
            venue_id=assignment.venue_id,
            inspection_id=inspection_id,
        )

    async def link(self, assignment, inspection_id, caller=None):
        request = self.linking(assignment, inspection_id)
        return (await self.call(caller or self.first(assignment), request)).assignment

    async def seen_by_shop(self, venue_id, caller=None):
        request = pb.ListVenueSpotChecksRequest(venue_id=venue_id)
        return list((await self.call(caller or self.shop, request)).spot_checks)

    async def record(self, draw_id, caller=None):
        return (await self.call(caller or self.shop, pb.GetSpotCheckRecordRequest(draw_id=draw_id))).record

    async def coverage(self, **given):
        request = pb.GetSpotCheckCoverageRequest(**{"area": DISTRICT} | given)
        return list((await self.call(self.lead, request)).teams)

    async def events(self):
        """(subject's end, message) of the room's events, in order."""
        rows = await self.house.rows(
            "SELECT subject, type, payload FROM outbox WHERE subject LIKE '%spot_check%' ORDER BY seq"
        )
        return [
            (
                row["subject"].rpartition(".")[2],
                getattr(events_pb2, row["type"].rpartition(".")[2]).FromString(row["payload"]),
            )
            for row in rows
        ]


def draw_keys(folder):
    """The vault's, in that folder."""
    return VenueKeys.of(DirectoryVault(folder)).draws


@pytest.fixture
async def squad(house, tmp_path):
    await house.owner.execute("TRUNCATE spot_checks, supervision_teams, spot_check_inspectors CASCADE")
    signer = Signer("lilitong/venue", Ed25519PrivateKey.generate())
    told = SimpleNamespace(relay=0)

    def wake():
        told.relay += 1

    folder = tmp_path / "draw keys"
    made = room.build(house.pool, house.clock, signer, draw_keys(folder), seal=lambda: b"", told=wake)
    recording = Recording(house.clock, Teller(lambda: b""))
    inspections = InspectionServicer(house.pool, house.clock, recording, None, wake)
    return Squad(house, made, signer, folder, told, inspections)


@pytest.fixture
async def rebuilt(squad):
    """A fresh process on the same store: its room."""
    return lambda: room.build(
        squad.house.pool,
        squad.house.clock,
        squad.signer,
        draw_keys(squad.draw_keys),
        seal=lambda: b"",
        told=lambda: None,
    )
