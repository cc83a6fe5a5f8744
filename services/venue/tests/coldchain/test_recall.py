"""A recall: proposed by a result or a person, decided by two, stops the lot at once and tells where it went and who handled it."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import cbor2
import pytest
from ledger import commitment, merkle
from ledger.note import open_checkpoint
from lilitong.venue.v1 import cold_chain_pb2 as pb
from passes.days import day_number

from .conftest import DISMISS, NEGATIVE, PACKAGING, POSITIVE, RECALL, person
from .test_release import refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]


@pytest.mark.case("happy path")
async def test_two_people_decide_what_a_positive_result_proposes(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5)
    lot = await chain.released(source)
    await chain.send(lot, source.venue_id, market.venue_id, 300)
    proposal_id = await chain.tested(lot, POSITIVE, PACKAGING)
    first = await chain.decide(proposal_id)
    assert (first.state, len(first.voices), first.decision_id) == (pb.RECALL_STATE_PROPOSED, 1, "")
    await refused("VOICE_GIVEN", chain.decide(proposal_id))
    assert not await chain.events("recalled")
    second = await chain.decide(proposal_id, caller=chain.chief)
    assert second.state == pb.RECALL_STATE_RECALLED
    found = await chain.get(lot)
    assert (found.lot.state, found.lot.recall_proposed) == (pb.LOT_STATE_RECALLED, False)
    assert [(each.person, each.reason) for each in found.recalls[0].voices] == [
        ("lead-1", "经研判"),
        ("lead-2", "经研判"),
    ]
    await refused("LOT_RECALLED", chain.send(lot, source.venue_id, market.venue_id))
    await refused("DECIDED_ALREADY", chain.decide(proposal_id, caller=chain.third))
    await refused("LOT_RECALLED", chain.propose(lot))
    (event,) = await chain.events("recalled")
    assert (event.lot.lot_id, event.decision_id, event.part, event.parts) == (lot.lot_id, second.decision_id, 1, 1)
    assert [(each.level, each.venue_id, each.there) for each in event.places] == [
        (0, source.venue_id, 700),
        (1, market.venue_id, 300),
    ]


async def test_who_proposes_is_the_first_of_the_two(chain):
    lot = await chain.released()
    proposal = await chain.propose(lot, chain.lead)
    assert (proposal.sample_id, [each.person for each in proposal.voices]) == ("", ["lead-1"])
    await refused("VOICE_GIVEN", chain.decide(proposal.proposal_id))
    assert (await chain.decide(proposal.proposal_id, caller=chain.chief)).state == pb.RECALL_STATE_RECALLED


async def test_one_persons_proposal_stops_nothing(chain):
    source = await chain.premises()
    lot = await chain.released(source)
    await chain.propose(lot)
    assert (await chain.send(lot, source.venue_id, "外地客户")).remaining == 900


async def test_where_two_disagree_a_third_decides(chain):
    lot = await chain.released()
    proposal = await chain.propose(lot)
    assert (await chain.decide(proposal.proposal_id, DISMISS)).state == pb.RECALL_STATE_PROPOSED
    dismissed = await chain.decide(proposal.proposal_id, DISMISS, chain.chief)
    assert dismissed.state == pb.RECALL_STATE_DISMISSED
    assert (await chain.get(lot)).lot.state == pb.LOT_STATE_RELEASED
    again = await chain.propose(lot)
    await chain.decide(again.proposal_id, DISMISS)
    assert (await chain.decide(again.proposal_id, RECALL, chain.chief)).state == pb.RECALL_STATE_RECALLED


async def test_a_positive_result_is_dismissed_only_after_a_later_negative_one_of_the_goods(chain):
    source = await chain.premises()
    lot = await chain.released(source)
    proposal_id = await chain.tested(lot, POSITIVE)
    await refused("RETEST_NEEDED", chain.decide(proposal_id, DISMISS))
    await chain.tested(lot, NEGATIVE, PACKAGING)
    await refused("RETEST_NEEDED", chain.decide(proposal_id, DISMISS))
    await chain.tested(lot, NEGATIVE)
    await chain.decide(proposal_id, DISMISS)
    await refused("LOT_HELD", chain.send(lot, source.venue_id, "外地客户"))
    assert (await chain.decide(proposal_id, DISMISS, chain.chief)).state == pb.RECALL_STATE_DISMISSED
    assert (await chain.get(lot)).lot.state == pb.LOT_STATE_RELEASED
    assert (await chain.send(lot, source.venue_id, "外地客户")).remaining == 900


async def test_a_sample_from_before_the_positive_result_dismisses_nothing_however_late_its_own_is_entered(chain):
    lot = await chain.lot(await chain.premises())
    before = await chain.sample(lot)
    proposal_id = await chain.tested(lot, POSITIVE)
    await chain.result(before, NEGATIVE)
    await refused("RETEST_NEEDED", chain.decide(proposal_id, DISMISS))
    await chain.tested(lot, NEGATIVE)
    await chain.decide(proposal_id, DISMISS)


async def test_of_two_positive_results_each_has_to_be_dismissed(chain):
    lot = await chain.lot(await chain.premises())
    await chain.disinfect(lot)
    proposals = [await chain.tested(lot, POSITIVE), await chain.tested(lot, POSITIVE, PACKAGING)]
    await chain.tested(lot)
    for proposal_id, state in zip(proposals, (pb.LOT_STATE_HELD, pb.LOT_STATE_WAITING), strict=True):
        for caller in (chain.lead, chain.chief):
            await chain.decide(proposal_id, DISMISS, caller)
        assert (await chain.get(lot)).lot.state == state
    await chain.release(lot)


@pytest.mark.case("wrong caller")
async def test_the_laboratory_has_no_voice_on_its_own_result(chain):
    lot = await chain.lot(await chain.premises())
    proposal_id = await chain.tested(lot, POSITIVE)
    both = person("lab-1", "laboratory", "enforcement_lead")
    await refused("LABORATORY_HAS_NO_VOICE", chain.decide(proposal_id, caller=both))
    await refused("OUT_OF_AREA", chain.decide(proposal_id, caller=person("x", "enforcement_lead", areas=("141181",))))
    await refused("PROPOSAL_UNKNOWN", chain.decide(str(uuid4())))


@pytest.mark.case("concurrency")
async def test_ten_who_decide_and_ten_who_send_at_once_agree_on_what_came_first(chain):
    source = await chain.premises()
    lot = await chain.released(source)
    proposal = await chain.propose(lot)
    leads = [person(f"lead-{n}", "enforcement_lead") for n in range(10, 20)]
    answers = await asyncio.gather(
        *(chain.decide(proposal.proposal_id, caller=lead) for lead in leads),
        *(chain.send(lot, source.venue_id, "外地客户", 10) for _ in range(10)),
        return_exceptions=True,
    )
    reasons = Counter(getattr(each, "reason", "") for each in answers[:10])
    assert reasons["DECIDED_ALREADY"] == 9
    sent = [each for each in answers[10:] if isinstance(each, pb.Distribution)]
    assert {each.reason for each in answers[10:] if each not in sent} <= {"LOT_RECALLED"}
    kinds = [
        row["kind"]
        for row in await chain.house.rows("SELECT kind FROM lot_facts WHERE lot_id = $1 ORDER BY ordinal", lot.lot_id)
    ]
    assert kinds[-1] == 9
    assert kinds.count(7) == len(sent)
    (event,) = await chain.events("recalled")
    assert sum(each.received for each in event.places if not each.venue_id) == 10 * len(sent)


@pytest.mark.case("crash", "repeat")
async def test_a_recall_that_fails_at_its_last_step_stops_nothing_and_leaves_no_entry(chain, monkeypatch):
    source = await chain.premises()
    lot = await chain.released(source)
    proposal = await chain.propose(lot)
    teller = chain.servicer.recalling._tell

    async def cut(conn, *_):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    request = chain.ask(
        pb.DecideLotRecallRequest,
        {},
        decision_id=str(uuid4()),
        proposal_id=proposal.proposal_id,
        decision=RECALL,
        reason="经研判",
    )
    size = await chain.house.owner.fetchval("SELECT size FROM ledger_head")
    with monkeypatch.context() as patch:
        patch.setattr(teller, "handled", cut)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await chain.call(chain.lead, request)
    assert await chain.house.owner.fetchval("SELECT size FROM ledger_head") == size
    assert not await chain.events("recalled")
    await chain.send(lot, source.venue_id, "外地客户")
    answer = await chain.call(chain.lead, request)
    assert answer.recall.state == pb.RECALL_STATE_RECALLED
    assert await chain.call(chain.lead, request) == answer
    assert len(await chain.events("recalled")) == 1
    assert await chain.house.owner.fetchval("SELECT size FROM ledger_head") == size + 1


async def test_a_recall_stands_in_the_log_for_everybody_to_check(chain):
    lot = await chain.released(await chain.premises(drill_id="drill-1"))
    recall = await chain.recalled(lot)
    proof = await chain.call(
        person("auditor-1", "auditor"), pb.GetLotRecallProofRequest(decision_id=recall.decision_id)
    )
    label, decision, lot_id, proposal, _, drill_id = cbor2.loads(proof.content)
    assert (label, drill_id) == ("lilitong/lot-recall/1", "drill-1")
    assert (decision.hex(), lot_id.hex(), proposal.hex()) == tuple(
        each.replace("-", "") for each in (recall.decision_id, lot.lot_id, recall.proposal_id)
    )
    checkpoint = open_checkpoint(proof.checkpoint, [chain.signer.verifier])
    leaf = merkle.leaf_hash(commitment.commit(proof.salt, proof.content))
    assert merkle.verify_inclusion(leaf, proof.leaf_index, checkpoint.size, list(proof.path), checkpoint.root)
    request = pb.GetLotRecallProofRequest(decision_id=recall.decision_id)
    assert (await chain.call(chain.importer, request)).content == proof.content
    await refused("NOT_AN_OPERATOR", chain.call(chain.shop, request))
    await refused("RECALL_UNKNOWN", chain.call(chain.lead, pb.GetLotRecallProofRequest(decision_id=str(uuid4()))))


async def test_a_trace_goes_through_every_hand_in_a_circle_and_back(chain):
    source = await chain.premises()
    a, b, c = [await chain.house.register(category=5) for _ in range(3)]
    lot = await chain.released(source)
    moves = [(source, a, 500), (a, b, 200), (b, c, 100), (c, a, 50), (a, source, 30), (source, b, 10), (b, a, 5)]
    for start, end, quantity in moves:
        await chain.send(lot, start.venue_id, end.venue_id, quantity)
    await chain.send(lot, c.venue_id, "外地客户", 20)
    other = await chain.released(source)
    await chain.send(other, source.venue_id, c.venue_id, 7)
    places = {each.venue_id or each.name: each for each in (await chain.trace(lot)).places}
    assert {name: (each.level, each.received, each.there) for name, each in places.items()} == {
        source.venue_id: (0, 1030, 520),
        a.venue_id: (1, 555, 325),
        # What b had straight from the premises came later than what it had from a.
        b.venue_id: (2, 210, 105),
        c.venue_id: (3, 100, 30),
        "外地客户": (4, 20, 0),
    }


@pytest.mark.case("happy path")
async def test_a_trace_tells_who_handled_the_lot_on_which_day(chain):
    source = await chain.premises()
    lot = await chain.released(source)
    today = day_number(chain.now().date())
    for name in ("wang", "li"):
        await chain.handle(lot, source.venue_id, name)
    chain.later(days=1)
    await chain.handle(lot, source.venue_id, "wang")
    tags = chain.house.people.tag
    found = {each.day: {handler.tag for handler in each.handlers} for each in (await chain.trace(lot)).handlers}
    first, second = chain.now().date() - timedelta(days=1), chain.now().date()
    assert found == {today: {tags("wang", first), tags("li", first)}, today + 1: {tags("wang", second)}}
    await chain.recalled(lot)
    events = await chain.events("handled")
    assert {each.day: {handler.tag for handler in each.handlers} for each in events} == found
    # Who is recorded after the recall is told at once, and only once.
    await chain.handle(lot, source.venue_id, "zhao")
    await chain.handle(lot, source.venue_id, "zhao")
    *_, last = await chain.events("handled")
    assert [handler.tag for handler in last.handlers] == [tags("zhao", second)]
    assert len(await chain.events("handled")) == 3


async def test_lists_find_lots_by_state_and_page_through_all(chain):
    source = await chain.premises()
    lots = []
    for _ in range(5):
        lots.append(await chain.lot(source))
        chain.later(minutes=1)
    await chain.tested(lots[1], POSITIVE)
    await chain.recalled(lots[3])

    async def page(**given):
        return await chain.call(chain.officer, pb.ListLotsRequest(area="141102", **given))

    seen, token = [], ""
    while True:
        found = await page(page_size=2, page_token=token)
        seen += [each.lot_id for each in found.lots]
        token = found.next_page_token
        if not token:
            break
    assert seen == [each.lot_id for each in reversed(lots)]
    for given, expected in (
        ({"state": pb.LOT_STATE_HELD}, [lots[1]]),
        ({"state": pb.LOT_STATE_RECALLED}, [lots[3]]),
        ({"recall_proposed": True}, [lots[1]]),
        ({"area": "141181"}, []),
    ):
        caller = person("officer-1", "venue_officer", areas=("1411",))
        found = await chain.call(caller, pb.ListLotsRequest(**{"area": "141102"} | given))
        assert [each.lot_id for each in found.lots] == [each.lot_id for each in expected]
    await refused("PAGE_TOKEN_INVALID", page(page_token="x"))


async def test_nobody_takes_the_id_of_what_a_positive_result_will_propose(chain):
    """Otherwise a proposal under a pending sample's id would keep its result out for good."""
    lot = await chain.lot(await chain.premises())
    sample = await chain.sample(lot)
    await chain.propose(lot, proposal_id=sample.sample_id)
    answer = await chain.result(sample, POSITIVE)
    assert answer.proposal_id not in {"", sample.sample_id}
    assert (await chain.get(lot)).lot.state == pb.LOT_STATE_HELD


async def test_a_venue_that_closed_since_stays_in_the_trace_and_is_told_as_closed(chain):
    source = await chain.premises()
    market = await chain.house.register(category=5)
    lot = await chain.released(source)
    await chain.send(lot, source.venue_id, market.venue_id, 300)
    await chain.house.close(market)
    await chain.recalled(lot)
    places = [(each.venue_id, each.there, each.closed) for each in (await chain.trace(lot)).places]
    assert places == [(source.venue_id, 700, False), (market.venue_id, 300, True)]
    (event,) = await chain.events("recalled")
    assert [(each.venue_id, each.closed) for each in event.places] == [
        (source.venue_id, False),
        (market.venue_id, True),
    ]
