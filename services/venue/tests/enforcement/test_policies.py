"""Ladder policies: two others approve them, and they make sense."""

from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import enforcement_pb2 as pb

from .conftest import DECISION, FENGSHAN, FORM, LIANHUACHI, SEAL, person, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]


@pytest.mark.case("bad input", "wrong caller")
async def test_policies_need_two_others_and_make_sense(street):
    def draft(steps, area=FENGSHAN):
        rules = pb.LadderRules(
            window_days=60, steps=steps, reinspect_hours=24, climb_hours=24, issuing_body="凤山街道疫情防控办公室"
        )
        request = pb.DraftLadderPolicyRequest(
            request_id=str(uuid4()), policy_id=str(uuid4()), area=area, title="办法", rules=rules
        )
        request.effective_from.FromDatetime(street.now())
        return request

    for papers, days in (([FORM, DECISION], 0), ([FORM], 3), ([FORM, SEAL], 0)):
        bad = draft([pb.LadderStep(papers=papers, suspension_days=days, rectify_hours=1)])
        assert await refused(street.call(street.lead, bad)) == (Kind.INVALID, "LADDER_INVALID")
    good = draft([pb.LadderStep(papers=[FORM], rectify_hours=1)])
    elsewhere = person("lead-9", "enforcement_lead", areas=(LIANHUACHI,))
    await street.call(street.lead, good)
    again = draft([pb.LadderStep(papers=[FORM], rectify_hours=2)])
    again.policy_id = good.policy_id
    assert await refused(street.call(street.lead, again)) == (Kind.EXISTS, "POLICY_EXISTS")

    async def approve(caller):
        request = pb.ApproveLadderPolicyRequest(request_id=str(uuid4()), policy_id=good.policy_id)
        return (await street.call(caller, request)).policy

    assert await refused(approve(street.lead)) == (Kind.DENIED, "DRAFTER_CANNOT_APPROVE")
    assert await refused(approve(elsewhere)) == (Kind.DENIED, "OUT_OF_AREA")
    assert (await approve(street.chief)).state == pb.LADDER_POLICY_STATE_DRAFT
    assert await refused(approve(street.chief)) == (Kind.DENIED, "SAME_APPROVER")
    in_force = pb.GetLadderPolicyInForceRequest(area=FENGSHAN)
    assert await refused(street.call(street.lead, in_force)) == (Kind.NOT_FOUND, "NO_POLICY")
    approved = await approve(street.third)
    assert (approved.state, approved.version, approved.approvals) == (pb.LADDER_POLICY_STATE_APPROVED, 1, 2)
    assert await refused(approve(person("lead-4", "enforcement_lead"))) == (Kind.PRECONDITION, "POLICY_APPROVED")
    assert (await street.call(street.lead, in_force)).policy == approved
    read = pb.GetLadderPolicyRequest(policy_id=good.policy_id)
    assert (await street.call(street.lead, read)).policy == approved
    # Before it was approved nobody was bound by it, whatever its date says.
    in_force.at.FromDatetime(street.now() - timedelta(seconds=1))
    assert await refused(street.call(street.lead, in_force)) == (Kind.NOT_FOUND, "NO_POLICY")
