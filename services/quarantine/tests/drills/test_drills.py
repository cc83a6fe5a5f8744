"""A drill goes through the whole loop and touches nobody real."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from lilitong.quarantine.v1 import case_pb2, drill_pb2
from lilitong.quarantine.v1.events_pb2 import SearchOpened

pytestmark = [pytest.mark.connected, pytest.mark.feature("X10")]


async def start(world: Any, drill_id: str = "autumn") -> None:
    request = drill_pb2.StartDrillRequest(request_id=str(uuid4()), drill_id=drill_id, title="演练", area="141102")
    await world.call("command", "StartDrill", request)


async def end(world: Any, drill_id: str = "autumn") -> int:
    request = drill_pb2.EndDrillRequest(request_id=str(uuid4()), drill_id=drill_id)
    return (await world.call("command", "EndDrill", request)).restrictions_ended


async def test_a_drills_denials_stand_in_its_own_list_only(world) -> None:
    await world.policy()
    await start(world)
    (index,) = await world.household(drill_id="autumn")
    (contact,) = await world.household(drill_id="autumn")
    (real,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    assert {one.drill_id for one in await world.events(SearchOpened)} == {"autumn"}
    await world.found(search, [world.hit(contact, search.day), world.hit(real, search.day)])
    await world.loop.imposer.run_due()
    await world.loop.keeper.tick()
    assert await world.listed(contact, drill_id="autumn") == 2
    assert await world.listed(contact) is None
    assert await world.listed(real) is None
    assert await world.listed(real, drill_id="autumn") is None
    drills = await world.pool.fetch("SELECT DISTINCT drill_id FROM restrictions")
    assert [row["drill_id"] for row in drills] == ["autumn"]


async def test_the_end_of_a_drill_lifts_all_of_it_on_every_list(world) -> None:
    await world.policy()
    await start(world)
    (index,) = await world.household(drill_id="autumn")
    (real,) = await world.household()
    await world.confirmed(index)
    await world.confirmed(real)
    await world.loop.imposer.run_due()
    await world.loop.keeper.tick()
    assert await end(world) == 1
    assert await world.listed(index, drill_id="autumn") is None
    assert await world.listed(real) == 1
    world.clock.advance(timedelta(minutes=10))
    await world.loop.keeper.tick()
    assert await world.listed(index, drill_id="autumn", days=1) is None
    assert await world.listed(real, days=1) == 1
    kinds = await world.pool.fetch("SELECT kind, drill_id, approved_by FROM lifts")
    assert [tuple(row) for row in kinds] == [(2, "autumn", "command")]


async def test_an_ended_drill_takes_no_further_decisions(world) -> None:
    await world.policy()
    await start(world)
    (index,) = await world.household(drill_id="autumn")
    (other,) = await world.household(drill_id="autumn")
    case_id, result_id = await world.searching(index)
    await end(world)
    for attempt in (world.approve(case_id, result_id, "approver-2"), world.case(other), end(world)):
        with pytest.raises(DomainError) as refused:
            await attempt
        assert refused.value.reason in {"DRILL_ENDED", "CASE_CLOSED"}
    assert await world.loop.imposer.run_due() == 0
    case = await world.call("command", "GetCase", case_pb2.GetCaseRequest(case_id=case_id))
    assert case.case.state == case_pb2.CASE_STATE_CLOSED


async def test_a_drill_has_one_name_and_belongs_to_its_area(world) -> None:
    await start(world)
    with pytest.raises(DomainError) as refused:
        await start(world)
    assert refused.value.reason == "DRILL_EXISTS"
    request = drill_pb2.EndDrillRequest(request_id=str(uuid4()), drill_id="autumn")
    with pytest.raises(DomainError) as refused:
        await world.call("command", "EndDrill", request, areas=("140105",))
    assert refused.value.reason == "OUT_OF_AREA"
    request = drill_pb2.EndDrillRequest(request_id=str(uuid4()), drill_id="winter")
    with pytest.raises(DomainError) as refused:
        await world.call("command", "EndDrill", request)
    assert refused.value.reason == "NO_DRILL"
