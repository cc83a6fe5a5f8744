"""The closed loop over REST and gRPC: a confirmed case, its contacts refused, everybody else undisturbed."""

import pytest
from devstack import scene
from devstack.api import ApiError
from devstack.gateclient import GateClient
from lilitong.checkpoint.v1 import scan_pb2

DENY, ALLOW, REFER = scan_pb2.VERDICT_DENY, scan_pb2.VERDICT_ALLOW, scan_pb2.VERDICT_REFER


def shown(district, phone):
    """Fresh presentations on demand."""

    def show():
        now = district.now()
        return phone.show(now), now

    return show


@pytest.mark.feature("Q5", "Q6", "Q10", "V11", "C2")
@pytest.mark.case("happy path", of="V11")
async def test_a_confirmed_case_stops_its_contacts_and_nobody_else(district, stack):
    place, elsewhere, gate = await scene.venue(district), await scene.venue(district), await scene.gate(district)
    index, *contacts = await scene.people(district, 6)
    (stranger,) = await scene.people(district, 1)
    await scene.visit(district, place, [index, *contacts])
    await scene.visit(district, elsewhere, [stranger])
    case_id, answer = await scene.confirm(district, index)
    assert answer["case"]["state"] == "confirmed"
    async with GateClient(stack.address("checkpoint"), gate) as client:
        for phone in (index, *contacts):
            refused = await client.scan_until(shown(district, phone), DENY)
            assert refused.verdict == DENY
        assert [reason.reason for reason in refused.reasons] == [scan_pb2.SCAN_REASON_RESTRICTED_CLOSE_CONTACT]
        assert refused.reasons[0].text_zh
        assert refused.reasons[0].text_en
        assert refused.denials[0].reference
        allowed = await client.scan(*shown(district, stranger)())
        assert allowed.verdict == ALLOW
        assert allowed.recorded
    found = await district.contacts(case_id)
    close = {contact["resident_id"] for contact in found if contact["restriction_id"]}
    assert {phone.resident_id for phone in contacts} == close
    # The stranger passed the same gate soon after the case: a lead for a tracer, never a ground.
    assert {contact["kind"] for contact in found if contact["resident_id"] == stranger.resident_id} <= {"lead"}


@pytest.mark.feature("Q10", "V4", "C2", "X9")
async def test_a_venue_and_a_checkpoint_give_the_same_reason(district, stack):
    place, gate = await scene.venue(district), await scene.gate(district)
    index, contact = await scene.people(district, 2)
    await scene.visit(district, place, [index, contact])
    await scene.confirm(district, index)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        at_gate = await client.scan_until(shown(district, contact), DENY)
    (at_venue,) = await scene.visit(district, place, [contact])
    assert at_venue["outcome"] == "refused"
    assert [(at_gate.reasons[0].text_zh, at_gate.reasons[0].text_en)] == [
        (reason["text_zh"], reason["text_en"]) for reason in at_venue["reasons"]
    ]


@pytest.mark.feature("V4", "Q6")
async def test_a_static_code_a_paper_card_or_a_late_upload_leads_to_a_question_never_to_a_restriction(district, stack):
    place, gate = await scene.venue(district), await scene.gate(district)
    index, by_code, late = await scene.people(district, 3)
    card_home = scene.household(1)
    await district.register_households([card_home])
    card_holder = card_home["residents"][0]["resident_id"]
    card = await district.api("grid_worker").post(
        "/paper-cards", {"card_id": scene.new_id(), "resident_id": card_holder}
    )
    await scene.visit(district, place, [index])
    await district.check_in(by_code.check_in(place.code, district.now()), place.code)
    await scene.admitted_by_card(district, place, card["card"])
    await district.check_in(late.show(district.now()), place.code, operator=place.operator, late=True)
    case_id, answer = await scene.confirm(district, index)
    reasons = {task["resident_id"]: task["reason"] for task in await district.settled_tasks(case_id, 3)}
    assert {
        by_code.resident_id: "unproven_presence",
        card_holder: "unproven_presence",
        late.resident_id: "late_item",
    } == reasons
    assert all(not contact["restriction_id"] for contact in await district.contacts(case_id))
    async with GateClient(stack.address("checkpoint"), gate) as client:
        await client.scan_until(shown(district, index), DENY)
        for phone in (by_code, late):
            assert (await client.scan(*shown(district, phone)())).verdict == ALLOW
    assert answer["tasks"] == 3


