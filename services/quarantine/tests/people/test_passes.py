"""Passes say who somebody is on one day, and are believed by those who know the published keys."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.clock import local_day
from chassis.errors import DomainError, Kind
from daysets.trust import TrustedKeys
from lilitong.quarantine.v1 import pass_pb2 as pb
from passes.days import date_of
from passes.errors import PassError
from passes.pass_token import IssuerKey, Pass, verify_pass
from passes.tags import tag

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q2")]


async def refused(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


async def issue(desk, request, role="app_backend", **more):
    return await desk.call("IssuePasses", request, role, **more)


def trusted(desk):
    """What a verifier makes of the published keys."""
    now = desk.world.clock.now()
    keys = TrustedKeys.of(desk.ring.published(now), now).passes
    return {kid: IssuerKey(key.public_key, drill=key.drill) for kid, key in keys.items()}


def read(desk, token: bytes) -> Pass:
    return verify_pass(token, trusted(desk))


async def test_a_family_gets_passes_for_eight_days_with_that_days_tags(desk):
    holder, *companions = await desk.registered(3)
    request = desk.wanted(holder, days=range(8), companion_ids=[str(one) for one in companions])
    answer = await issue(desk, request)
    today = local_day(desk.world.clock.now())
    assert [date_of(one.day) for one in answer.passes] == [today + timedelta(days=offset) for offset in range(8)]
    seen: set[bytes] = set()
    for one, key in zip(answer.passes, request.keys, strict=True):
        statement = read(desk, getattr(one, "pass"))
        day_key = desk.world.vault.day_key(date_of(one.day))
        assert statement.day == date_of(one.day)
        assert statement.tags == tuple(tag(day_key, person.bytes) for person in (holder, *companions))
        assert statement.phone_key[1:33] == key.phone_key[1:]
        assert statement.drill_id == ""
        seen.update(statement.tags)
    assert len(seen) == 24  # no tag is of two days


async def test_a_repeat_gives_the_same_passes_and_nothing_of_them_is_stored(desk):
    (holder,) = await desk.registered()
    request = desk.wanted(holder, days=range(8))
    first = await issue(desk, request)
    desk.world.clock.advance(
        timedelta(days=1, hours=3)
    )  # some of its days are over; it is answered as before all the same
    assert await issue(desk, request) == first
    dump = b"".join(
        row["response"] + row["digest"] for row in await desk.world.pool.fetch("SELECT response, digest FROM requests")
    )
    for one in first.passes:
        token = getattr(one, "pass")
        assert token not in dump
        assert all(each not in dump for each in read(desk, token).tags)


async def test_other_content_under_the_same_id_is_refused(desk):
    (holder,) = await desk.registered()
    request = desk.wanted(holder)
    await issue(desk, request)
    other = desk.wanted(holder, request_id=request.request_id)
    assert (await refused(issue(desk, other))).kind is Kind.MISMATCH


async def test_two_requests_with_one_id_at_once_get_one_content(desk):
    (holder,) = await desk.registered()
    rivals = [desk.wanted(holder)]
    rivals += [desk.wanted(holder, request_id=rivals[0].request_id) for _ in range(5)]
    answers = await asyncio.gather(*(issue(desk, one) for one in rivals), return_exceptions=True)
    assert sum(isinstance(one, pb.IssuePassesResponse) for one in answers) == 1
    assert sum(isinstance(one, DomainError) and one.kind is Kind.MISMATCH for one in answers) == 5


@pytest.mark.parametrize("days", [[-1], [8], [0, 8], [0, 0], [-719000]])
async def test_days_outside_the_week_are_refused_and_leave_nothing(desk, days):
    (holder,) = await desk.registered()
    today = desk.wanted(holder).keys[0].day
    request = desk.wanted(holder, days=[0] * len(days))
    for key, day in zip(request.keys, days, strict=True):
        key.day = max(today + day, 1)
    assert (await refused(issue(desk, request))).kind is Kind.INVALID
    assert await desk.count("requests") == 0


async def test_a_phone_key_links_no_two_days(desk):
    (holder,) = await desk.registered()
    request = desk.wanted(holder, days=[0, 1])
    request.keys[1].phone_key = request.keys[0].phone_key
    assert (await refused(issue(desk, request))).reason == "PHONE_KEY_REUSED"


async def test_a_phone_key_that_is_no_point_is_refused(desk):
    (holder,) = await desk.registered()
    request = desk.wanted(holder)
    request.keys[0].phone_key = b"\x05" + bytes(32)
    error = await refused(issue(desk, request))
    assert (error.reason, list(error.fields)) == ("INVALID_PHONE_KEY", ["keys[0]"])


async def test_companions_live_in_the_same_household(desk):
    (holder,), (stranger,) = await desk.registered(), await desk.registered()
    for companion, reason in [
        (stranger, "NOT_OF_HOUSEHOLD"),
        (uuid4(), "NOT_OF_HOUSEHOLD"),
        (holder, "HOLDER_IS_COMPANION"),
    ]:
        error = await refused(issue(desk, desk.wanted(holder, companion_ids=[str(companion)])))
        assert error.reason == reason
    assert await desk.count("requests") == 0


async def test_only_the_apps_backend_of_the_area_gets_passes(desk):
    (holder,) = await desk.registered()
    assert (await refused(issue(desk, desk.wanted(holder), areas=["141103"]))).reason == "OUT_OF_AREA"
    assert (await refused(issue(desk, desk.wanted(uuid4())))).reason == "NO_RESIDENT"
    assert await desk.count("requests") == 0


@pytest.mark.feature("X10")
async def test_a_drills_pass_is_marked_and_believed_only_as_such(desk):
    (person,) = await desk.registered(drill_id=await desk.drill())
    token = getattr((await issue(desk, desk.wanted(person))).passes[0], "pass")
    assert read(desk, token).drill_id == "drill-1"
    real_only = {kid: IssuerKey(key.public_key) for kid, key in trusted(desk).items()}
    with pytest.raises(PassError):
        verify_pass(token, real_only)


async def test_a_restricted_person_still_gets_a_pass(desk):
    """The pass says who somebody is; what follows from a restriction is decided at the gate."""
    (person,) = await desk.registered()
    await desk.world.policy()
    await desk.world.confirmed(person)
    await desk.world.loop.imposer.run_due()
    assert await desk.world.listed(person) == 1
    assert len((await issue(desk, desk.wanted(person))).passes) == 1


async def test_in_a_batch_each_holder_stands_for_themselves(desk):
    (one,), (other,) = await desk.registered(), await desk.registered()
    requests = [desk.wanted(one), desk.wanted(uuid4()), desk.wanted(other, days=[9]), desk.wanted(other, days=[0, 1])]
    answer = await desk.call("BatchIssuePasses", pb.BatchIssuePassesRequest(requests=requests), "app_backend")
    assert [len(result.passes) for result in answer.results] == [1, 0, 0, 2]
    assert [result.error.code for result in answer.results] == [0, 5, 3, 0]
    assert [result.resident_id for result in answer.results] == [request.resident_id for request in requests]
    single = await issue(desk, requests[0])
    assert single.passes == answer.results[0].passes


async def test_a_batch_about_nobody_within_reach_is_refused_as_a_whole(desk):
    (one,) = await desk.registered()
    batch = pb.BatchIssuePassesRequest(requests=[desk.wanted(one), desk.wanted(uuid4())])
    error = await refused(desk.call("BatchIssuePasses", batch, "app_backend", areas=["141103"]))
    assert error.reason == "OUT_OF_AREA"


@pytest.mark.feature("X5")
async def test_without_the_days_key_there_is_no_pass_and_it_is_said(desk):
    (holder,) = await desk.registered()
    desk.world.clock.advance(timedelta(days=9))  # nothing has made keys for these days
    assert (await refused(issue(desk, desk.wanted(holder)))).kind is Kind.UNAVAILABLE
