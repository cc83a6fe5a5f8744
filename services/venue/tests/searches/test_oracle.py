"""Exposure search against brute force: whatever order things come in, the answers together name exactly who was there."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from uuid import UUID

import pytest
from chassis.clock import ManualClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from passes.days import DAY_SECONDS, day_number, start_unix
from venue.searches.model import Search
from venue.visits.check_out import CheckOuts
from venue.visits.model import MAX_STAY, Visit, VisitRef, instant_of
from venue.visits.recording import Fate

pytestmark = [pytest.mark.connected, pytest.mark.feature("V11")]

TODAY = date(2022, 3, 9)
DAYS = (TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1))
INDEX = bytes(15) + b"\x01"
OTHERS = [bytes(15) + bytes([n]) for n in range(2, 7)]
MIDNIGHT = DAY_SECONDS
# Around midnight, noon and the default dwells, to the second, is where mistakes live.
SECONDS = st.one_of(
    st.sampled_from([0, 1, 59, 60, 2_699, 2_700, 2_701, 43_200, 43_201, MIDNIGHT - 2_700, MIDNIGHT - 60, MIDNIGHT - 1]),
    st.integers(0, MIDNIGHT - 1),
    st.integers(40_000, 50_000),
)
STAYS = st.one_of(
    st.none(), st.sampled_from([0, 1, 60, 2_699, 2_700, 2_701, 7_200, MAX_STAY]), st.integers(0, MAX_STAY)
)


@st.composite
def visits(draw, tag, day):
    return {
        "day": day,
        "tag": tag,
        "zone": draw(st.integers(0, 2)),
        "entered": draw(SECONDS),
        "stay": draw(STAYS),
        "grade": draw(st.integers(1, 4)),
        "late": draw(st.booleans()),
        "drill": draw(st.sampled_from(["", "", "spring"])),
        "when": draw(st.sampled_from(["before", "after"])),
        "longer": draw(st.sampled_from([0, 0, 0, 1, 3_600, 40_000])),
    }


@st.composite
def stories(draw):
    """Visits of the index person and of others on three days, and how they reach us."""
    mine = [draw(visits(INDEX, TODAY)) for _ in range(draw(st.integers(1, 3)))]
    others = [
        draw(visits(draw(st.sampled_from(OTHERS)), draw(st.sampled_from(DAYS)))) for _ in range(draw(st.integers(0, 9)))
    ]
    for each in mine:
        each["drill"] = ""
    window = draw(st.sampled_from([(0, MIDNIGHT), (0, MIDNIGHT), (43_200, MIDNIGHT), (0, 43_200), (2_700, 43_201)]))
    return mine + others, window, draw(st.booleans())


def oracle(found, window):
    """Every pair of overlapping stays, by definition; one entry a pair, so that doublets count."""
    hits = []
    midnight = start_unix(day_number(TODAY))
    for mine, other in product(found, found):
        if (mine.tag, mine.day, mine.drill_id) != (INDEX, TODAY, "") or other.drill_id or mine.zone != other.zone:
            continue
        if (other.tag, other.day) == (INDEX, TODAY):
            continue
        (a, b), (c, d) = span(mine), span(other)
        a = max(a, midnight + window[0])
        b = b if window[1] >= MIDNIGHT else min(b, midnight + window[1])
        if min(b, d) > max(a, c):
            late = mine.late or other.late
            place = (day_number(other.day), other.tag, other.zone)
            hits.append((*place, max(a, c), min(b, d), other.grade, mine.grade, late))
    return hits


def span(visit):
    begin = start_unix(day_number(visit.day)) + visit.entered
    return begin, begin + visit.stay


def told(messages):
    return [
        (h.day, h.tag, h.zone, h.overlap_start.seconds, h.overlap_end.seconds, h.grade, h.index_grade, h.late)
        for message in messages
        for h in message.hits
    ]


def longest(hits):
    """A stay that was lengthened is told again with its new end: the longest counts."""
    best = {}
    for *place, end, grade, index_grade, late in hits:
        key = (*place, grade, index_grade, late)
        best[key] = max(best.get(key, 0), end)
    return best


@pytest.fixture
async def zones(house):
    """A shop, a hotel and a community: different default dwells and limits."""
    made = [await house.register(category=category) for category in (3, 2, 1)]
    return [house.zones.find(venue.zones[0].zone) for venue in made]


@pytest.mark.case("happy path")
async def test_answers_together_equal_brute_force(house, zones, clock):
    clock = ManualClock(instant_of(TODAY, 2 * DAY_SECONDS + 100))
    check_outs = CheckOuts(house.pool, clock, house.zones, house.searching, house.recorder.tell)

    async def play(story):
        plans, window, one_by_one = story
        await house.clear()
        final = []
        for number, plan in enumerate(plans):
            zone = zones[plan["zone"]]
            stay = zone.dwell if plan["stay"] is None else min(plan["stay"], zone.stay_limit)
            visit = Visit(
                plan["day"], plan["tag"], number.to_bytes(8, "big"), zone.zone, plan["entered"], stay, plan["grade"],
                plan["late"], stay > zone.dwell, plan["drill"],
            )  # fmt: skip
            final.append((plan, zone, visit))
        search = Search(TODAY, UUID(int=7), INDEX, *window, "")
        before = [visit for plan, _, visit in final if plan["when"] == "before"]
        after = [visit for plan, _, visit in final if plan["when"] == "after"]
        assert set(await house.recorder.record_all([(visit,) for visit in before])) <= {Fate.STORED}
        async with house.pool.acquire() as connection, connection.transaction():
            await house.searching.open(connection, search)
        first = await house.found()
        assert [(m.part, m.parts) for m in first] == [(1, 1)]
        assert sorted(told(first)) == sorted(oracle(before, window))
        if one_by_one:
            for visit in after:
                assert await house.recorder.record((visit,)) is Fate.STORED
                await house.again.work()
        else:
            assert set(await house.recorder.record_all([(visit,) for visit in after])) <= {Fate.STORED}
            await house.again.work()
        upto = [visit for _, _, visit in final]
        messages = await house.found()
        assert all((m.part, m.parts) == (0, 0) for m in messages[1:])
        assert sorted(told(messages)) == sorted(oracle(upto, window))
        ended = []
        for plan, zone, visit in final:
            stay = min(visit.stay + plan["longer"], zone.stay_limit)
            if plan["longer"] and stay > visit.stay:
                left = instant_of(visit.day, visit.entered + stay)
                if left <= clock.now():
                    ref = VisitRef(visit.day, visit.tag, visit.visit_key)
                    assert await check_outs.check_out(ref, left) == left
                    ended.append(replace(visit, stay=stay))
                    continue
            ended.append(visit)
        await house.again.work()
        assert longest(told(await house.found())) == longest(oracle(ended, window))

    loop = asyncio.get_running_loop()

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(stories())
    def run(story):
        asyncio.run_coroutine_threadsafe(play(story), loop).result(60)

    await asyncio.to_thread(run)
