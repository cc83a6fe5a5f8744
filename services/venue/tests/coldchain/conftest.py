"""Importing premises, a laboratory, inspectors and leads, on the service's real parts."""

import os
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from chassis.events.outbox import unsealed
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ledger.note import Signer
from lilitong.venue.v1 import cold_chain_pb2 as pb
from passes.replay import ReplayGuard
from venue.coldchain.rpc import ColdChainServicer
from venue.visits.credentials import Credentials

from ..acting import ActingByDay, person  # noqa: TID252 - tests are in no package that has a name

NEGATIVE, POSITIVE = 1, 2
GOODS, PACKAGING, ENVIRONMENT = 1, 2, 3
RECALL, DISMISS = 1, 2


@dataclass
class ColdChain(ActingByDay):
    """What people do with lots, in one line each. Times are the house's clock's."""

    servicer: ColdChainServicer
    signer: Signer
    told: SimpleNamespace

    officer = person("officer-1", "venue_officer")
    inspector = person("inspector-1", "inspector")
    laboratory = person("lab-1", "laboratory")
    importer = person("shop-1", "venue_operator")
    shop = person("shop-2", "venue_operator")
    lead = person("lead-1", "enforcement_lead")
    chief = person("lead-2", "enforcement_lead")
    third = person("lead-3", "enforcement_lead")
    command = person("command-1", "command")

    def ask(self, message, given, *, at=None, **fields):
        """A request of that kind with a fresh request id; `at` names its field of time, which is now unless given."""
        known = {"request_id": str(uuid4())} | fields | given
        moment = known.pop(at, None) if at else None
        request = message(**known)
        if at:
            getattr(request, at).FromDatetime(moment or self.now())
        return request

    async def premises(self, caller=None, *, licence=None, register=True, **given):
        """A venue of category cold chain, registered for imports."""
        venue = await self.house.register(**{"category": 13} | given)
        if register:
            request = self.ask(
                pb.RegisterImportingPremisesRequest, {}, venue_id=venue.venue_id,
                licence_number=licence or f"SX-{uuid4().hex[:8].upper()}",
            )  # fmt: skip
            await self.call(caller or self.officer, request)
        return venue

    def arrival(self, venue, **given):
        return self.ask(
            pb.RegisterLotRequest, given, at="arrived_at", lot_id=str(uuid4()), premises_id=venue.venue_id,
            declaration_number="223120221000012345", origin_country="EC", trace_code=f"T{uuid4().hex[:12]}",
            product="冻虾", quantity=1000, unit=pb.LOT_UNIT_KILOGRAM,
        )  # fmt: skip

    async def lot(self, venue, caller=None, **given):
        return (await self.call(caller or self.importer, self.arrival(venue, **given))).lot

    async def sample(self, lot, kind=GOODS, caller=None, **given):
        request = self.ask(
            pb.RecordSampleRequest, given, at="taken_at", sample_id=str(uuid4()), lot_id=lot.lot_id, kind=kind
        )
        return (await self.call(caller or self.inspector, request)).sample

    async def result(self, sample, outcome=NEGATIVE, caller=None, **given):
        request = self.ask(
            pb.EnterSampleResultRequest, given, at="tested_at", sample_id=sample.sample_id, outcome=outcome
        )
        return await self.call(caller or self.laboratory, request)

    async def tested(self, lot, outcome=NEGATIVE, kind=GOODS):
        """A sample with its result; of a positive one the id of what it proposes, else the sample's."""
        answer = await self.result(await self.sample(lot, kind), outcome)
        return answer.proposal_id or answer.sample.sample_id

    async def disinfect(self, lot, caller=None, **given):
        request = self.ask(
            pb.RecordDisinfectionRequest, given, at="performed_at", disinfection_id=str(uuid4()), lot_id=lot.lot_id,
            performed_by="消杀公司", agent="过氧乙酸", proof_sha256=os.urandom(32),
        )  # fmt: skip
        return (await self.call(caller or self.importer, request)).disinfection

    async def release(self, lot, caller=None, **given):
        request = self.ask(pb.ReleaseLotRequest, given, release_id=str(uuid4()), lot_id=lot.lot_id)
        return (await self.call(caller or self.officer, request)).release

    async def released(self, venue=None, **given):
        """A lot that may go."""
        lot = await self.lot(venue or await self.premises(), **given)
        await self.tested(lot)
        await self.disinfect(lot)
        await self.release(lot)
        return lot

    def move(self, lot, source, target, quantity=100, **given):
        """A request; `target`: a venue's id, or a recipient outside the district."""
        try:
            to = {"to_venue_id": str(UUID(target))}
        except ValueError:
            to = {"recipient": target}
        return self.ask(
            pb.DistributeLotRequest, given, at="distributed_at", distribution_id=str(uuid4()), lot_id=lot.lot_id,
            from_venue_id=source, quantity=quantity, **to,
        )  # fmt: skip

    async def send(self, lot, source, target, quantity=100, caller=None, **given):
        return (await self.call(caller or self.officer, self.move(lot, source, target, quantity, **given))).distribution

    async def handle(self, lot, venue_id, name="wang", caller=None, *, shown=None, **given):
        """`name` shows a pass at work, which the venue's account scans."""
        credential = shown or self.house.people.show(name, self.now())
        request = self.ask(
            pb.RecordLotHandlerRequest, given, lot_id=lot.lot_id, venue_id=venue_id, credential=credential
        )
        return await self.call(caller or self.importer, request)

    async def propose(self, lot, caller=None, **given):
        request = self.ask(
            pb.ProposeLotRecallRequest, given, proposal_id=str(uuid4()), lot_id=lot.lot_id, reason="上游通报阳性"
        )
        return (await self.call(caller or self.inspector, request)).recall

    async def decide(self, proposal_id, decision=RECALL, caller=None, **given):
        request = self.ask(
            pb.DecideLotRecallRequest, given, decision_id=str(uuid4()), proposal_id=proposal_id, decision=decision,
            reason="经研判",
        )  # fmt: skip
        return (await self.call(caller or self.lead, request)).recall

    async def recalled(self, lot):
        """By two people, after a positive result."""
        proposal_id = await self.tested(lot, POSITIVE, PACKAGING)
        await self.decide(proposal_id)
        return await self.decide(proposal_id, caller=self.chief)

    async def get(self, lot, caller=None):
        return await self.call(caller or self.officer, pb.GetLotRequest(lot_id=lot.lot_id))

    async def trace(self, lot, caller=None):
        return await self.call(caller or self.command, pb.TraceLotRequest(lot_id=lot.lot_id))

    async def events(self, what=None):
        """(subject's end, message) of what the room published, in order; messages alone of subject `what`."""
        rows = await self.house.rows(
            "SELECT subject, type, payload, day, aggregate FROM outbox WHERE subject LIKE 'lilitong.venue.lot.%' ORDER BY seq"
        )
        found = [
            (
                row["subject"].removeprefix("lilitong.venue.lot.v1."),
                getattr(pb, row["type"].rpartition(".")[2]).FromString(row["payload"]),
            )
            for row in rows
        ]
        return [message for subject, message in found if subject == what] if what else found


@pytest.fixture
async def chain(house):
    await house.owner.execute("DELETE FROM lot_handlers")
    signer = Signer("lilitong/venue", Ed25519PrivateKey.generate())
    told = SimpleNamespace(relay=0)

    def wake():
        told.relay += 1

    drills = lambda: {segment.drill_id for segment in house.index.segments()} - {""}  # noqa: E731
    credentials = Credentials(lambda: house.people.keys, house.index, drills, ReplayGuard())
    servicer = ColdChainServicer(house.pool, house.clock, signer, credentials, seal=unsealed, told=wake)
    return ColdChain(house, servicer, signer, told)
