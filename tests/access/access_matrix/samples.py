"""One request for each request type: valid, with fresh ids where something is made, about things of a world."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.checkpoint.v1 import post_pb2, scan_pb2
from lilitong.quarantine.v1 import (
    case_pb2,
    contact_pb2,
    day_set_pb2,
    drill_pb2,
    keys_pb2,
    pass_pb2,
    policy_pb2,
    register_pb2,
    restriction_pb2,
)
from lilitong.venue.v1 import venue_pb2, visit_pb2
from passes import device
from passes.days import day_number, local_day

from access_matrix.world import HOME, World, new_id, new_key, new_number, now, point, public_key

Build = Callable[[World, str], Message]
SAMPLES: dict[type[Message], Build] = {}
RULES = policy_pb2.PolicyRules(
    infectious_days_before=0,
    close_contact_minutes=15,
    close_contact_days=7,
    case_days=14,
    largest_zone=400,
    impact_cap=1000,
    passage_minutes=10,
)
_CHANNELS = {
    "app_backend": register_pb2.REGISTRATION_CHANNEL_SELF,
    "grid_worker": register_pb2.REGISTRATION_CHANNEL_PROXY,
    "volunteer": register_pb2.REGISTRATION_CHANNEL_PROXY,
}


def sample(build: Build) -> Build:
    """Registers a builder by the request type that it returns."""
    SAMPLES[build.__annotations__["return"]] = build
    return build


def request_for(kind: type[Message], world: World, role: str = "") -> Message:
    """A request as somebody of that role would send it. Fails for a type without a builder."""
    build = SAMPLES.get(kind)
    assert build is not None, f"{kind.DESCRIPTOR.full_name} has no sample: write a builder in access_matrix/samples.py"
    return build(world, role)


def stamp(instant: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(instant)
    return found


# Venue


@sample
def register_venue(world: World, role: str) -> venue_pb2.RegisterVenueRequest:
    return venue_pb2.RegisterVenueRequest(
        request_id=new_id(),
        venue_id=new_id(),
        name="和顺饭店",
        category=venue_pb2.VENUE_CATEGORY_RESTAURANT,
        area=HOME,
        address="演示街1号",
        zones=[venue_pb2.NewZone(name=f"{floor}层", capacity=60) for floor in range(1, 5)],
        operators=[world.operator],
    )


@sample
def register_venues(world: World, role: str) -> venue_pb2.BatchRegisterVenuesRequest:
    return venue_pb2.BatchRegisterVenuesRequest(requests=[register_venue(world, role)])


@sample
def get_venue(world: World, role: str) -> venue_pb2.GetVenueRequest:
    return venue_pb2.GetVenueRequest(venue_id=world.venue_id)


@sample
def list_venues(world: World, role: str) -> venue_pb2.ListVenuesRequest:
    return venue_pb2.ListVenuesRequest(area=HOME, page_size=5)


@sample
def replace_code(world: World, role: str) -> venue_pb2.ReplaceVenueCodeRequest:
    return venue_pb2.ReplaceVenueCodeRequest(request_id=new_id(), zone=world.replacing_zone)


@sample
def revoke_code(world: World, role: str) -> venue_pb2.RevokeVenueCodeRequest:
    return venue_pb2.RevokeVenueCodeRequest(request_id=new_id(), zone=world.revoking_zone)


@sample
def screen_secret(world: World, role: str) -> venue_pb2.IssueScreenSecretRequest:
    return venue_pb2.IssueScreenSecretRequest(request_id=new_id(), zone=world.screen_zone)


@sample
def check_in(world: World, role: str) -> visit_pb2.CheckInRequest:
    by_staff = role == "venue_operator"
    return visit_pb2.CheckInRequest(
        visit_key=secrets.token_bytes(8),
        credential=world.shown("" if by_staff else world.venue_code),
        venue_code=world.venue_code,
        scanned_by_staff=by_staff,
    )


@sample
def check_ins(world: World, role: str) -> visit_pb2.BatchCheckInRequest:
    return visit_pb2.BatchCheckInRequest(requests=[check_in(world, role)])


@sample
def check_out(world: World, role: str) -> visit_pb2.CheckOutRequest:
    return visit_pb2.CheckOutRequest(visit_id=world.visit_id)


@sample
def occupancy(world: World, role: str) -> visit_pb2.GetOccupancyRequest:
    return visit_pb2.GetOccupancyRequest(venue_id=world.venue_id)


# Checkpoint


@sample
def register_post(world: World, role: str) -> post_pb2.RegisterPostRequest:
    return post_pb2.RegisterPostRequest(
        request_id=new_id(), post_id=new_id(), name="东门", level=post_pb2.POST_LEVEL_COMPOUND, area=HOME
    )


@sample
def get_post(world: World, role: str) -> post_pb2.GetPostRequest:
    return post_pb2.GetPostRequest(post_id=world.post_id)


@sample
def list_posts(world: World, role: str) -> post_pb2.ListPostsRequest:
    return post_pb2.ListPostsRequest(area=HOME, page_size=5)


@sample
def enroll_device(world: World, role: str) -> post_pb2.EnrollDeviceRequest:
    return post_pb2.EnrollDeviceRequest(
        request_id=new_id(),
        device_id=new_id(),
        post_id=world.post_id,
        public_key=public_key(new_key()),
        label="scanner",
    )


@sample
def revoke_device(world: World, role: str) -> post_pb2.RevokeDeviceRequest:
    return post_pb2.RevokeDeviceRequest(request_id=new_id(), device_id=world.revoking_device_id)


@sample
def list_devices(world: World, role: str) -> post_pb2.ListDevicesRequest:
    return post_pb2.ListDevicesRequest(area=HOME, page_size=5)


@sample
def scan(world: World, role: str) -> scan_pb2.ScanRequest:
    return scan_pb2.ScanRequest(scan_id=secrets.token_bytes(8))


@sample
def record_scans(world: World, role: str) -> scan_pb2.RecordScansRequest:
    item = scan_pb2.OfflineScan(
        scan_id=secrets.token_bytes(8),
        day=day_number(local_day(now())),
        scanned_at=stamp(now()),
        verdict=scan_pb2.VERDICT_REFER,
        reasons=[scan_pb2.SCAN_REASON_NO_CREDENTIAL],
    )
    batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=[item]).SerializeToString()
    signature = device.sign_batch(world.device_key, sha256(batch).digest())
    return scan_pb2.RecordScansRequest(batch=batch, signature=signature)


@sample
def sync(world: World, role: str) -> scan_pb2.SyncRequest:
    return scan_pb2.SyncRequest()


# Quarantine: people


def resident(number: str = "") -> register_pb2.Resident:
    return register_pb2.Resident(resident_id=new_id(), name="演示居民", id_number=number or new_number())


@sample
def register_household(world: World, role: str) -> register_pb2.RegisterHouseholdRequest:
    channel = _CHANNELS.get(role, register_pb2.REGISTRATION_CHANNEL_IMPORT)
    consent: Any = None
    if channel == register_pb2.REGISTRATION_CHANNEL_PROXY:
        given = stamp(now() - timedelta(hours=1))
        consent = register_pb2.ProxyConsent(given_at=given, evidence_sha256=bytes(32))
    return register_pb2.RegisterHouseholdRequest(
        request_id=new_id(),
        household_id=new_id(),
        area=HOME,
        address="演示小区1号",
        residents=[resident()],
        channel=channel,
        consent=consent,
    )


@sample
def register_households(world: World, role: str) -> register_pb2.BatchRegisterHouseholdsRequest:
    return register_pb2.BatchRegisterHouseholdsRequest(requests=[register_household(world, role)])


@sample
def get_household(world: World, role: str) -> register_pb2.GetHouseholdRequest:
    return register_pb2.GetHouseholdRequest(household_id=world.household_id)


@sample
def find_resident(world: World, role: str) -> register_pb2.FindResidentRequest:
    return register_pb2.FindResidentRequest(id_number=world.id_number)


@sample
def issue_passes(world: World, role: str) -> pass_pb2.IssuePassesRequest:
    key = pass_pb2.DayPhoneKey(day=day_number(local_day(now())), phone_key=point(new_key()))
    return pass_pb2.IssuePassesRequest(request_id=new_id(), resident_id=world.resident_id, keys=[key])


@sample
def issue_many_passes(world: World, role: str) -> pass_pb2.BatchIssuePassesRequest:
    return pass_pb2.BatchIssuePassesRequest(requests=[issue_passes(world, role)])


@sample
def issue_card(world: World, role: str) -> pass_pb2.IssuePaperCardRequest:
    return pass_pb2.IssuePaperCardRequest(request_id=new_id(), card_id=new_id(), resident_id=world.resident_id)


@sample
def revoke_card(world: World, role: str) -> pass_pb2.RevokePaperCardRequest:
    return pass_pb2.RevokePaperCardRequest(request_id=new_id(), card_id=world.card_id)


# Quarantine: the loop


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
