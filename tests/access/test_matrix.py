"""Every endpoint, by gRPC and by REST, against every role, area, service, device and kind of bad credentials."""

import asyncio
from collections.abc import Iterable

import access_table
import pytest
from access_matrix.callers import PURPOSE
from access_matrix.doors import LOOK_UPS, NOBODY, OK
from access_matrix.samples import request_for
from access_matrix.world import HOME
from chassis.access import NOWHERE, RESOURCE

pytestmark = [
    pytest.mark.connected,
    pytest.mark.feature("X2"),
    pytest.mark.asyncio(loop_scope="session"),
]

# What a call may be answered that has got past the door. NOT_FOUND and INVALID are not among them: they would hide that
# the area of the thing was never looked at.
PAST = {OK, "exists", "precondition"}
COVERING = ("14", "1411", "141102", "141102002", HOME)
NOT_COVERING = {
    "another district": ("110101",),
    "a sibling with the same leading digits": ("141102003",),
    "a sibling community": ("141102002002",),
    "only a part of it": (f"{HOME}001",),
    "nowhere": (),
    "several others": ("110101", "141102003", "141102002002"),
}
DENIED_ROLE, DENIED_AREA = "denied NOT_ALLOWED", "denied OUT_OF_AREA"
BAD = {"unauthenticated TOKEN_REFUSED", "unauthenticated CREDENTIALS_REQUIRED"}


@pytest.fixture(name="probe")
def _probe(call, doors, callers, world):
    """Calls one endpoint as somebody; the answer as text, or only its kind when it is past the door."""
    name, endpoint = call

    async def probe(headers, role="", *, purpose=True):
        sender = role or next(iter(sorted(endpoint.rule.roles)), "")
        extra = PURPOSE if purpose and endpoint.rule.purpose else {}
        answer = await doors[name].call(endpoint, request_for(endpoint.request, world, sender), headers | extra)
        return answer.kind if answer.kind in PAST else str(answer)

    return probe


def person(callers, world, role, areas=("141102",)):
    """Somebody new; but venues are run by accounts that they name, and inspections made by accounts that they name."""
    return callers.person(role, areas, subject=world.subject(role))


async def answers(probes: Iterable):
    return await asyncio.gather(*probes)


@pytest.mark.refuses
async def test_only_the_roles_of_the_rule_are_let_in(call, probe, callers, world):
    _, endpoint = call
    found = await answers(probe(person(callers, world, role), role) for role in access_table.ROLES)
    got = dict(zip(access_table.ROLES, found, strict=True))
    wrong = {
        role: answer
        for role, answer in got.items()
        if (answer not in PAST if role in endpoint.rule.roles else answer != DENIED_ROLE)
    }
    assert not wrong


@pytest.mark.refuses
async def test_other_roles_do_not_add_up_to_the_right_one(call, probe, callers):
    _, endpoint = call
    others = [role for role in access_table.ROLES if role not in endpoint.rule.roles]
    assert await probe(callers.person(others)) == DENIED_ROLE
    assert await probe(callers.person([])) == DENIED_ROLE


async def test_the_right_role_is_let_in_only_for_its_areas(call, probe, callers, world):
    _, endpoint = call
    roles = sorted(endpoint.rule.roles)
    allowed = await answers(probe(person(callers, world, role, [area]), role) for role in roles for area in COVERING)
    assert set(allowed) <= PAST
    several = await answers(probe(person(callers, world, role, ["110101", HOME]), role) for role in roles)
    assert set(several) <= PAST
    outside = [(role, why) for role in roles for why in NOT_COVERING]
    found = await answers(probe(person(callers, world, role, NOT_COVERING[why]), role) for role, why in outside)
    if endpoint.rule.area is NOWHERE:
        assert endpoint.path in access_table.NO_AREA
        assert set(found) <= PAST
    else:
        got = dict(zip(outside, found, strict=True))
        refusals = {NOBODY} if endpoint.path.endswith(LOOK_UPS) else {DENIED_AREA}
        assert not {one: answer for one, answer in got.items() if answer not in refusals}


async def test_only_the_services_of_the_rule_are_let_in(call, probe, callers):
    name, endpoint = call
    expected = set() if name == "rest" else endpoint.rule.workloads
    found = await answers(probe(callers.workload(one)) for one in access_table.WORKLOADS)
    let_in = {one for one, answer in zip(access_table.WORKLOADS, found, strict=True) if answer in PAST}
    assert expected == let_in
    assert {answer for answer in found if answer not in PAST} <= {DENIED_ROLE}


async def test_a_scanner_is_let_in_only_where_scanners_are(call, probe, callers, world):
    name, endpoint = call
    answer = await probe(callers.device(world.device_id, world.device_key))
    if endpoint.rule.devices:
        assert answer == OK
    else:
        known = name == "grpc" and endpoint.service == "checkpoint"
        assert answer == (DENIED_ROLE if known else "unauthenticated TOKEN_REFUSED")


@pytest.mark.refuses
async def test_bad_credentials_are_refused(call, probe, callers):
    _, endpoint = call
    workload = next(iter(sorted(endpoint.rule.workloads)), "") if not endpoint.rule.roles else ""
    bad = callers.bad(sorted(endpoint.rule.roles), workload)
    found = dict(zip(bad, await answers(map(probe, bad.values())), strict=True))
    assert not {why: answer for why, answer in found.items() if answer not in BAD}


async def test_a_purpose_is_demanded_where_the_rule_says_so(call, probe, callers, world):
    _, endpoint = call
    for role in sorted(endpoint.rule.roles):
        answer = await probe(person(callers, world, role), role, purpose=False)
        if endpoint.rule.purpose:
            assert answer == "invalid PURPOSE_REQUIRED"
            odd = {"x-purpose": "Because I can", "x-purpose-ref": "case-1"}
            assert await probe(person(callers, world, role) | odd, role, purpose=False) == "invalid PURPOSE_MALFORMED"
            half = {"x-purpose": "tracing"}
            assert await probe(person(callers, world, role) | half, role, purpose=False) == "invalid PURPOSE_MALFORMED"
        else:
            assert answer in PAST


@pytest.mark.only_for("venue_operator")
async def test_an_operator_has_only_its_own_venues(call, doors, callers, world):
    """The owner's dimension: an account of another venue, with the right role and area."""
    name, endpoint = call
    request = request_for(endpoint.request, world, "venue_operator")
    answer = await doors[name].call(endpoint, request, callers.person("venue_operator", subject="operator-of-another"))
    if endpoint.rule.area is RESOURCE or endpoint.path.endswith("CheckIn"):
        assert str(answer) == "denied NOT_AN_OPERATOR"
    elif endpoint.path.endswith("ListVenues"):
        venues = answer.reply["venues"] if name == "rest" else answer.reply.venues
        assert not venues
    elif endpoint.path.endswith("ListApplications"):
        # Its own, made by another of these tests; never the world's two, which lie in the same area.
        found = answer.reply["applications"] if name == "rest" else answer.reply.applications
        assert {one["applicant"] if name == "rest" else one.applicant for one in found} <= {"operator-of-another"}
    elif endpoint.path.endswith("SubmitApplication"):
        assert answer.kind == OK  # anybody who runs a venue may apply for one, and it is theirs then
    else:
        assert endpoint.path in access_table.NO_AREA
