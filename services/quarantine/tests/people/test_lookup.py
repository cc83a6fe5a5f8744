"""Personal data is read for a purpose, by those who may, and every read is written down."""

from typing import Any
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from lilitong.quarantine.v1 import register_pb2 as pb

pytestmark = [pytest.mark.connected, pytest.mark.feature("X4")]


async def refused(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


def get(household_id: str) -> pb.GetHouseholdRequest:
    return pb.GetHouseholdRequest(household_id=household_id)


async def test_a_household_is_read_back_and_each_member_can_see_who_read(desk):
    request = desk.household(2)
    await desk.call("RegisterHousehold", request, "registrar")
    household = (await desk.call("GetHousehold", get(request.household_id), "tracer")).household
    assert sorted(household.residents, key=str) == sorted(request.residents, key=str)
    assert (household.address, household.area, household.channel) == (request.address, request.area, request.channel)
    reads = await desk.world.pool.fetch("SELECT * FROM personal_reads")
    assert {str(row["resident_id"]) for row in reads} == {one.resident_id for one in request.residents}
    assert {(row["caller"], row["purpose"], row["purpose_ref"]) for row in reads} == {("tracer-1", "tracing", "case-7")}
    assert {row["at"] for row in reads} == {desk.world.clock.now()}


async def test_outside_ones_area_nothing_is_read_and_nothing_is_noted(desk):
    request = desk.household()
    await desk.call("RegisterHousehold", request, "registrar")
    for areas in (["141103"], ["1411020010019"], []):
        error = await refused(desk.call("GetHousehold", get(request.household_id), "tracer", areas))
        assert error.reason == "OUT_OF_AREA"
    find = pb.FindResidentRequest(id_number=request.residents[0].id_number)
    # The same answer as for nobody: whether a person is registered at all is not told outside the area either.
    assert (await refused(desk.call("FindResident", find, "laboratory", ["141103"]))).reason == "NO_RESIDENT"
    assert await desk.count("personal_reads") == 0


async def test_an_erased_person_is_not_shown(desk, make_service_database):
    people = await desk.registered(2)
    household = await desk.world.pool.fetchval("SELECT household_id FROM households")
    import asyncpg

    owner = await asyncpg.connect(desk.world.url.replace("//quarantine:", "//quarantine_owner:"))
    try:
        await owner.execute("UPDATE quarantine.residents SET data_key = NULL WHERE resident_id = $1", people[0])
    finally:
        await owner.close()
    answer = await desk.call("GetHousehold", get(str(household)), "tracer")
    assert [one.resident_id for one in answer.household.residents] == [str(people[1])]


async def test_a_resident_is_found_by_the_national_id(desk):
    request = desk.household(2)
    await desk.call("RegisterHousehold", request, "registrar")
    for one in request.residents:
        found = await desk.call("FindResident", pb.FindResidentRequest(id_number=one.id_number), "laboratory")
        assert (found.resident_id, found.household_id) == (one.resident_id, request.household_id)
    assert await desk.count("personal_reads") == 2
    unknown = desk.resident().id_number
    error = await refused(desk.call("FindResident", pb.FindResidentRequest(id_number=unknown), "tracer"))
    assert error.kind is Kind.NOT_FOUND


@pytest.mark.feature("X10")
async def test_a_real_person_is_found_before_an_invented_one(desk):
    drill_id = await desk.drill()
    invented = desk.household(drill_id=drill_id)
    number = invented.residents[0].id_number
    await desk.call("RegisterHousehold", invented, "registrar")
    find = pb.FindResidentRequest(id_number=number)
    assert (await desk.call("FindResident", find, "tracer")).household_id == invented.household_id
    real = desk.household(residents=[desk.resident(id_number=number)])
    await desk.call("RegisterHousehold", real, "registrar")
    assert (await desk.call("FindResident", find, "tracer")).household_id == real.household_id


async def test_no_household_is_no_household(desk):
    assert (await refused(desk.call("GetHousehold", get(str(uuid4())), "tracer"))).reason == "NO_HOUSEHOLD"
