"""Paper cards: on the list at once, derived from their id, gone when revoked."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.clock import local_day
from chassis.errors import DomainError, Kind
from lilitong.quarantine.v1 import pass_pb2 as pb
from passes.cards import card_key, parse_card
from passes.tags import tag

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q2")]


async def refused(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


def wanted(person, **changed):
    values = {"request_id": str(uuid4()), "card_id": str(uuid4()), "resident_id": str(person)}
    return pb.IssuePaperCardRequest(**(values | changed))


async def holder_of(desk, card: str, days: int = 0) -> bytes | None:
    """Whose tag a scanner finds for a card today, or in so many days."""
    day = local_day(desk.world.clock.now()) + timedelta(days=days)
    return (await desk.world.index()).resolve_card(day, "", card_key(day, parse_card(card)))


async def keep(desk) -> None:
    await desk.world.loop.keeper.tick()


async def test_a_card_resolves_on_todays_list_at_the_next_tick_and_on_the_coming_days_later(desk):
    (person,) = await desk.registered()
    await keep(desk)
    card = (await desk.call("IssuePaperCard", wanted(person), "volunteer")).card
    await keep(desk)
    today = local_day(desk.world.clock.now())
    assert await holder_of(desk, card) == tag(desk.world.vault.day_key(today), person.bytes)
    desk.world.clock.advance(timedelta(minutes=11))
    await keep(desk)
    tomorrow = today + timedelta(days=1)
    assert await holder_of(desk, card, 1) == tag(desk.world.vault.day_key(tomorrow), person.bytes)


async def test_a_repeat_prints_the_same_card_and_its_number_lies_in_no_table(desk):
    (person,) = await desk.registered()
    request = wanted(person)
    first = await desk.call("IssuePaperCard", request, "grid_worker")
    assert await desk.call("IssuePaperCard", request, "grid_worker") == first
    assert await desk.count("paper_cards") == 1
    rows = await desk.world.pool.fetch("SELECT response FROM requests")
    assert [row["response"] for row in rows] == [b""]


async def test_a_revoked_card_resolves_to_nobody(desk):
    (person,) = await desk.registered()
    await keep(desk)
    request = wanted(person)
    card = (await desk.call("IssuePaperCard", request, "registrar")).card
    await keep(desk)
    revoke = pb.RevokePaperCardRequest(request_id=str(uuid4()), card_id=request.card_id)
    for _ in range(2):
        await desk.call("RevokePaperCard", revoke, "registrar")
    await desk.call(
        "RevokePaperCard", pb.RevokePaperCardRequest(request_id=str(uuid4()), card_id=request.card_id), "registrar"
    )
    await keep(desk)
    assert await holder_of(desk, card) is None


async def test_cards_are_for_known_people_of_ones_area(desk):
    (person,) = await desk.registered()
    assert (await refused(desk.call("IssuePaperCard", wanted(uuid4()), "volunteer"))).reason == "NO_RESIDENT"
    assert (await refused(desk.call("IssuePaperCard", wanted(person), "volunteer", ["141103"]))).reason == "OUT_OF_AREA"
    assert await desk.count("paper_cards") == 0
    request = wanted(person)
    await desk.call("IssuePaperCard", request, "volunteer")
    again = await refused(desk.call("IssuePaperCard", wanted(person, card_id=request.card_id), "volunteer"))
    assert (again.kind, again.reason) == (Kind.EXISTS, "CARD_EXISTS")
    revoke = pb.RevokePaperCardRequest(request_id=str(uuid4()), card_id=request.card_id)
    assert (await refused(desk.call("RevokePaperCard", revoke, "volunteer", ["141103"]))).reason == "OUT_OF_AREA"
    revoke.card_id = str(uuid4())
    assert (await refused(desk.call("RevokePaperCard", revoke, "volunteer"))).reason == "NO_CARD"
