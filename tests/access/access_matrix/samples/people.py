"""Requests to quarantine about people: register, passes, cards."""

from datetime import timedelta
from typing import Any

from lilitong.quarantine.v1 import pass_pb2, register_pb2
from passes.days import day_number, local_day

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, new_key, new_number, now, point

_CHANNELS = {
    "app_backend": register_pb2.REGISTRATION_CHANNEL_SELF,
    "grid_worker": register_pb2.REGISTRATION_CHANNEL_PROXY,
    "volunteer": register_pb2.REGISTRATION_CHANNEL_PROXY,
}


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