@pytest.mark.feature("Q5", "X2")
async def test_the_second_approver_is_neither_the_first_nor_the_laboratory(district):
    (index,) = await scene.people(district, 1)
    case_id, result_id = await district.suspect(index.resident_id)
    await district.approve(case_id, result_id, "approver-1")
    with pytest.raises(ApiError) as same:
        await district.approve(case_id, result_id, "approver-1")
    assert same.value.reason == "SAME_APPROVER"
    with pytest.raises(ApiError) as laboratory:
        await district.approve(case_id, result_id, "laboratory-1")
    assert laboratory.value.reason == "LABORATORY_CANNOT_APPROVE"
    case = await district.api("tracer").get(f"/cases/{case_id}")
    assert (case["state"], case["approvals"]) == ("searching", 1)


@pytest.mark.feature("Q4", "Q5")
async def test_above_the_cap_a_third_approver_is_needed(district, stack):
    await district.start_policy(impact_cap=2)
    place = await scene.venue(district)
    index, *contacts = await scene.people(district, 4)
    await scene.visit(district, place, [index, *contacts])
    case_id, answer = await scene.confirm(district, index)
    _, result_id = case_id, answer["case"]["lab_result_id"]
    assert answer["case"]["state"] == "awaiting_third"
    third = await district.approve(case_id, result_id, "approver-3")
    assert third["case"]["state"] == "confirmed"
    await district.start_policy()


@pytest.mark.feature("Q11", "X3")
async def test_the_person_is_told_why_until_when_and_with_what_proof(district):
    place = await scene.venue(district)
    index, *contacts = await scene.people(district, 11)
    await scene.visit(district, place, [index, *contacts])
    await scene.confirm(district, index)
    explanation = await scene.explained(district, contacts[0].resident_id)
    assert explanation["reason"] == "close_contact"
    assert explanation["venue_name"] == place.name
    assert explanation["exposure_half"] in {"morning", "afternoon"}
    assert explanation["approver_roles"]
    assert explanation["proof"]["path"] is not None
    assert index.resident_id not in str(explanation)


@pytest.mark.feature("Q11")
async def test_a_venue_with_few_visitors_is_not_named(district):
    place = await scene.venue(district)
    index, contact = await scene.people(district, 2)
    await scene.visit(district, place, [index, contact])
    await scene.confirm(district, index)
    assert not (await scene.explained(district, contact.resident_id))["venue_name"]


@pytest.mark.feature("Q6", "Q10")
async def test_the_household_of_a_case_is_restricted_as_its_contacts(district, stack):
    gate = await scene.gate(district)
    index, mother = await scene.family(district, 2)
    await scene.confirm(district, index)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        refused = await client.scan_until(shown(district, mother), DENY)
    assert [reason.reason for reason in refused.reasons] == [scan_pb2.SCAN_REASON_RESTRICTED_HOUSEHOLD]


@pytest.mark.feature("Q10")
async def test_a_restriction_lifted_by_two_people_stops_nobody_any_more(district, stack):
    place, gate = await scene.venue(district), await scene.gate(district)
    index, contact = await scene.people(district, 2)
    await scene.visit(district, place, [index, contact])
    case_id, _ = await scene.confirm(district, index)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        await client.scan_until(shown(district, contact), DENY)
        restriction = (await district.contacts(case_id))[0]["restriction_id"]
        lift = f"/restrictions/{restriction}"
        await district.api("approver", "approver-1").post(f"{lift}/lift-proposals", {"grounds": "演示：误判"})
        with pytest.raises(ApiError) as same:
            await district.api("approver", "approver-1").post(f"{lift}/lift-approvals")
        assert same.value.status in {403, 409}
        await district.api("approver", "approver-2").post(f"{lift}/lift-approvals")
        assert (await client.scan_until(shown(district, contact), ALLOW)).verdict == ALLOW
        assert (await client.scan(*shown(district, index)())).verdict == DENY
