"""Random lives of a venue against the plain ladder: they never differ, and no former moment ever changes."""

import asyncio
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .lives import Life
from .paper_street import PaperStreet

pytestmark = pytest.mark.feature("V7")
REACHED = {
    "step 1", "step 2", "step 3", "rectify", "suspend", "propose extension", "extend", "propose lift", "lift", "appeal", "upheld",
    "rejected", "suspend: SECOND_PERSON_NEEDED", "upheld: INVOLVED", "lift: SECOND_PERSON_NEEDED", "upheld: APPEAL_LAPSED",
    "propose lift: MEASURE_SUPERSEDED", "propose extension: EXTENSION_TOO_LONG",
}  # fmt: skip


def chosen(examples, steps):
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )


def kind(**given):
    return type("LifeHere", (Life,), given)


async def live(street, examples, steps):
    """Through the service's own calls, on Postgres."""
    lived = Counter()
    await street.policies()
    life = kind(street=street, loop=asyncio.get_running_loop(), lived=lived)
    await asyncio.to_thread(run_state_machine_as_test, life, settings=chosen(examples, steps))
    return lived


def test_no_random_life_by_the_rules_alone_differs_from_the_plain_ladder():
    lived = Counter()
    run_state_machine_as_test(kind(street=PaperStreet(), lived=lived), settings=chosen(200, 40))
    assert lived.keys() >= REACHED


@pytest.mark.connected
async def test_no_random_life_through_the_service_differs_from_it_either(street):
    lived = await live(street, 10, 30)
    assert {"step 1", "step 2", "step 3", "suspend", "appeal", "lift"} <= lived.keys()


@pytest.mark.connected
@pytest.mark.slow
async def test_nor_do_many_long_ones(street):
    lived = await live(street, 60, 50)
    assert lived.keys() >= REACHED


@pytest.mark.slow
def test_nor_do_many_more_by_the_rules_alone():
    lived = Counter()
    run_state_machine_as_test(kind(street=PaperStreet(), lived=lived), settings=chosen(500, 50))
    assert lived.keys() >= REACHED
