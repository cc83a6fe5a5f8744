"""A whole life of a venue in which everybody presses four times at once: it comes out as if each had pressed once."""

from uuid import uuid4

import pytest

from .conftest import LADDERS

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]
REJECTED = 2
OTHERS = {
    "DraftLadderPolicy": {"title": "另一个办法"},
    "ApproveLadderPolicy": None,
    "RecordInspection": {"second_inspector": "inspector-3"},
    "SubmitRectification": {"statement": "另一种说法"},
    "ApproveSuspension": {"suspension_id": str(uuid4())},
    "ProposeSuspensionExtension": {"grounds": "另一种说法"},
    "ApproveSuspensionExtension": {"suspension_id": str(uuid4())},
    "ProposeMeasureLift": {"grounds": "另一种说法"},
    "ApproveMeasureLift": None,
    "FileAppeal": {"grounds": "另一种说法"},
    "DecideAppeal": {"grounds": "另一种说法"},
}


@pytest.mark.feature("V6")
@pytest.mark.case("repeat", "concurrency")
async def test_every_act_sent_four_times_at_once_acts_once_and_other_content_under_its_id_is_refused(street, insisting):
    venue = await street.venue()
    await street.standing(venue)
    street.call = pressed = insisting(street.call, OTHERS)
    await street.policies()
    measure, _ = await street.climb_to_suspension(venue)
    await street.decide((await street.appeal(measure)).appeal_id, REJECTED)
    await street.extend(await street.propose_extension(measure))
    await street.rectify(measure)
    await street.passes(venue, measure)
    standing = await street.lift(await street.propose_lift(measure))
    assert not standing.suspended
    kinds = {
        row["kind"]: row["count"]
        for row in await street.house.rows("SELECT kind, count(*) FROM ladder_facts GROUP BY kind")
    }
    facts = await street.house.owner.fetchval("SELECT count(*) FROM ladder_facts")
    # Four inspections; appeal and decision; suspension; extension proposed and approved; rectified; lift proposed and approved.
    assert facts == 4 + 2 + 1 + 2 + 1 + 2, kinds
    assert await street.house.owner.fetchval("SELECT count(*) FROM ladder_policies") == len(LADDERS)
    for table, count in (("inspections", 4), ("suspensions", 2)):
        assert await street.house.owner.fetchval(f"SELECT count(*) FROM {table}") == count
    assert await pressed.again() == OTHERS.keys()
    assert await street.house.owner.fetchval("SELECT count(*) FROM ladder_facts") == facts
    assert await street.standing(venue) == standing
