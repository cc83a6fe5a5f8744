"""What is open to everybody: which spot checks are over, and the record of each, made once."""

import asyncio
import json
from uuid import UUID

import pytest
from chassis.access import calling
from chassis.auth import ANONYMOUS
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import spot_check_pb2 as pb
from venue.spotcheck import records

from .conftest import DISTRICT, LAPSED, PUBLISHED

pytestmark = [pytest.mark.connected, pytest.mark.feature("V9")]


async def over(squad, **given):
    """What somebody without an account is shown: (draw, state)."""
    with calling(ANONYMOUS):
        request = pb.ListPublishedSpotChecksRequest(**given)
        found = await squad.room.servicer.ListPublishedSpotChecks(request, None)
    assert {each.title for each in found.spot_checks} <= {""}
    return [(each.draw_id, each.state) for each in found.spot_checks], found.next_page_token


@pytest.mark.case("happy path")
async def test_anybody_sees_the_draws_that_are_over_and_none_that_may_still_be_a_secret(squad):
    await squad.team()
    await squad.venues(4)
    lapsed, running = (await squad.commit(days=1)).draw_id, (await squad.commit(days=9)).draw_id
    squad.later(minutes=1)
    drawn = (await squad.drawn(days=9)).draw_id
    assert await over(squad) == ([], "")
    squad.later(days=1)
    assert await over(squad) == ([(lapsed, LAPSED)], "")
    for each in await squad.assignments(drawn):
        await squad.begin(each)
    assert await over(squad) == ([(drawn, PUBLISHED), (lapsed, LAPSED)], "")
    assert json.loads(await squad.record(drawn))["draw_id"] == drawn
    squad.later(days=9)
    assert {draw for draw, _ in (await over(squad))[0]} == {drawn, lapsed, running}


@pytest.mark.case("bad input")
async def test_the_list_is_bounded_by_area_and_drill_and_paged(squad):
    await squad.team()
    await squad.venues(4)
    await squad.venues(4, drill_id="drill-1")
    draws = []
    for given in ({}, {"area": "141102001"}, {"drill_id": "drill-1"}, {}):
        draws.append((await squad.commit(days=1, **given)).draw_id)
        squad.later(minutes=1)
    squad.later(days=1)
    first, below, drill, last = draws
    assert [draw for draw, _ in (await over(squad))[0]] == [last, below, first]
    assert [draw for draw, _ in (await over(squad, area="141102001"))[0]] == [below]
    assert [draw for draw, _ in (await over(squad, area=DISTRICT))[0]] == [last, below, first]
    assert [draw for draw, _ in (await over(squad, area="1411", drill_id="drill-1"))[0]] == [drill]
    page, token = await over(squad, page_size=2)
    rest, end = await over(squad, page_size=2, page_token=token)
    assert ([draw for draw, _ in [*page, *rest]], end) == ([last, below, first], "")
    with pytest.raises(DomainError) as refused:
        await over(squad, page_token="x")
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "PAGE_TOKEN_INVALID")


@pytest.mark.case("concurrency", "repeat")
async def test_a_record_is_made_once_however_many_ask(squad, monkeypatch, counted):
    await squad.team()
    await squad.venues(6)
    draw_id = (await squad.drawn()).draw_id
    squad.later(days=8)
    made, real = [], records._record

    def watched(*given):
        made.append(given)
        return real(*given)

    monkeypatch.setattr(records, "_record", watched)
    answers = await asyncio.gather(*(squad.record(draw_id) for _ in range(6)))
    assert len(set(answers)) == len(made) == 1
    assert await counted(squad.record(draw_id)) == 0


async def test_what_is_not_published_yet_is_not_remembered(squad):
    await squad.team()
    await squad.venues(4)
    draw_id = (await squad.drawn()).draw_id
    for _ in range(2):
        with pytest.raises(DomainError, match="NOT_YET_PUBLISHED"):
            await squad.record(draw_id)
    squad.later(days=8)
    assert json.loads(await squad.record(draw_id))["draw_id"] == draw_id


async def test_memory_of_records_is_bounded(squad):
    await squad.team()
    await squad.venues(4)
    draws = [(await squad.drawn(days=1)).draw_id for _ in range(3)]
    squad.later(days=2)
    whole = max([len(await squad.record(each)) for each in draws])  # proofs grow with the log
    kept = records.Records(squad.house.pool, squad.house.clock, whole * 2 + 100)
    texts = [await kept.get(UUID(each)) for each in (*draws, *draws)]
    assert texts[:3] == texts[3:]
    assert kept._held == sum(map(len, kept._cache.values())) <= whole * 2 + 100
    assert len(kept._cache) == 2
