"""ColdChainService: lots from arrival to wherever they went. Recalls and reads are in `recall_rpc.py` and `reading_rpc.py`."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.pool import Connection
from chassis.writes import Writes
from google.protobuf.message import Message
from ledger.note import Signer
from lilitong.venue.v1 import cold_chain_pb2 as pb
from lilitong.venue.v1.cold_chain_pb2_grpc import ColdChainServiceServicer

from venue.coldchain import finding
from venue.coldchain.acting import Acting
from venue.coldchain.encoding import (
    encode_disinfection,
    encode_distribution,
    encode_lot,
    encode_premises,
    encode_release,
    encode_sample,
)
from venue.coldchain.events import Teller
from venue.coldchain.handling import Handlers, Handling
from venue.coldchain.model import Disinfection, Distribution, Lot, Outcome, Sample, SampleKind
from venue.coldchain.reading_rpc import ReadingMethods
from venue.coldchain.recall_rpc import RecallMethods
from venue.coldchain.recalling import Recalling
from venue.register import store as register_store
from venue.register.model import Venue
from venue.visits.credentials import Credentials
from venue.writing import once_about

_Answer = TypeVar("_Answer", bound=Message)
_RELEASERS = {"venue_officer", "inspector"}
_SAMPLERS = {"inspector", "laboratory"}
_OFFICERS = {"venue_officer"}


class ColdChainServicer(ReadingMethods, RecallMethods, ColdChainServiceServicer):
    """`told` is called after each commit that published (`Relay.wake`); `credentials` remembers codes on its own."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        signer: Signer,
        credentials: Credentials,
        *,
        seal: Callable[[], bytes],
        told: Callable[[], None],
    ) -> None:
        tell = Teller(seal)
        self.pool, self.clock, self.signer, self.told = pool, clock, signer, told
        self.writes = Writes(pool, clock)
        self.recalling = Recalling(clock, tell)
        self._acting, self._handlers = Acting(clock, tell), Handlers(clock, credentials, tell)

    @allow(roles=_OFFICERS, area=RESOURCE)
    async def RegisterImportingPremises(
        self, request: pb.RegisterImportingPremisesRequest, _: Any
    ) -> pb.RegisterImportingPremisesResponse:
        async def act(conn: Connection, venue: Venue) -> pb.RegisterImportingPremisesResponse:
            by = current_caller().subject
            premises = await self._acting.register_premises(conn, venue, request.licence_number, by)
            return pb.RegisterImportingPremisesResponse(premises=encode_premises(premises))

        async def find(conn: Connection) -> Venue:
            return await finding.venue_of(conn, UUID(request.venue_id), _OFFICERS)

        return await self.once(request, pb.RegisterImportingPremisesResponse, find, act)

    @allow(roles={"venue_operator", "venue_officer"}, area=RESOURCE)
    async def RegisterLot(self, request: pb.RegisterLotRequest, _: Any) -> pb.RegisterLotResponse:
        async def find(conn: Connection) -> Venue:
            return await finding.venue_of(conn, UUID(request.premises_id), _OFFICERS)

        async def act(conn: Connection, venue: Venue) -> pb.RegisterLotResponse:
            lot = Lot(
                lot_id=UUID(request.lot_id),
                premises_id=venue.venue_id,
                drill_id=venue.drill_id,
                declaration_number=request.declaration_number,
                origin_country=request.origin_country,
                trace_code=request.trace_code,
                product=request.product,
                quantity=request.quantity,
                unit=int(request.unit),
                arrived_at=request.arrived_at.ToDatetime(UTC),
            )
            head = await self._acting.register(conn, venue, lot, current_caller().subject)
            return pb.RegisterLotResponse(lot=encode_lot(head))

        return await self.once(request, pb.RegisterLotResponse, find, act)

    @allow(roles=_SAMPLERS, area=RESOURCE)
    async def RecordSample(self, request: pb.RecordSampleRequest, _: Any) -> pb.RecordSampleResponse:
        lot_id = UUID(request.lot_id)

        async def find(conn: Connection) -> Venue:
            return await finding.premises_of(conn, lot_id, _SAMPLERS)

        async def act(conn: Connection, _: Venue) -> pb.RecordSampleResponse:
            sample = Sample(
                sample_id=UUID(request.sample_id),
                lot_id=lot_id,
                kind=SampleKind(request.kind),
                taken_by=current_caller().subject,
                taken_at=request.taken_at.ToDatetime(UTC),
            )
            return pb.RecordSampleResponse(sample=encode_sample(await self._acting.sample(conn, sample)))

        return await self.once(request, pb.RecordSampleResponse, find, act)

    @allow(roles={"laboratory"}, area=RESOURCE)
    async def EnterSampleResult(self, request: pb.EnterSampleResultRequest, _: Any) -> pb.EnterSampleResultResponse:
        sample_id, laboratory = UUID(request.sample_id), current_caller().subject
        outcome = Outcome(request.outcome)

        async def find(conn: Connection) -> UUID:
            return await finding.sampled_at(conn, sample_id, laboratory, {"laboratory"})

        async def act(conn: Connection, lot_id: UUID) -> pb.EnterSampleResultResponse:
            tested_at = request.tested_at.ToDatetime(UTC)
            sample = await self._acting.enter(conn, lot_id, sample_id, outcome, laboratory, tested_at)
            proposal_id = sample.result.proposal_id if sample.result else None
            return pb.EnterSampleResultResponse(sample=encode_sample(sample), proposal_id=str(proposal_id or ""))

        return await self.once(request, pb.EnterSampleResultResponse, find, act)

    @allow(roles={"venue_operator", "inspector", "venue_officer"}, area=RESOURCE)
    async def RecordDisinfection(self, request: pb.RecordDisinfectionRequest, _: Any) -> pb.RecordDisinfectionResponse:
        lot_id = UUID(request.lot_id)

        async def find(conn: Connection) -> Venue:
            return await finding.premises_of(conn, lot_id, _RELEASERS)

        async def act(conn: Connection, _: Venue) -> pb.RecordDisinfectionResponse:
            done = Disinfection(
                disinfection_id=UUID(request.disinfection_id),
                lot_id=lot_id,
                performed_by=request.performed_by,
                agent=request.agent,
                performed_at=request.performed_at.ToDatetime(UTC),
                proof_sha256=request.proof_sha256,
                recorded_by=current_caller().subject,
            )
            found = await self._acting.disinfect(conn, done)
            return pb.RecordDisinfectionResponse(disinfection=encode_disinfection(found))

        return await self.once(request, pb.RecordDisinfectionResponse, find, act)

    @allow(roles=_RELEASERS, area=RESOURCE)
    async def ReleaseLot(self, request: pb.ReleaseLotRequest, _: Any) -> pb.ReleaseLotResponse:
        lot_id = UUID(request.lot_id)

        async def find(conn: Connection) -> Venue:
            return await finding.premises_of(conn, lot_id, _RELEASERS)

        async def act(conn: Connection, _: Venue) -> pb.ReleaseLotResponse:
            by = current_caller().subject
            release = await self._acting.release(conn, lot_id, UUID(request.release_id), by)
            return pb.ReleaseLotResponse(release=encode_release(release))

        return await self.once(request, pb.ReleaseLotResponse, find, act)

    @allow(roles={"venue_operator", "venue_officer"}, area=RESOURCE)
    async def DistributeLot(self, request: pb.DistributeLotRequest, _: Any) -> pb.DistributeLotResponse:
        receiver_id = UUID(request.to_venue_id) if request.to_venue_id else None

        async def find(conn: Connection) -> Venue:
            return await finding.venue_of(conn, UUID(request.from_venue_id), _OFFICERS)

        async def act(conn: Connection, venue: Venue) -> pb.DistributeLotResponse:
            # Whoever receives may lie in another area: goods go where they are sold.
            receiver = None
            if receiver_id is not None:
                receiver = (await register_store.venues(conn, [receiver_id])).get(receiver_id)
            moved = Distribution(
                distribution_id=UUID(request.distribution_id),
                lot_id=UUID(request.lot_id),
                from_venue=venue.venue_id,
                to_venue=receiver_id,
                recipient=request.recipient,
                quantity=request.quantity,
                distributed_at=request.distributed_at.ToDatetime(UTC),
                recorded_by=current_caller().subject,
            )
            found = await self._acting.distribute(conn, moved, receiver)
            return pb.DistributeLotResponse(distribution=encode_distribution(found))

        return await self.once(request, pb.DistributeLotResponse, find, act)

    @allow(roles={"venue_operator"}, area=RESOURCE)
    async def RecordLotHandler(self, request: pb.RecordLotHandlerRequest, _: Any) -> pb.RecordLotHandlerResponse:
        """Not through `Writes`: an answer kept by its id would be one more thing that is known of this handling."""
        what = Handling(
            lot_id=UUID(request.lot_id),
            venue_id=UUID(request.venue_id),
            credential=request.credential,
            use=UUID(request.request_id).bytes,
            scanned_at=request.scanned_at.ToDatetime(UTC) if request.HasField("scanned_at") else None,
            late=request.late,
        )
        async with self.pool.acquire() as conn, conn.transaction():
            await finding.venue_of(conn, what.venue_id, ())
            shown = self._handlers.read(what)
            told = await self._handlers.record(conn, what, shown)
        if told:
            self.told()
        return pb.RecordLotHandlerResponse(handlers=len(shown.tags))

    async def once(
        self,
        request: Any,
        answer: type[_Answer],
        find: Callable[[Connection], Awaitable[Any]],
        act: Callable[[Connection, Any], Awaitable[_Answer]],
    ) -> _Answer:
        """See `once_about`; the relay hears of it."""
        result = await once_about(self.writes, request, answer, find, act)
        self.told()
        return result
