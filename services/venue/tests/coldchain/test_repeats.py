"""A lot's life in which everybody presses four times at once: it comes out as if each had pressed once."""

from uuid import uuid4

import pytest
from lilitong.venue.v1 import cold_chain_pb2 as pb

from .conftest import NEGATIVE, POSITIVE

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]
OTHERS = {
    "RegisterImportingPremises": {"licence_number": "SX-9999"},
    "RegisterLot": {"product": "别的货"},
    "RecordSample": {"sample_id": str(uuid4())},
    "EnterSampleResult": None,
    "RecordDisinfection": {"agent": "别的药"},
    "ReleaseLot": {"release_id": str(uuid4())},
    "DistributeLot": {"quantity": 7},
    "RecordLotHandler": None,  # its id is not kept, so that nothing links two days; the same people are recorded once
    "ProposeLotRecall": {"reason": "别的原因"},
    "DecideLotRecall": {"reason": "别的原因"},
}


@pytest.mark.case("repeat", "concurrency")
async def test_every_act_sent_four_times_at_once_acts_once_and_other_content_under_its_id_is_refused(chain, insisting):
    await chain.call(chain.officer, pb.ListLotsRequest(area="141102"))
    chain.call = pressed = insisting(chain.call, OTHERS)
    source = await chain.premises()
    market = await chain.house.register(category=5)
    lot = await chain.lot(source)
    pressed.others = OTHERS | {"EnterSampleResult": {"outcome": POSITIVE}}
    await chain.tested(lot)
    pressed.others = OTHERS | {"EnterSampleResult": {"outcome": NEGATIVE}}
    await chain.disinfect(lot)
    await chain.release(lot)
    assert (await chain.send(lot, source.venue_id, market.venue_id, 300)).remaining == 700
    assert (await chain.handle(lot, source.venue_id)).handlers == 1
    await chain.propose(lot)
    recall = await chain.recalled(lot)
    assert recall.state == pb.RECALL_STATE_RECALLED
    assert await pressed.again() == OTHERS.keys()
    for table, count in (
        ("importing_premises", 1), ("lots", 1), ("lot_samples", 2), ("lot_results", 2), ("lot_disinfections", 1),
        ("lot_releases", 1), ("lot_distributions", 1), ("lot_handlers", 1), ("recall_proposals", 2),
        ("recall_decisions", 1),
    ):  # fmt: skip
        assert (table, await chain.house.owner.fetchval(f"SELECT count(*) FROM {table}")) == (table, count)
    places = {each.venue_id: each.there for each in (await chain.trace(lot)).places}
    assert places == {source.venue_id: 700, market.venue_id: 300}
