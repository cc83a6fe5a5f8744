"""Many inspectors at once: no ladder skips or doubles a step, and no number of any document is missing."""

import asyncio
import random
from collections import Counter, defaultdict

import pytest
from chassis.errors import DomainError

from .conftest import FENGSHAN, LIANHUACHI, person

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]


async def steps_and_numbers(street, venues):
    """Every venue's steps are 1, 2, 3, 3, …, every series is 1…n, and what the papers say is what the facts say."""
    for venue in venues:
        rows = await street.house.rows(
            "SELECT m.step FROM measures m JOIN ladder_facts f ON f.fact_id = m.measure_id WHERE m.venue_id = $1 ORDER BY ordinal",
            venue.venue_id,
        )
        assert [row["step"] for row in rows] == [min(number, 3) for number in range(1, len(rows) + 1)]
        ordinals = await street.house.rows(
            "SELECT ordinal FROM ladder_facts WHERE venue_id = $1 ORDER BY ordinal", venue.venue_id
        )
        assert [row["ordinal"] for row in ordinals] == [*range(1, len(ordinals) + 1)]
    series = defaultdict(list)
    for row in await street.house.rows("SELECT issuing_body, series, year, number FROM documents"):
        series[row["issuing_body"], row["series"], row["year"]].append(row["number"])
    for numbers in series.values():
        assert sorted(numbers) == [*range(1, len(numbers) + 1)]
    counters = await street.house.rows("SELECT issuing_body, series, year, last_number FROM document_counters")
    assert {tuple(row)[:3]: row["last_number"] for row in counters} == {
        key: len(found) for key, found in series.items()
    }
    papers = await street.house.owner.fetchval(
        "SELECT count(*) FROM measure_papers FULL JOIN documents USING (document_id) WHERE measure_id IS NULL OR kind IS NULL"
    )
    assert papers == 0


@pytest.mark.case("concurrency")
async def test_twenty_inspectors_on_many_venues_at_once(street):
    await street.policies()
    venues = [await street.venue(area) for area in (LIANHUACHI, FENGSHAN) * 6]
    dice = random.Random(7)
    refusals = Counter()

    async def inspector(number):
        name = f"inspector-{number}"
        caller = person(name, "inspector", "enforcement_lead")
        for _ in range(12):
            venue = dice.choice(venues)
            request = await street.inspection(
                venue,
                bad=["masks"] if dice.random() < 0.7 else [],
                first_inspector=name,
                second_inspector=f"beside-{number}",
            )
            answer = await street.call(caller, request)
            if answer.proposed_suspension_days and dice.random() < 0.5:
                try:
                    await street.suspend(answer.inspection.inspection_id, person(f"lead-{number}", "enforcement_lead"))
                except DomainError as error:
                    refusals[error.reason] += 1

    await asyncio.gather(*(inspector(number) for number in range(20)))
    await steps_and_numbers(street, venues)
    assert await street.house.owner.fetchval("SELECT count(*) FROM inspections") == 240
    assert refusals.keys() <= {"MEASURE_SUPERSEDED"}
    leaves = await street.house.rows("SELECT leaf_index FROM suspensions ORDER BY leaf_index")
    assert len({row["leaf_index"] for row in leaves}) == len(leaves) > 0


@pytest.mark.case("concurrency")
async def test_twenty_inspectors_on_one_venue_climb_one_step_each(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    requests = [await street.inspection(venue, bad=["masks"]) for _ in range(20)]
    answers = await asyncio.gather(*(street.call(street.one, each) for each in requests))
    assert Counter(each.step for each in answers) == {1: 1, 2: 1, 3: 18}
    await steps_and_numbers(street, [venue])


@pytest.mark.slow
@pytest.mark.case("concurrency")
async def test_twenty_inspectors_on_a_thousand_venues(street):
    await street.policies()
    venues = [await street.venue((LIANHUACHI, FENGSHAN)[number % 2]) for number in range(1000)]
    work = [venue for venue in venues for _ in range(3)]
    random.Random(11).shuffle(work)

    async def inspector(number):
        name = f"inspector-{number}"
        caller = person(name, "inspector")
        while work:
            venue = work.pop()
            request = await street.inspection(
                venue, bad=["masks"], first_inspector=name, second_inspector=f"beside-{number}"
            )
            await street.call(caller, request)

    await asyncio.gather(*(inspector(number) for number in range(20)))
    await steps_and_numbers(street, venues)
    counts = await street.house.rows("SELECT step, count(*) FROM measures GROUP BY step")
    assert {row["step"]: row["count"] for row in counts} == {1: 1000, 2: 1000, 3: 1000}
