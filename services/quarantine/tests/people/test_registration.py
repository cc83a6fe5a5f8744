"""Households enter the register once, whoever sends them and however often."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import DomainError, Kind
from lilitong.quarantine.v1 import register_pb2 as pb

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q1")]


async def refused(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


async def test_a_household_is_stored_with_everybody_sealed(desk):
    request = desk.household(3)
    answer = await desk.call("RegisterHousehold", request, "registrar")
    assert list(answer.resident_ids) == [one.resident_id for one in request.residents]
    rows = await desk.world.pool.fetch("SELECT * FROM residents r JOIN registrations USING (household_id)")
    assert len(rows) == 3
    for row in rows:
        text = b"".join(value for value in row.values() if isinstance(value, bytes))
        for one in request.residents:
            assert one.id_number.encode() not in text
            assert one.name.encode() not in text
        details = desk.keys.open(row["resident_id"], row["data_key"], row["sealed"])
        assert details.address == request.address
        assert row["registered_by"] == "registrar-1"


async def test_a_volunteer_registers_people_without_a_phone_with_their_consent(desk):
    consent = pb.ProxyConsent(evidence_sha256=b"e" * 32)
    consent.given_at.FromDatetime(desk.world.clock.now() - timedelta(hours=1))
    request = desk.household(
        channel=pb.REGISTRATION_CHANNEL_PROXY, consent=consent, residents=[desk.resident(phone="")]
    )
    await desk.call("RegisterHousehold", request, "volunteer", who="volunteer-7")
    row = await desk.world.pool.fetchrow("SELECT * FROM registrations")
    assert (row["registered_by"], row["channel"], row["consent_sha256"]) == ("volunteer-7", 2, b"e" * 32)
    assert row["consent_given_at"] == desk.world.clock.now() - timedelta(hours=1)


async def test_the_database_refuses_a_proxy_registration_without_consent(desk):
    (person,) = await desk.world.household()
    with pytest.raises(asyncpg.CheckViolationError, match="registrations_proxy_check"):
        await desk.world.pool.execute(
            "INSERT INTO registrations (household_id, request_id, digest, channel, registered_by, registered_at) "
            "SELECT household_id, $2, $3, 2, 'x', now() FROM residents WHERE resident_id = $1",
            person,
            uuid4(),
            bytes(32),
        )


@pytest.mark.parametrize("role", ["app_backend", "volunteer"])
async def test_an_import_is_for_the_registrar(desk, role):
    error = await refused(desk.call("RegisterHousehold", desk.household(), role))
    assert error.reason == "CHANNEL_NOT_ALLOWED"
    assert await desk.count("households") == 0


async def test_a_wrong_id_number_names_its_field_and_stores_nothing(desk):
    request = desk.household(2)
    request.residents[1].id_number = request.residents[0].id_number[:-1] + "?"
    error = await refused(desk.call("RegisterHousehold", request, "registrar"))
    assert (error.kind, list(error.fields)) == (Kind.INVALID, ["residents[1].id_number"])
    assert await desk.count("households") == 0


async def test_a_repeat_is_answered_as_before_and_other_content_is_refused(desk):
    request = desk.household(2)
    first = await desk.call("RegisterHousehold", request, "registrar")
    assert await desk.call("RegisterHousehold", request, "registrar") == first
    other = pb.RegisterHouseholdRequest()
    other.CopyFrom(request)
    other.address = "别处"
    assert (await refused(desk.call("RegisterHousehold", other, "registrar"))).kind is Kind.MISMATCH
    other = desk.household(request_id=request.request_id)
    assert (await refused(desk.call("RegisterHousehold", other, "registrar"))).kind is Kind.MISMATCH
    assert await desk.count("residents") == 2


async def test_a_registered_person_is_refused_without_telling_whose_they_are(desk):
    request = desk.household(2)
    await desk.call("RegisterHousehold", request, "registrar")
    taken = request.residents[1]
    for again in (
        desk.resident(id_number=taken.id_number),
        desk.resident(resident_id=taken.resident_id),
    ):
        error = await refused(
            desk.call("RegisterHousehold", desk.household(residents=[desk.resident(), again]), "registrar")
        )
        assert (error.kind, error.reason) == (Kind.EXISTS, "RESIDENT_EXISTS")
        assert not error.fields
        assert not error.metadata
        assert request.household_id not in str(error)
    error = await refused(
        desk.call("RegisterHousehold", desk.household(household_id=request.household_id), "registrar")
    )
    assert error.reason == "HOUSEHOLD_EXISTS"
    assert await desk.count("residents") == 2


async def test_in_a_batch_each_household_stands_for_itself(desk):
    known = desk.household()
    await desk.call("RegisterHousehold", known, "registrar")
    good, wrong, twin = desk.household(2), desk.household(), desk.household()
    wrong.residents[0].id_number = wrong.residents[0].id_number[:17] + "?"
    twin.residents[0].id_number = good.residents[1].id_number
    stale = pb.RegisterHouseholdRequest()
    stale.CopyFrom(known)
    stale.address = "别处"
    drill = desk.household(drill_id="nowhere")
    assert await desk.batch([known, good, wrong, twin, good, stale, drill]) == [
        "",
        "",
        "INVALID_REGISTRATION",
        "RESIDENT_EXISTS",
        "",
        "IDEMPOTENCY_MISMATCH",
        "NO_DRILL",
    ]
    assert await desk.count("residents") == 3
    assert await desk.count("households") == 2


async def test_the_same_batch_sent_by_many_at_once_is_stored_once(desk):
    batch = [desk.household(2) for _ in range(20)]
    answers = await asyncio.gather(*(desk.batch(batch if turn % 2 else batch[::-1]) for turn in range(6)))
    assert answers == [[""] * 20] * 6
    assert await desk.count("residents") == 40


async def test_of_two_registrations_of_one_person_at_once_one_wins(desk):
    number = desk.resident().id_number
    rivals = [desk.household(residents=[desk.resident(id_number=number)]) for _ in range(6)]
    answers = await asyncio.gather(*(desk.batch([one]) for one in rivals))
    assert sorted(answers) == [[""]] + [["RESIDENT_EXISTS"]] * 5
    assert await desk.count("households") == 1


async def test_a_batch_that_dies_before_its_commit_leaves_nothing_and_can_be_sent_again(desk, monkeypatch):
    from quarantine.register import registering

    async def dies(*_: object) -> None:
        await real(*_)
        raise ConnectionResetError

    real = registering.store.insert
    batch = [desk.household(2) for _ in range(3)]
    monkeypatch.setattr(registering.store, "insert", dies)
    with pytest.raises(ConnectionResetError):
        await desk.batch(batch)
    assert await desk.count("households") == 0
    monkeypatch.undo()
    assert await desk.batch(batch) == [""] * 3


@pytest.mark.feature("X10")
async def test_real_and_drill_people_never_share_a_household(desk):
    drill_id = await desk.drill()
    await desk.registered(2, drill_id=drill_id)
    assert await desk.world.pool.fetchval("SELECT count(*) FROM residents WHERE drill_id = 'drill-1'") == 2
    household = await desk.world.pool.fetchval("SELECT household_id FROM households")
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="residents_household_fkey"):
        await desk.world.pool.execute(
            "INSERT INTO residents (resident_id, household_id, area, drill_id) VALUES ($1, $2, '141102001001', '')",
            uuid4(),
            household,
        )


@pytest.mark.feature("X10")
async def test_an_invented_person_never_stands_in_a_real_ones_way(desk):
    drill_id = await desk.drill()
    invented = desk.household(drill_id=drill_id)
    real = desk.household(residents=[desk.resident(id_number=invented.residents[0].id_number)])
    assert await desk.batch([invented, real]) == ["", ""]


@pytest.mark.feature("X10")
async def test_a_drill_that_ended_takes_nobody_more(desk):
    drill_id = await desk.drill(ended=True)
    error = await refused(desk.call("RegisterHousehold", desk.household(drill_id=drill_id), "registrar"))
    assert error.reason == "DRILL_ENDED"


async def test_a_full_batch_takes_as_many_statements_as_a_single_household(desk):
    """A thousand people a second are asked for; round trips that grow with people would make that impossible."""
    statements: list[str] = []
    connections = [await desk.world.pool.acquire() for _ in range(8)]
    for conn in connections:
        conn.add_query_logger(lambda record: statements.append(record.query))
    for conn in connections:
        await desk.world.pool.release(conn)

    async def cost(batch: list[pb.RegisterHouseholdRequest]) -> int:
        statements.clear()
        assert await desk.batch(batch) == [""] * len(batch)
        return sum("residents" in text or "households" in text or "registrations" in text for text in statements)

    assert await cost([desk.household()]) == await cost([desk.household(5) for _ in range(200)]) == 5
    assert await desk.count("residents") == 1001
