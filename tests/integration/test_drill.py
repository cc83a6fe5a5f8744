"""A drill runs the same loop and touches nobody real, nor the reverse."""

import pytest
from devstack import scene
from devstack.api import ApiError
from devstack.gateclient import GateClient
from lilitong.checkpoint.v1 import scan_pb2


# the same way of showing a pass as in test_loop
def shown(district, phone):
    def show():
        now = district.now()
        return phone.show(now), now

    return show


DENY, ALLOW = scan_pb2.VERDICT_DENY, scan_pb2.VERDICT_ALLOW


@pytest.mark.feature("X10", "Q10", "V11")
async def test_a_drill_stops_its_own_people_and_nobody_real(district, stack):
    drill_id = await scene.drill(district)
    place, gate = await scene.venue(district), await scene.gate(district)
    actor, *actors = await scene.people(district, 3, drill_id=drill_id)
    (real,) = await scene.people(district, 1)
    await scene.visit(district, place, [actor, *actors, real])
    case_id, _ = await scene.confirm(district, actor)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        refused = await client.scan_until(shown(district, actors[0]), DENY)
        assert (refused.verdict, refused.drill_id) == (DENY, drill_id)
        passed = await client.scan(*shown(district, real)())
        assert (passed.verdict, passed.drill_id) == (ALLOW, "")
    assert real.resident_id not in {contact["resident_id"] for contact in await district.contacts(case_id)}


@pytest.mark.feature("X10")
async def test_a_real_case_is_not_hidden_in_a_drill_and_stops_no_actor(district, stack):
    drill_id = await scene.drill(district)
    place, gate = await scene.venue(district), await scene.gate(district)
    (actor,) = await scene.people(district, 1, drill_id=drill_id)
    index, contact = await scene.people(district, 2)
    await scene.visit(district, place, [actor, index, contact])
    await scene.confirm(district, index)
    async with GateClient(stack.address("checkpoint"), gate) as client:
        assert (await client.scan_until(shown(district, contact), DENY)).drill_id == ""
        assert (await client.scan(*shown(district, actor)())).verdict == ALLOW


@pytest.mark.feature("X10")
async def test_a_household_cannot_join_a_drill_that_was_not_started(district):
    with pytest.raises((ApiError, Exception)) as refused:
        await district.register_households([scene.household(1, drill_id="never-started")])
    assert "never-started" in str(refused.value) or "DRILL" in str(refused.value)
