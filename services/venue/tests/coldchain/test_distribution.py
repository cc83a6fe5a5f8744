"""Where a lot goes: never before its release, never more than is there, however many send at once."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest
from chassis.errors import DomainError
from lilitong.venue.v1 import cold_chain_pb2 as pb

from .conftest import POSITIVE, person
from .test_release import refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]


async def stock(chain, lot):
    """What is where now, by venue."""
    rows = await chain.house.rows(
        "SELECT DISTINCT ON (venue_id) venue_id, there FROM lot_stock WHERE lot_id = $1 ORDER BY venue_id, ordinal DESC",
        lot.lot_id,
    )
    return {str(row["venue_id"]): row["there"] for row in rows}


@pytest.mark.case("happy path")
async def test_goods_move_from_hand_to_hand_and_out_of_the_district(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5, operators=("shop-2",))
    lot = await chain.released(source)
    first = await chain.send(lot, source.venue_id, market.venue_id, 600, caller=chain.importer)
    assert (first.remaining, first.to_venue_id) == (400, market.venue_id)
    out = await chain.send(lot, market.venue_id, "太原某水产公司", 250, caller=chain.shop)
    assert (out.remaining, out.recipient, out.to_venue_id) == (350, "太原某水产公司", "")
    assert await stock(chain, lot) == {source.venue_id: 400, market.venue_id: 350}
    there = await chain.call(chain.shop, pb.ListLotsAtVenueRequest(venue_id=market.venue_id))
    assert [(each.lot.lot_id, each.there) for each in there.lots] == [(lot.lot_id, 350)]


@pytest.mark.case("bad input")
async def test_nothing_moves_before_the_release_or_with_a_time_before_it(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5)
    waiting = await chain.lot(source)
    await refused("LOT_NOT_RELEASED", chain.send(waiting, source.venue_id, market.venue_id))
    chain.later(hours=2)
    lot = await chain.released(source, arrived_at=chain.now() - timedelta(hours=1))
    early = chain.now() - timedelta(minutes=30)
    await refused("TIME_TOO_EARLY", chain.send(lot, source.venue_id, market.venue_id, distributed_at=early))


@pytest.mark.case("bad input")
async def test_nothing_moves_that_is_not_there(chain):
    source, lot = await chain.premises(), None
    market = await chain.house.register(category=5)
    lot = await chain.released(source)
    await refused("NOT_ENOUGH_THERE", chain.send(lot, source.venue_id, market.venue_id, 1001))
    await refused("NOT_ENOUGH_THERE", chain.send(lot, market.venue_id, source.venue_id, 1))
    await chain.send(lot, source.venue_id, market.venue_id, 1000)
    await refused("NOT_ENOUGH_THERE", chain.send(lot, source.venue_id, market.venue_id, 1))
    await refused("NOWHERE_TO_GO", chain.send(lot, market.venue_id, market.venue_id, 1))
    unknown = "00000000-0000-4000-8000-000000000000"
    await refused("RECEIVER_UNKNOWN", chain.send(lot, market.venue_id, unknown, 1))
    assert await stock(chain, lot) == {source.venue_id: 0, market.venue_id: 1000}


@pytest.mark.case("wrong caller")
async def test_only_the_senders_own_account_or_an_officer_of_the_area_sends(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5, operators=("shop-2",))
    lot = await chain.released(source)
    await refused("NOT_AN_OPERATOR", chain.send(lot, source.venue_id, market.venue_id, caller=chain.shop))
    far = person("officer-9", "venue_officer", areas=("141181",))
    await refused("OUT_OF_AREA", chain.send(lot, source.venue_id, market.venue_id, caller=far))


async def test_a_positive_result_stops_what_was_released(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5)
    lot = await chain.released(source)
    await chain.send(lot, source.venue_id, market.venue_id)
    await chain.tested(lot, POSITIVE)
    await refused("LOT_HELD", chain.send(lot, source.venue_id, market.venue_id))
    await refused("LOT_HELD", chain.send(lot, market.venue_id, source.venue_id))


async def test_a_drills_goods_stay_in_their_drill(chain):
    real, drill = await chain.premises(), await chain.premises(drill_id="drill-1")
    other = await chain.house.register(category=5, drill_id="drill-2")
    lot, played = await chain.released(real), await chain.released(drill)
    assert (lot.drill_id, played.drill_id) == ("", "drill-1")
    await refused("OTHER_DRILL", chain.send(lot, real.venue_id, drill.venue_id))
    await refused("OTHER_DRILL", chain.send(played, drill.venue_id, real.venue_id))
    await refused("OTHER_DRILL", chain.send(played, drill.venue_id, other.venue_id))
    # One trace code may be printed once in reality and once in a drill.
    await chain.lot(drill, trace_code=lot.trace_code)
    for drill_id, expected in (("", [lot.lot_id]), ("drill-2", [])):
        found = await chain.call(chain.officer, pb.ListLotsRequest(area="141102", drill_id=drill_id))
        assert [each.lot_id for each in found.lots] == expected


@pytest.mark.case("concurrency", "repeat")
async def test_thirty_who_send_at_once_never_send_more_than_there_is(chain):
    source = await chain.premises()
    shops = [await chain.house.register(category=5) for _ in range(3)]
    lot = await chain.released(source, quantity=1000)
    dice = random.Random(10)
    requests = [chain.move(lot, source.venue_id, dice.choice(shops).venue_id, dice.randint(40, 90)) for _ in range(30)]
    # Each is sent twice, as after a lost answer.
    answers = await asyncio.gather(*(chain.call(chain.officer, each) for each in requests * 2), return_exceptions=True)
    reasons = Counter(each.reason for each in answers if isinstance(each, DomainError))
    assert reasons.keys() == {"NOT_ENOUGH_THERE"}
    moved = {
        each.distribution.distribution_id: each.distribution.quantity
        for each in answers
        if not isinstance(each, Exception)
    }
    assert len(moved) + reasons["NOT_ENOUGH_THERE"] / 2 == 30
    found = await stock(chain, lot)
    assert found[source.venue_id] == 1000 - sum(moved.values())
    assert 0 <= found[source.venue_id] < 90
    assert sum(found.values()) == 1000


async def test_hundreds_of_random_moves_keep_every_piece_accounted_for(chain):
    source = await chain.premises()
    places = [source, *[await chain.house.register(category=5) for _ in range(4)]]
    lot = await chain.released(source, quantity=500)
    dice = random.Random(11)
    kept, gone = {each.venue_id: 0 for each in places} | {source.venue_id: 500}, 0
    for _ in range(150):
        start, end = dice.sample(places, 2)
        target = "外地客户" if dice.random() < 0.1 else end.venue_id
        quantity = dice.randint(1, 200)
        if kept[start.venue_id] < quantity:
            await refused("NOT_ENOUGH_THERE", chain.send(lot, start.venue_id, target, quantity))
            continue
        await chain.send(lot, start.venue_id, target, quantity)
        kept[start.venue_id] -= quantity
        if target in kept:
            kept[target] += quantity
        else:
            gone += quantity
    found = await stock(chain, lot)
    assert found == {venue_id: kept[venue_id] for venue_id in found}
    places_now = {each.venue_id: each.there for each in (await chain.trace(lot)).places if each.venue_id}
    assert places_now == {venue_id: there for venue_id, there in kept.items() if venue_id in places_now}
    assert sum(places_now.values()) + gone == 500


@pytest.mark.case("concurrency")
async def test_goods_wait_for_whoever_is_closing_the_venue_that_they_go_to_and_are_refused_then(chain):
    source, receiver = await chain.premises(), await chain.premises()
    lot = await chain.released(source)
    await chain.house.refused_by_a_closing(receiver, chain.send(lot, source.venue_id, receiver.venue_id))
    await chain.house.refused_by_a_closing(source, chain.lot(source))
    venue = await chain.premises(register=False)
    request = chain.ask(pb.RegisterImportingPremisesRequest, {}, venue_id=venue.venue_id, licence_number="SX-12345678")
    await chain.house.refused_by_a_closing(venue, chain.call(chain.officer, request))
