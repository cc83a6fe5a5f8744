"""What proves at check-in that somebody is there: codes, their moment and their use."""

from datetime import timedelta

import pytest
from chassis.access import calling
from chassis.errors import DomainError
from chassis.rpc.validation import validate
from lilitong.venue.v1 import visit_pb2
from passes import venue_code

from .conftest import ADMITTED, REFER, TODAY, reasons

pytestmark = [pytest.mark.connected, pytest.mark.feature("V4")]


@pytest.mark.feature("V3")
@pytest.mark.case("happy path", "bad input")
async def test_a_rotating_code_proves_more_than_a_poster_and_only_for_its_moment(house, who):
    venue = await house.register()
    zone = venue.zones[0].zone
    from lilitong.venue.v1 import venue_pb2

    with calling(who.operator):
        issued = await house.venues.IssueScreenSecret(
            venue_pb2.IssueScreenSecretRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c1", zone=zone), None
        )
    grant = venue_code.ScreenGrant(zone, issued.version, issued.kid, issued.signature)
    shown = grant.show(issued.secret, house.clock.now()).to_text()
    answer = await house.check_in(house.scan("wang", shown))
    assert (answer.outcome, answer.grade) == (ADMITTED, 2)
    house.clock.advance(timedelta(seconds=90))
    with pytest.raises(DomainError) as refused:
        await house.check_in(house.scan("li", shown))
    assert refused.value.reason == "VENUE_CODE_EXPIRED"
    assert await house.stored() == 1


@pytest.mark.case("bad input")
async def test_what_does_not_prove_presence_is_referred_and_not_stored(house):
    venue, other = await house.register(), await house.register()
    code = venue.zones[0].code
    now = house.clock.now()
    forged = house.scan("wang", code, key=b"k" * 8)
    from cryptography.hazmat.primitives.asymmetric import ec

    elsewhere = house.scan("wang", other.zones[0].code)
    elsewhere.venue_code = code
    cases = {
        "STALE": house.scan("wang", code, at=now - timedelta(seconds=61)),
        "CLOCK": house.scan("wang", code, at=now + timedelta(seconds=31)),
        "WRONG_DAY": house.scan("wang", code, day=TODAY - timedelta(days=1)),
        "UNKNOWN_KEY": house.scan("wang", code, key=b"k" * 8),
        "WRONG_CONTEXT": elsewhere,
        "MALFORMED": visit_pb2.CheckInRequest(visit_key=bytes(8), credential="LLT1:NONSENSE", venue_code=code),
    }
    stranger = ec.generate_private_key(ec.SECP256R1())
    context = venue_code.parse(code).to_bytes()
    cases["UNKNOWN_KEY"].credential = house.people.show("wang", now, context=context, key=stranger)
    for reason, request in cases.items():
        answer = await house.check_in(request)
        assert (answer.outcome, reasons(answer)) == (REFER, [reason])
        assert list(answer.visit_ids) == []
    assert forged.visit_key == b"k" * 8
    assert await house.stored() == 0


async def test_a_phone_code_shown_to_staff_is_no_check_in_by_the_phone_itself_and_the_reverse(house, who):
    code = (await house.register()).zones[0].code
    shown = house.people.show("wang", house.clock.now())
    by_app = visit_pb2.CheckInRequest(visit_key=bytes(8), credential=shown, venue_code=code)
    assert reasons(await house.check_in(by_app)) == ["WRONG_CONTEXT"]
    signed_for_code = house.scan("wang", code)
    signed_for_code.scanned_by_staff = True
    assert reasons(await house.check_in(signed_for_code, who.operator)) == ["WRONG_CONTEXT"]


async def test_one_phone_code_is_used_once(house, who):
    first, second = await house.register(), await house.register()
    shown = house.people.show("wang", house.clock.now())
    assert (await house.check_in(house.staff_scan(shown, first.zones[0].code), who.operator)).outcome == ADMITTED
    copied = await house.check_in(house.staff_scan(shown, second.zones[0].code), who.operator)
    assert (copied.outcome, reasons(copied), await house.stored()) == (REFER, ["REPLAYED"], 1)


@pytest.mark.feature("V3")
@pytest.mark.case("bad input")
async def test_a_former_a_revoked_and_a_forged_code_admit_nobody(house, who):
    from lilitong.venue.v1 import venue_pb2

    venue = await house.register()
    zone, code = venue.zones[0].zone, venue.zones[0].code
    stranger = venue_code.issue_poster(zone, 1, house.people.real).to_text()
    with pytest.raises(DomainError) as forged:
        await house.check_in(house.scan("wang", stranger))
    assert forged.value.reason == "VENUE_CODE_INVALID"
    with calling(who.officer):
        replaced = await house.venues.ReplaceVenueCode(
            venue_pb2.ReplaceVenueCodeRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c2", zone=zone), None
        )
    with pytest.raises(DomainError) as former:
        await house.check_in(house.scan("wang", code))
    assert former.value.reason == "VENUE_CODE_REVOKED"
    assert (await house.check_in(house.scan("wang", replaced.zone.code))).outcome == ADMITTED
    with calling(who.officer):
        await house.venues.RevokeVenueCode(
            venue_pb2.RevokeVenueCodeRequest(request_id="8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c3", zone=zone), None
        )
    with pytest.raises(DomainError) as revoked:
        await house.check_in(house.scan("wang", replaced.zone.code))
    assert revoked.value.reason == "VENUE_CODE_REVOKED"
    assert await house.stored() == 1


@pytest.mark.case("bad input")
def test_the_contract_refuses_a_request_that_says_too_little():
    with pytest.raises(DomainError) as refused:
        validate(visit_pb2.CheckInRequest(visit_key=b"short", credential="x"))
    assert set(refused.value.fields) == {"visit_key", "credential", "venue_code"}
