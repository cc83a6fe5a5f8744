"""Many services at once: each venue is answered on its own, and the batch can be sent again."""

import asyncio
from uuid import uuid4

import pytest
from chassis.errors import Kind
from chassis.rpc.status import from_proto
from lilitong.venue.v1 import obligation_pb2 as pb

from ..acting import person  # noqa: TID252 - tests are in no package that has a name
from .test_obligations import refused

pytestmark = [pytest.mark.feature("V2"), pytest.mark.connected]


async def issued(desk, house, number, **given):
    """So many venues with a letter each, as (venue, its papers)."""
    venues = [await house.register(**given) for _ in range(number)]
    await desk.template()
    await desk.issue()
    return [(each, list(await desk.of(each))) for each in venues]


def batch(desk, doors):
    return pb.BatchServeObligationsRequest(requests=[desk.service(venue, papers) for venue, papers in doors])


@pytest.mark.case("happy path", "bad input")
async def test_each_venue_is_recorded_or_refused_on_its_own_in_the_order_sent(desk, house):
    doors = await issued(desk, house, 5)
    await house.close(doors[3][0])
    request = batch(desk, doors)
    request.requests[1].ClearField("photo_sha256")
    request.requests[2].obligation_ids[0] = str(uuid4())
    answer = await desk.call(desk.grid, request)
    assert [each.venue_id for each in answer.results] == [venue.venue_id for venue, _ in doors]
    reasons = [from_proto(each.error).reason if each.HasField("error") else "" for each in answer.results]
    assert reasons == ["", "PROOF_INCOMPLETE", "OBLIGATION_UNKNOWN", "VENUE_CLOSED", ""]
    served = [each.response.obligations[0] for each, reason in zip(answer.results, reasons, strict=True) if not reason]
    assert [each.service.served_by for each in served] == ["grid-1", "grid-1"]
    assert await house.owner.fetchval("SELECT count(*) FROM obligation_services") == 2
    subject = "lilitong.venue.obligation.v1.served"
    assert await house.owner.fetchval("SELECT count(*) FROM outbox WHERE subject = $1", subject) == 2


@pytest.mark.case("repeat", "concurrency")
async def test_the_batch_again_however_often_at_once_gets_the_first_answer_and_serves_nothing_twice(desk, house):
    request = batch(desk, await issued(desk, house, 4))
    answers = await asyncio.gather(*(desk.call(desk.grid, request) for _ in range(5)))
    assert all(each == answers[0] for each in answers)
    assert await house.owner.fetchval("SELECT count(*) FROM obligation_services") == 4
    request.requests[2].photo_sha256 = bytes(32)
    answer = await desk.call(desk.grid, request)
    reasons = [from_proto(each.error).reason if each.HasField("error") else "" for each in answer.results]
    assert reasons == ["", "", "IDEMPOTENCY_MISMATCH", ""]


@pytest.mark.case("crash")
async def test_a_batch_that_breaks_off_goes_on_where_it_was_when_it_is_sent_again(desk, house, monkeypatch):
    from venue.obligations import rpc

    request = batch(desk, await issued(desk, house, 3))
    real, turns = rpc.ObligationServicer._serve, iter([True])

    async def cut(self, item):
        if next(turns, None) is None:
            raise RuntimeError("the process ends here")
        return await real(self, item)

    with monkeypatch.context() as broken:
        broken.setattr(rpc.ObligationServicer, "_serve", cut)
        with pytest.raises(RuntimeError):
            await desk.call(desk.grid, request)
    assert await house.owner.fetchval("SELECT count(*) FROM obligation_services") == 1
    answer = await desk.call(desk.grid, request)
    assert not any(each.HasField("error") for each in answer.results)
    assert await house.owner.fetchval("SELECT count(*) FROM obligation_services") == 3


@pytest.mark.case("wrong caller")
async def test_a_venue_of_another_area_is_refused_alone_and_a_batch_of_nothing_else_as_a_whole(desk, house):
    home, away = (await issued(desk, house, 1))[0], (await issued(desk, house, 1, area="141102002001"))[0]
    grid = person("grid-2", "grid_worker", areas=("141102001",))
    answer = await desk.call(grid, batch(desk, [home, away]))
    assert [each.HasField("error") for each in answer.results] == [False, True]
    error = from_proto(answer.results[1].error)
    assert (error.kind, error.reason) == (Kind.DENIED, "OUT_OF_AREA")
    assert await refused(desk.call(grid, batch(desk, [away, away]))) == "OUT_OF_AREA"
    assert await house.owner.fetchval("SELECT count(*) FROM obligation_services") == 1
