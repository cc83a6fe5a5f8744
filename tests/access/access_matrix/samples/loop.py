"""Requests to quarantine about the closed loop: policy, cases, restrictions, drills, lists."""

import secrets
from datetime import timedelta

from lilitong.quarantine.v1 import case_pb2, contact_pb2, day_set_pb2, drill_pb2, keys_pb2, policy_pb2, restriction_pb2

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now

RULES = policy_pb2.PolicyRules(
    infectious_days_before=0,
    close_contact_minutes=15,
    close_contact_days=7,
    case_days=14,
    largest_zone=400,
    impact_cap=1000,
    passage_minutes=10,
)


@sample
def draft_policy(world: World, role: str) -> policy_pb2.DraftPolicyRequest:
    """Not in force before next year, so that it changes nothing for others."""
    return policy_pb2.DraftPolicyRequest(
        request_id=new_id(),
        policy_id=new_id(),
        title="方案",
        rules=RULES,
        effective_from=stamp(now() + timedelta(days=365)),
    )


@sample
def approve_policy(world: World, role: str) -> policy_pb2.ApprovePolicyRequest:
    return policy_pb2.ApprovePolicyRequest(request_id=new_id(), policy_id=world.policy_id)


@sample
def get_policy(world: World, role: str) -> policy_pb2.GetPolicyRequest:
    return policy_pb2.GetPolicyRequest(policy_id=world.policy_id)


@sample
def get_active_policy(world: World, role: str) -> policy_pb2.GetActivePolicyRequest:
    return policy_pb2.GetActivePolicyRequest()


@sample
def open_case(world: World, role: str) -> case_pb2.OpenCaseRequest:
    return case_pb2.OpenCaseRequest(request_id=new_id(), case_id=new_id(), resident_id=world.suspect_id)


@sample
def lab_result(world: World, role: str) -> case_pb2.RecordLabResultRequest:
    return case_pb2.RecordLabResultRequest(
        request_id=new_id(),
        lab_result_id=new_id(),
        resident_id=world.suspect_id,
        specimen_at=stamp(now() - timedelta(minutes=5)),
        outcome=case_pb2.LAB_OUTCOME_POSITIVE,
    )


@sample
def approve_case(world: World, role: str) -> case_pb2.ApproveCaseRequest:
    return case_pb2.ApproveCaseRequest(
        request_id=new_id(), case_id=world.approving_case_id, lab_result_id=world.approving_result_id
    )


@sample
def case_impact(world: World, role: str) -> case_pb2.GetCaseImpactRequest:
    return case_pb2.GetCaseImpactRequest(case_id=world.case_id)


@sample
def get_case(world: World, role: str) -> case_pb2.GetCaseRequest:
    return case_pb2.GetCaseRequest(case_id=world.case_id)


@sample
def list_cases(world: World, role: str) -> case_pb2.ListCasesRequest:
    return case_pb2.ListCasesRequest(area=HOME, page_size=5)


@sample
def close_case(world: World, role: str) -> case_pb2.CloseCaseRequest:
    return case_pb2.CloseCaseRequest(request_id=new_id(), case_id=world.closing_case_id)


@sample
def list_contacts(world: World, role: str) -> contact_pb2.ListContactsRequest:
    return contact_pb2.ListContactsRequest(case_id=world.case_id, page_size=5)


@sample
def list_tasks(world: World, role: str) -> contact_pb2.ListInterviewTasksRequest:
    return contact_pb2.ListInterviewTasksRequest(area=HOME, page_size=5)


@sample
def complete_task(world: World, role: str) -> contact_pb2.CompleteInterviewTaskRequest:
    return contact_pb2.CompleteInterviewTaskRequest(
        request_id=new_id(),
        task_id=world.task_id,
        outcome=contact_pb2.INTERVIEW_OUTCOME_CLOSE_CONTACT,
        statement="We sat at one table.",
    )


@sample
def propose_restriction(world: World, role: str) -> restriction_pb2.ProposeRestrictionRequest:
    return restriction_pb2.ProposeRestrictionRequest(
        request_id=new_id(), restriction_id=new_id(), evidence_id=world.evidence_id
    )


@sample
def approve_restriction(world: World, role: str) -> restriction_pb2.ApproveRestrictionRequest:
    return restriction_pb2.ApproveRestrictionRequest(request_id=new_id(), restriction_id=world.proposal_id)


@sample
def propose_lift(world: World, role: str) -> restriction_pb2.ProposeLiftRequest:
    return restriction_pb2.ProposeLiftRequest(
        request_id=new_id(), restriction_id=world.lifting_id, grounds="Two negative results."
    )


@sample
def approve_lift(world: World, role: str) -> restriction_pb2.ApproveLiftRequest:
    return restriction_pb2.ApproveLiftRequest(request_id=new_id(), restriction_id=world.lift_proposed_id)


@sample
def get_restriction(world: World, role: str) -> restriction_pb2.GetRestrictionRequest:
    return restriction_pb2.GetRestrictionRequest(restriction_id=world.restriction_id)


@sample
def explain(world: World, role: str) -> restriction_pb2.ExplainRestrictionRequest:
    return restriction_pb2.ExplainRestrictionRequest(resident_id=world.restricted_id)


@sample
def start_drill(world: World, role: str) -> drill_pb2.StartDrillRequest:
    return drill_pb2.StartDrillRequest(
        request_id=new_id(), drill_id=f"drill-{secrets.token_hex(6)}", title="演练", area=HOME
    )


@sample
def end_drill(world: World, role: str) -> drill_pb2.EndDrillRequest:
    return drill_pb2.EndDrillRequest(request_id=new_id(), drill_id=world.drill_id)


@sample
def day_sets(world: World, role: str) -> day_set_pb2.ListDaySetSegmentsRequest:
    return day_set_pb2.ListDaySetSegmentsRequest()


@sample
def keys(world: World, role: str) -> keys_pb2.ListVerificationKeysRequest:
    return keys_pb2.ListVerificationKeysRequest()
