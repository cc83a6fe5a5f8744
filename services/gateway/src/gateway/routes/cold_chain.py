"""Imported lots: from their arrival to wherever they went, and back by a recall."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import cold_chain_pb2

from gateway.operations import Contract, Operation, people

_COLD_CHAIN = Contract(cold_chain_pb2, "ColdChainService")
_STAFF = {"venue_officer", "inspector", "enforcement_lead", "command", "auditor", "laboratory"}
_READERS = _STAFF | {"venue_operator"}
_SENDERS = {"venue_operator", "venue_officer"}
_LOT = {
    "declaration_number": "223120221000012345",
    "origin_country": "EC",
    "trace_code": "SXLL-20220310-017",
    "product": "冻虾",
    "quantity": 12000,
}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/importing-premises",
        rpc=_COLD_CHAIN["RegisterImportingPremises"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="cold-chain",
        summary="Register importing premises",
        description="A venue of category cold chain that may take in imports, with its licence number.",
        status=201,
        example={"licence_number": "SX-1411020017"},
    ),
    Operation(
        verb="POST",
        path="/v1/lots",
        rpc=_COLD_CHAIN["RegisterLot"],
        rule=people(_SENDERS, RESOURCE),
        tag="cold-chain",
        summary="Register a lot that arrived",
        description="With customs declaration, origin, trace code and quantity. It waits until it is released.",
        status=201,
        location="/v1/lots/{lot_id}",
        example=_LOT,
    ),
    Operation(
        verb="GET",
        path="/v1/lots",
        rpc=_COLD_CHAIN["ListLots"],
        rule=people(_STAFF, "area"),
        tag="cold-chain",
        summary="List lots that arrived in an area",
        description="The newest first, by state or with a recall to decide. Pages are followed by `next_page_token`, empty "
        "on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/lots/{lot_id}",
        rpc=_COLD_CHAIN["GetLot"],
        rule=people(_READERS, RESOURCE),
        tag="cold-chain",
        summary="Read a lot",
        description="With samples and results, disinfections, what its release rests on, and its recalls.",
        etag=True,
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/lots",
        rpc=_COLD_CHAIN["ListLotsAtVenue"],
        rule=people(_READERS, RESOURCE),
        tag="cold-chain",
        summary="List lots at a venue",
        description="Those that are or were there, with what is there now; the newest arrivals first, at most 500.",
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/samples",
        rpc=_COLD_CHAIN["RecordSample"],
        rule=people({"inspector", "laboratory"}, RESOURCE),
        tag="cold-chain",
        summary="Record a sample",
        description="Of the goods, their packaging or what is around them. Who records it took it.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/samples/{sample_id}/result",
        rpc=_COLD_CHAIN["EnterSampleResult"],
        rule=people({"laboratory"}, RESOURCE),
        tag="cold-chain",
        summary="Enter the result of a sample",
        description="Once and for good, by a laboratory that is none of the premises' own accounts. A positive one stops "
        "the lot and proposes a recall by itself.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/disinfections",
        rpc=_COLD_CHAIN["RecordDisinfection"],
        rule=people({"venue_operator", "inspector", "venue_officer"}, RESOURCE),
        tag="cold-chain",
        summary="Record a disinfection",
        description="Who did it, with what, when, and the SHA-256 of its proof.",
        status=201,
        example={"performed_by": "离石消杀服务公司", "agent": "过氧乙酸"},
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/release",
        rpc=_COLD_CHAIN["ReleaseLot"],
        rule=people({"venue_officer", "inspector"}, RESOURCE),
        tag="cold-chain",
        summary="Release a lot",
        description="Refused without a negative result of these goods and a disinfection of this lot, and while a positive "
        "result is outstanding.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/distributions",
        rpc=_COLD_CHAIN["DistributeLot"],
        rule=people(_SENDERS, RESOURCE),
        tag="cold-chain",
        summary="Send some of a lot on",
        description="From where it is to another venue, or to a recipient outside the district; never more than is there.",
        status=201,
        example={"quantity": 100},
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/handlers",
        rpc=_COLD_CHAIN["RecordLotHandler"],
        rule=people({"venue_operator"}, RESOURCE),
        tag="cold-chain",
        summary="Record who handles a lot",
        description="From a pass shown at work, as a tag of the day and nothing else. Sending it again changes nothing.",
    ),
    Operation(
        verb="POST",
        path="/v1/lots/{lot_id}/recall-proposals",
        rpc=_COLD_CHAIN["ProposeLotRecall"],
        rule=people({"inspector", "venue_officer", "enforcement_lead"}, RESOURCE),
        tag="cold-chain",
        summary="Propose a recall",
        description="Whoever proposes is the first of the two people that a recall needs.",
        status=201,
        example={"reason": "上游通报同批货物阳性"},
    ),
    Operation(
        verb="POST",
        path="/v1/recall-proposals/{proposal_id}/decisions",
        rpc=_COLD_CHAIN["DecideLotRecall"],
        rule=people({"enforcement_lead"}, RESOURCE),
        tag="cold-chain",
        summary="Decide about a recall",
        description="One voice. Two of different people that say the same decide it: a recall stops the lot at once, a positive "
        "result is dismissed only after a later negative one of the goods.",
        example={"reason": "经研判"},
    ),
    Operation(
        verb="GET",
        path="/v1/lots/{lot_id}/trace",
        rpc=_COLD_CHAIN["TraceLot"],
        rule=people({"enforcement_lead", "command"}, RESOURCE),
        tag="cold-chain",
        summary="Trace a lot",
        description="Where it went, through however many hands, and who handled it, as tags of each day.",
        seconds=15.0,
    ),
    Operation(
        verb="GET",
        path="/v1/lot-recalls/{decision_id}/proof",
        rpc=_COLD_CHAIN["GetLotRecallProof"],
        rule=people({"enforcement_lead", "venue_officer", "venue_operator", "command", "auditor"}, RESOURCE),
        tag="cold-chain",
        summary="Prove that a recall stands in the log",
        description="Content, salt, inclusion path and signed checkpoint, for anybody to check.",
    ),
)
