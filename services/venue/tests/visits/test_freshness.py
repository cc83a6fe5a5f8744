"""How far the list can be relied on, asked at every check-in."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from chassis.clock import ManualClock
from venue.visits.freshness import TOO_OLD_AFTER_S, ListState

pytestmark = pytest.mark.feature("V4")
BEFORE_MIDNIGHT = datetime(2022, 3, 10, 15, 59, 59, 999_000, tzinfo=UTC)  # 23:59:59.999 in the district


class Index:
    """A list of the 10th of March only, until `version` says otherwise."""

    def __init__(self):
        self.version = 1
        self.days = {date(2022, 3, 10)}
        self.asked = 0

    def status(self, day):
        self.asked += 1
        return SimpleNamespace(generation=int(day in self.days), complete=True)


@pytest.fixture
def world():
    index, clock = Index(), ManualClock(BEFORE_MIDNIGHT)
    follower, consumer = SimpleNamespace(age=0.0), SimpleNamespace(caught_up=True)
    now = [0.0]
    state = ListState(index, follower, consumer, clock, monotonic=lambda: now[0])
    return SimpleNamespace(index=index, clock=clock, follower=follower, consumer=consumer, now=now, state=state)


def test_a_new_days_list_is_asked_for_in_its_first_moment_and_found_when_it_comes(world):
    assert not world.state.too_old()
    world.clock.advance(timedelta(milliseconds=1))
    assert world.state.too_old()
    world.index.days.add(date(2022, 3, 11))
    world.index.version += 1
    assert not world.state.too_old()


def test_the_list_is_not_asked_again_while_neither_day_nor_version_changes(world):
    for _ in range(100):
        world.state.too_old()
    assert world.index.asked == 1


def test_the_age_is_that_of_the_oldest_link(world):
    world.follower.age = 7.9
    assert (world.state.look().age_seconds, world.state.look().degraded) == (7, False)
    world.consumer.caught_up = False
    world.now[0] = float(TOO_OLD_AFTER_S)
    assert (world.state.look().degraded, world.state.too_old()) == (True, False)
    world.now[0] += 1
    assert world.state.too_old()
