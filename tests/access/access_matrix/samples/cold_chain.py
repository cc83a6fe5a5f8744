"""Requests to venue about imported lots."""

import secrets
from hashlib import sha256

from lilitong.venue.v1 import cold_chain_pb2, venue_pb2

from access_matrix.samples.places import register_venue
from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now


def cold_store(world: World) -> venue_pb2.RegisterVenueRequest:
    """A venue that could import."""
    venue = register_venue(world, "")
    venue.category = venue_pb2.VENUE_CATEGORY_COLD_CHAIN
    return venue


@sample
def register_premises(world: World, role: str) -> cold_chain_pb2.RegisterImportingPremisesRequest:
    return cold_chain_pb2.RegisterImportingPremisesRequest(
        request_id=new_id(), venue_id=world.cold_store_id, licence_number=f"SX-{secrets.token_hex(8).upper()}"
    )


@sample
def register_lot(world: World, role: str) -> cold_chain_pb2.RegisterLotRequest:
    return cold_chain_pb2.RegisterLotRequest(
        request_id=new_id(),
        lot_id=new_id(),
        premises_id=world.premises_id,
        declaration_number="223120221000012345",
        origin_country="EC",
        trace_code=f"T-{secrets.token_hex(10)}",
        product="冻虾",
        quantity=1_000_000,
        unit=cold_chain_pb2.LOT_UNIT_KILOGRAM,
        arrived_at=stamp(now()),
    )


@sample
def record_sample(world: World, role: str) -> cold_chain_pb2.RecordSampleRequest:
    return cold_chain_pb2.RecordSampleRequest(
        request_id=new_id(),
        sample_id=new_id(),
        lot_id=world.lot_id,
        kind=cold_chain_pb2.SAMPLE_KIND_LOT,
        taken_at=stamp(now()),
    )


@sample
def enter_result(world: World, role: str) -> cold_chain_pb2.EnterSampleResultRequest:
    return cold_chain_pb2.EnterSampleResultRequest(
        request_id=new_id(),
        sample_id=world.lot_sample_id,
        outcome=cold_chain_pb2.SAMPLE_OUTCOME_NEGATIVE,
        tested_at=stamp(now()),
    )


@sample
def disinfect(world: World, role: str) -> cold_chain_pb2.RecordDisinfectionRequest:
    return cold_chain_pb2.RecordDisinfectionRequest(
        request_id=new_id(),
        disinfection_id=new_id(),
        lot_id=world.lot_id,
        performed_by="消杀公司",
        agent="过氧乙酸",
        performed_at=stamp(now()),
        proof_sha256=sha256(secrets.token_bytes(8)).digest(),
    )


@sample
def release(world: World, role: str) -> cold_chain_pb2.ReleaseLotRequest:
    return cold_chain_pb2.ReleaseLotRequest(request_id=new_id(), release_id=new_id(), lot_id=world.releasing_lot_id)


@sample
def distribute(world: World, role: str) -> cold_chain_pb2.DistributeLotRequest:
    return cold_chain_pb2.DistributeLotRequest(
        request_id=new_id(),
        distribution_id=new_id(),
        lot_id=world.released_lot_id,
        from_venue_id=world.premises_id,
        recipient="太原某水产公司",
        quantity=1,
        distributed_at=stamp(now()),
    )


@sample
def handle(world: World, role: str) -> cold_chain_pb2.RecordLotHandlerRequest:
    return cold_chain_pb2.RecordLotHandlerRequest(
        request_id=new_id(), lot_id=world.lot_id, venue_id=world.premises_id, credential=world.shown(""), late=True
    )


@sample
def propose(world: World, role: str) -> cold_chain_pb2.ProposeLotRecallRequest:
    return cold_chain_pb2.ProposeLotRecallRequest(
        request_id=new_id(), proposal_id=new_id(), lot_id=world.lot_id, reason="上游通报阳性"
    )


@sample
def decide(world: World, role: str) -> cold_chain_pb2.DecideLotRecallRequest:
    return cold_chain_pb2.DecideLotRecallRequest(
        request_id=new_id(),
        decision_id=new_id(),
        proposal_id=world.recall_proposal_id,
        decision=cold_chain_pb2.RECALL_DECISION_RECALL,
        reason="经研判",
    )


@sample
def get_lot(world: World, role: str) -> cold_chain_pb2.GetLotRequest:
    return cold_chain_pb2.GetLotRequest(lot_id=world.lot_id)


@sample
def list_lots(world: World, role: str) -> cold_chain_pb2.ListLotsRequest:
    return cold_chain_pb2.ListLotsRequest(area=HOME, page_size=5)


@sample
def at_venue(world: World, role: str) -> cold_chain_pb2.ListLotsAtVenueRequest:
    return cold_chain_pb2.ListLotsAtVenueRequest(venue_id=world.premises_id)


@sample
def trace(world: World, role: str) -> cold_chain_pb2.TraceLotRequest:
    return cold_chain_pb2.TraceLotRequest(lot_id=world.lot_id)


@sample
def proof(world: World, role: str) -> cold_chain_pb2.GetLotRecallProofRequest:
    return cold_chain_pb2.GetLotRecallProofRequest(decision_id=world.recall_id)
