"""The two sub-districts' ladders, from the first failed inspection to reopening, through the service's own calls."""

from datetime import timedelta

import pytest
from ledger import commitment, merkle
from ledger.note import open_checkpoint
from venue.enforcement.policies.model import Paper

from .conftest import DECISION, FENGSHAN, FORM, LIANHUACHI, NOTICE, RED, SEAL, YELLOW

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]
RECTIFY, REINSPECT, LIFT, CLOSED, ANNULLED, SUPERSEDED = 1, 2, 3, 4, 5, 6


def kinds(papers):
    return [each.paper for each in papers]


@pytest.mark.case("happy path")
async def test_lianhuachi_goes_from_notice_over_yellow_to_red_with_suspension_and_seal(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    first = await street.fail(venue)
    assert (first.step, kinds(first.papers), first.proposed_suspension_days) == (1, [FORM, NOTICE], 0)
    assert [each.number for each in first.papers] == ["离防检〔2022〕1号", "离防整〔2022〕1号"]
    street.later(days=1)
    second = await street.fail(venue)
    assert (second.step, kinds(second.papers)) == (2, [FORM, NOTICE, YELLOW])
    assert (await street.standing(venue)).card == YELLOW
    street.later(days=1)
    third = await street.fail(venue)
    assert (third.step, kinds(third.papers), third.proposed_suspension_days) == (3, [FORM, RED], 3)
    standing = await street.standing(venue)
    assert (standing.card, standing.suspended, standing.failed_counting) == (RED, False, 3)
    approved = await street.suspend(third.inspection.inspection_id)
    assert kinds(approved.papers) == [DECISION, SEAL]
    assert approved.suspension.seal_number == "离防封〔2022〕1号"
    assert approved.suspension.ends_at.ToDatetime() - approved.suspension.starts_at.ToDatetime() == timedelta(days=3)
    standing = await street.standing(venue)
    assert standing.suspended
    assert standing.suspended_until == approved.suspension.ends_at
    assert [each.state for each in standing.measures] == [SUPERSEDED, SUPERSEDED, RECTIFY]
    assert list(standing.measures[2].papers_in_force) == [FORM, RED, DECISION, SEAL]


@pytest.mark.case("happy path")
async def test_fengshan_knows_notices_and_suspension_and_no_cards(street):
    await street.policies()
    venue = await street.venue(FENGSHAN)
    answers = []
    for _ in range(4):
        answers.append(await street.fail(venue))
        street.later(hours=3)
    assert [each.step for each in answers] == [1, 2, 3, 3]
    assert [kinds(each.papers) for each in answers] == [[FORM, NOTICE], [FORM, NOTICE], [FORM], [FORM]]
    approved = await street.suspend(answers[3].inspection.inspection_id)
    assert kinds(approved.papers) == [DECISION, SEAL]
    standing = await street.standing(venue)
    assert (standing.card, standing.suspended) == (0, True)
    rows = await street.house.rows("SELECT kind, issuing_body, count(*) FROM documents GROUP BY 1, 2 ORDER BY 1")
    assert {row["issuing_body"] for row in rows} == {"凤山街道疫情防控办公室"}
    assert not {row["kind"] for row in rows} & {Paper.YELLOW_CARD, Paper.RED_CARD}


@pytest.mark.case("happy path")
async def test_a_shop_reopens_by_rectification_reinspection_and_a_lift_by_two(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    measure, _ = await street.climb_to_suspension(venue)
    await street.rectify(measure)
    assert (await street.standing(venue)).measures[2].state == REINSPECT
    street.later(hours=2)
    assert (await street.passes(venue, measure)).inspection.passed
    standing = await street.standing(venue)
    assert (standing.measures[2].state, standing.suspended) == (LIFT, True)
    lift = await street.propose_lift(measure)
    standing = await street.lift(lift)
    assert not standing.suspended
    assert (standing.card, standing.failed_counting, standing.current_measure_id) == (0, 0, "")
    assert {each.state for each in standing.measures} == {CLOSED}
    # And begins anew at the first step.
    street.later(days=1)
    assert (await street.fail(venue)).step == 1


async def test_a_notice_closes_with_the_reinspection_alone_and_goes_on_counting(street):
    await street.policies()
    venue = await street.venue(FENGSHAN)
    measure = (await street.fail(venue)).inspection.inspection_id
    await street.rectify(measure)
    await street.passes(venue, measure)
    standing = await street.standing(venue)
    assert (standing.measures[0].state, standing.current_measure_id, standing.failed_counting) == (CLOSED, "", 1)
    assert list(standing.measures[0].papers_in_force) == [FORM]
    assert (await street.fail(venue)).step == 2


async def test_a_failed_reinspection_is_the_next_step(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    measure = (await street.fail(venue)).inspection.inspection_id
    await street.rectify(measure)
    again = await street.fail(venue, reinspects=measure)
    assert again.step == 2
    standing = await street.standing(venue)
    assert [each.state for each in standing.measures] == [SUPERSEDED, RECTIFY]


async def test_a_good_inspection_without_rectification_changes_nothing(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    measure = (await street.fail(venue)).inspection.inspection_id
    await street.passes(venue)
    await street.passes(venue, measure)
    assert (await street.standing(venue)).measures[0].state == RECTIFY


@pytest.mark.case("happy path")
async def test_the_standing_of_any_former_day_is_told_as_it_was_then(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    moments = []

    async def note():
        moments.append((street.now(), await street.standing(venue)))
        street.later(hours=5)

    await note()
    measure, _ = await street.climb_to_suspension(venue)
    await note()
    await street.rectify(measure)
    await note()
    await street.passes(venue, measure)
    await note()
    await street.lift(await street.propose_lift(measure))
    await note()
    for at, then in moments:
        assert await street.standing(venue, at) == then
    at = moments[1][0]
    assert (await street.standing(venue, at)).suspended


async def test_a_later_policy_changes_nothing_that_was_issued(street):
    await street.policies()
    venue = await street.venue(FENGSHAN)
    first = await street.fail(venue)
    before = (await street.standing(venue)).measures[0]
    street.later(days=1)
    harsh = await street.policy(
        FENGSHAN,
        effective=street.now(),
        steps=[{"papers": [FORM, RED, DECISION], "suspension_days": 9, "rectify_hours": 5}],
    )
    assert harsh.version == 2
    assert (await street.standing(venue)).measures[0] == before
    assert (first.step, before.policy_version) == (1, 1)
    second = await street.fail(venue)
    assert (second.step, kinds(second.papers), second.proposed_suspension_days) == (1, [FORM, RED], 9)


async def test_what_is_older_than_the_window_no_longer_counts(street):
    await street.policies()
    venue = await street.venue(FENGSHAN)
    await street.fail(venue)
    street.later(days=61)
    assert (await street.standing(venue)).failed_counting == 0
    assert (await street.fail(venue)).step == 1


async def test_the_longest_prefix_decides_and_without_a_policy_nothing_is_issued(street):
    venue = await street.venue(FENGSHAN)
    bare = await street.fail(venue)
    assert (bare.step, kinds(bare.papers), bare.HasField("rectify_by")) == (0, [], False)
    await street.policies()
    assert (await street.fail(venue)).step == 2
    from lilitong.venue.v1 import enforcement_pb2 as pb

    async def in_force(area):
        answer = await street.call(street.lead, pb.GetLadderPolicyInForceRequest(area=area))
        return answer.policy.area

    assert await in_force(f"{FENGSHAN}007") == FENGSHAN
    assert await in_force(LIANHUACHI) == LIANHUACHI


async def test_a_suspension_stands_in_the_log_and_anybody_can_prove_it(street):
    from lilitong.venue.v1 import enforcement_pb2 as pb

    await street.policies()
    _, suspension = await street.climb_to_suspension(await street.venue())
    await street.climb_to_suspension(await street.venue())
    request = pb.GetSuspensionProofRequest(suspension_id=suspension.suspension_id)
    proof = await street.call(street.lead, request)
    leaf = merkle.leaf_hash(commitment.commit(proof.salt, proof.content))
    checkpoint = open_checkpoint(proof.checkpoint, [street.signer.verifier])
    assert checkpoint.size == proof.tree_size
    assert merkle.verify_inclusion(leaf, proof.leaf_index, proof.tree_size, list(proof.path), checkpoint.root)
