"""Requests to venue about the enforcement ladder."""

import secrets
from datetime import timedelta

from lilitong.venue.v1 import enforcement_pb2, inspection_pb2

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now

PAPERS = (
    inspection_pb2.LADDER_PAPER_INSPECTION_FORM,
    inspection_pb2.LADDER_PAPER_RECTIFICATION_NOTICE,
    inspection_pb2.LADDER_PAPER_RED_CARD,
    inspection_pb2.LADDER_PAPER_SUSPENSION_DECISION,
    inspection_pb2.LADDER_PAPER_SEAL,
)


@sample
def draft_policy(world: World, role: str) -> enforcement_pb2.DraftLadderPolicyRequest:
    """The first failed inspection leads to everything."""
    step = enforcement_pb2.LadderStep(papers=PAPERS, suspension_days=3, rectify_hours=48)
    return enforcement_pb2.DraftLadderPolicyRequest(
        request_id=new_id(),
        policy_id=new_id(),
        area=HOME,
        title="阶梯",
        rules=enforcement_pb2.LadderRules(
            window_days=60, steps=[step], reinspect_hours=24, climb_hours=24, issuing_body="凤山街道疫情防控办公室"
        ),
        effective_from=stamp(now() - timedelta(minutes=1)),
    )


@sample
def approve_policy(world: World, role: str) -> enforcement_pb2.ApproveLadderPolicyRequest:
    return enforcement_pb2.ApproveLadderPolicyRequest(request_id=new_id(), policy_id=world.ladder_policy_id)


@sample
def get_policy(world: World, role: str) -> enforcement_pb2.GetLadderPolicyRequest:
    return enforcement_pb2.GetLadderPolicyRequest(policy_id=world.ladder_policy_id)


@sample
def policy_in_force(world: World, role: str) -> enforcement_pb2.GetLadderPolicyInForceRequest:
    return enforcement_pb2.GetLadderPolicyInForceRequest(area=HOME)


@sample
def standing(world: World, role: str) -> enforcement_pb2.GetStandingRequest:
    return enforcement_pb2.GetStandingRequest(venue_id=world.venue_id)


@sample
def open_measures(world: World, role: str) -> enforcement_pb2.ListOpenMeasuresRequest:
    return enforcement_pb2.ListOpenMeasuresRequest(area=HOME, page_size=5)


@sample
def rectify(world: World, role: str) -> enforcement_pb2.SubmitRectificationRequest:
    return enforcement_pb2.SubmitRectificationRequest(
        request_id=new_id(),
        rectification_id=new_id(),
        measure_id=world.rectifying_id,
        statement="已整改",
        evidence=[secrets.token_bytes(32)],
    )


@sample
def approve_suspension(world: World, role: str) -> enforcement_pb2.ApproveSuspensionRequest:
    return enforcement_pb2.ApproveSuspensionRequest(
        request_id=new_id(), suspension_id=new_id(), measure_id=world.suspending_id
    )


@sample
def propose_extension(world: World, role: str) -> enforcement_pb2.ProposeSuspensionExtensionRequest:
    return enforcement_pb2.ProposeSuspensionExtensionRequest(
        request_id=new_id(), extension_id=new_id(), measure_id=world.suspended_id, days=1, grounds="仍未整改"
    )


@sample
def approve_extension(world: World, role: str) -> enforcement_pb2.ApproveSuspensionExtensionRequest:
    return enforcement_pb2.ApproveSuspensionExtensionRequest(
        request_id=new_id(), suspension_id=new_id(), extension_id=world.extension_id
    )


@sample
def propose_lift(world: World, role: str) -> enforcement_pb2.ProposeMeasureLiftRequest:
    return enforcement_pb2.ProposeMeasureLiftRequest(
        request_id=new_id(), lift_id=new_id(), measure_id=world.lift_ready_id, grounds="复查合格"
    )


@sample
def approve_lift(world: World, role: str) -> enforcement_pb2.ApproveMeasureLiftRequest:
    return enforcement_pb2.ApproveMeasureLiftRequest(request_id=new_id(), lift_id=world.lift_id)


@sample
def appeal(world: World, role: str) -> enforcement_pb2.FileAppealRequest:
    return enforcement_pb2.FileAppealRequest(
        request_id=new_id(), appeal_id=new_id(), measure_id=world.appealing_id, grounds="当时已测温"
    )


@sample
def decide(world: World, role: str) -> enforcement_pb2.DecideAppealRequest:
    return enforcement_pb2.DecideAppealRequest(
        request_id=new_id(),
        appeal_id=world.appeal_id,
        decision=enforcement_pb2.APPEAL_DECISION_REJECTED,
        grounds="经核实",
    )


@sample
def proof(world: World, role: str) -> enforcement_pb2.GetSuspensionProofRequest:
    return enforcement_pb2.GetSuspensionProofRequest(suspension_id=world.suspension_id)
