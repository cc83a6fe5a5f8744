"""From arrival to release: nothing goes without a negative result of its own and a disinfection of its own."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from lilitong.venue.v1 import cold_chain_pb2 as pb

from .conftest import ENVIRONMENT, GOODS, NEGATIVE, PACKAGING, POSITIVE, person

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]


async def refused(reason, awaitable):
    with pytest.raises(DomainError) as error:
        await awaitable
    assert error.value.reason == reason
    return error.value


@pytest.mark.case("happy path")
async def test_a_lot_is_released_with_a_negative_result_and_a_disinfection(chain):
    lot = await chain.lot(await chain.premises())
    assert lot.state == pb.LOT_STATE_WAITING
    sample_id = await chain.tested(lot)
    done = await chain.disinfect(lot)
    release = await chain.release(lot)
    assert (release.sample_id, release.disinfection_id) == (sample_id, done.disinfection_id)
    assert release.released_by == "officer-1"
    found = await chain.get(lot)
    assert found.lot.state == pb.LOT_STATE_RELEASED
    assert found.release == release
    assert [each.result.outcome for each in found.samples] == [NEGATIVE]
    assert [subject for subject, _ in await chain.events()] == ["registered", "released"]


@pytest.mark.parametrize("kind", [PACKAGING, ENVIRONMENT])
async def test_a_negative_result_of_something_else_than_the_goods_frees_nothing(chain, kind):
    lot = await chain.lot(await chain.premises())
    await chain.tested(lot, kind=kind)
    await chain.disinfect(lot)
    await refused("RELEASE_INCOMPLETE", chain.release(lot))


@pytest.mark.case("bad input")
async def test_either_alone_is_not_enough(chain):
    venue = await chain.premises()
    tested, disinfected, pending = [await chain.lot(venue) for _ in range(3)]
    await chain.tested(tested)
    await chain.disinfect(disinfected)
    await chain.disinfect(pending)
    await chain.sample(pending)
    for lot in (tested, disinfected, pending):
        await refused("RELEASE_INCOMPLETE", chain.release(lot))
        assert (await chain.get(lot)).lot.state == pb.LOT_STATE_WAITING


@pytest.mark.parametrize("kind", [GOODS, PACKAGING, ENVIRONMENT])
async def test_a_positive_result_holds_the_lot_whatever_else_was_negative(chain, kind):
    lot = await chain.lot(await chain.premises())
    await chain.disinfect(lot)
    await chain.tested(lot)
    proposal_id = await chain.tested(lot, POSITIVE, kind)
    await chain.tested(lot)
    await refused("LOT_HELD", chain.release(lot))
    found = await chain.get(lot)
    assert (found.lot.state, found.lot.recall_proposed) == (pb.LOT_STATE_HELD, True)
    positive = [each.sample_id for each in found.samples if each.result.outcome == POSITIVE]
    assert [(each.proposal_id, each.sample_id) for each in found.recalls] == [(proposal_id, *positive)]
    assert [message.lot.state for message in await chain.events("held")] == [pb.LOT_STATE_HELD]


@pytest.mark.case("bad input")
async def test_a_result_is_entered_once_and_for_good(chain):
    lot = await chain.lot(await chain.premises())
    sample = await chain.sample(lot)
    first = await chain.result(sample)
    assert first.sample.result.laboratory == "lab-1"
    await refused("RESULT_ENTERED", chain.result(sample, POSITIVE))
    await refused("RESULT_ENTERED", chain.result(sample, caller=person("lab-2", "laboratory")))
    assert [each.result.outcome for each in (await chain.get(lot)).samples] == [NEGATIVE]


@pytest.mark.case("wrong caller")
async def test_premises_do_not_enter_results_of_their_own_lots(chain):
    lot = await chain.lot(await chain.premises())
    sample = await chain.sample(lot)
    own = person("shop-1", "laboratory", "venue_operator")
    await refused("OWN_LABORATORY", chain.result(sample, caller=own))


@pytest.mark.case("wrong caller")
async def test_who_is_responsible_elsewhere_or_runs_another_shop_is_refused(chain):
    venue = await chain.premises()
    lot = await chain.lot(venue)
    sample = await chain.sample(lot)
    far = ("141181",)
    for attempt in (
        chain.lot(venue, person("shop-1", "venue_operator", areas=far)),
        chain.sample(lot, caller=person("inspector-9", "inspector", areas=far)),
        chain.result(sample, caller=person("lab-9", "laboratory", areas=far)),
        chain.disinfect(lot, person("shop-1", "venue_operator", areas=far)),
        chain.release(lot, person("officer-9", "venue_officer", areas=far)),
        chain.get(lot, person("officer-9", "venue_officer", areas=far)),
        chain.trace(lot, person("command-9", "command", areas=far)),
    ):
        await refused("OUT_OF_AREA", attempt)
    for attempt in (chain.lot(venue, chain.shop), chain.disinfect(lot, chain.shop), chain.get(lot, chain.shop)):
        await refused("NOT_AN_OPERATOR", attempt)


@pytest.mark.case("bad input")
async def test_only_cold_chain_venues_take_in_imports_and_only_once_registered(chain):
    shop = await chain.house.register(category=3)
    request = chain.ask(pb.RegisterImportingPremisesRequest, {}, venue_id=shop.venue_id, licence_number="SX-0001")
    await refused("NOT_COLD_CHAIN", chain.call(chain.officer, request))
    venue = await chain.premises(register=False)
    await refused("NOT_IMPORTING", chain.lot(venue))
    await chain.premises(licence="SX-0002")
    await refused("LICENCE_TAKEN", chain.premises(licence="SX-0002"))
    other = await chain.premises(licence="SX-0002", drill_id="drill-1")
    assert other.drill_id == "drill-1"


@pytest.mark.case("bad input")
async def test_times_that_cannot_be_are_refused(chain):
    venue = await chain.premises()
    ahead = chain.now() + timedelta(minutes=3)
    await refused("TIME_IN_FUTURE", chain.lot(venue, arrived_at=ahead))
    await refused("TIME_TOO_EARLY", chain.lot(venue, arrived_at=chain.now() - timedelta(days=365 * 6)))
    lot = await chain.lot(venue)
    before = chain.now() - timedelta(hours=1)
    await refused("TIME_TOO_EARLY", chain.sample(lot, taken_at=before))
    await refused("TIME_IN_FUTURE", chain.sample(lot, taken_at=ahead))
    await refused("TIME_TOO_EARLY", chain.disinfect(lot, performed_at=before))
    sample = await chain.sample(lot)
    await refused("TIME_TOO_EARLY", chain.result(sample, tested_at=before))
    assert (await chain.result(sample, tested_at=chain.now() + timedelta(minutes=1))).sample.result.outcome == NEGATIVE


@pytest.mark.case("repeat")
async def test_a_repeat_gets_the_first_answer_and_adds_nothing(chain):
    venue = await chain.premises()
    request = chain.arrival(venue)
    first = await chain.call(chain.importer, request)
    assert await chain.call(chain.importer, request) == first
    request.quantity = 5
    await refused("IDEMPOTENCY_MISMATCH", chain.call(chain.importer, request))
    request.request_id = str(uuid4())
    await refused("LOT_EXISTS", chain.call(chain.importer, request))
    await refused("TRACE_CODE_TAKEN", chain.lot(venue, trace_code=request.trace_code))
    assert len(await chain.house.rows("SELECT FROM lots")) == 1


@pytest.mark.case("concurrency")
async def test_twenty_who_release_at_once_release_once(chain):
    lot = await chain.lot(await chain.premises())
    await chain.tested(lot)
    await chain.disinfect(lot)
    answers = await asyncio.gather(*(chain.release(lot) for _ in range(20)), return_exceptions=True)
    kinds = Counter(getattr(each, "reason", "released") for each in answers)
    assert kinds == {"released": 1, "LOT_RELEASED_ALREADY": 19}
    ordinals = await chain.house.rows("SELECT ordinal FROM lot_facts WHERE lot_id = $1 ORDER BY ordinal", lot.lot_id)
    assert [row["ordinal"] for row in ordinals] == [*range(1, len(ordinals) + 1)]


@pytest.mark.case("crash")
async def test_what_fails_half_way_leaves_nothing_and_succeeds_when_sent_again(chain, monkeypatch):
    lot = await chain.lot(await chain.premises())
    sample = await chain.sample(lot)
    request = chain.ask(pb.EnterSampleResultRequest, {}, at="tested_at", sample_id=sample.sample_id, outcome=POSITIVE)
    published = chain.servicer._acting._tell.changed

    async def cut(conn, *_):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(chain.servicer._acting._tell, "changed", cut)
    with pytest.raises(Exception, match=r"terminat|closed"):
        await chain.call(chain.laboratory, request)
    assert (await chain.get(lot)).lot.state == pb.LOT_STATE_WAITING
    assert not await chain.house.rows("SELECT FROM lot_results")
    monkeypatch.setattr(chain.servicer._acting._tell, "changed", published)
    assert (await chain.call(chain.laboratory, request)).proposal_id
    assert (await chain.get(lot)).lot.state == pb.LOT_STATE_HELD
