import pytest
from gateway.limits import Buckets

pytestmark = pytest.mark.feature("X2")


class Ticks:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


def test_a_burst_passes_then_the_rate(ticks):
    buckets = Buckets(10.0, 5, monotonic=ticks)
    assert [buckets.take("a").allowed for _ in range(7)] == [True] * 5 + [False] * 2
    ticks.now += 0.25
    assert [buckets.take("a").allowed for _ in range(3)] == [True, True, False]
    ticks.now += 1000
    assert [buckets.take("a").allowed for _ in range(6)] == [True] * 5 + [False]


def test_what_remains_and_the_wait_are_told(ticks):
    buckets = Buckets(0.5, 2, monotonic=ticks)
    assert [(buckets.take("a").remaining, buckets.take("a").wait)] == [(1, 2.0)]
    assert buckets.policy == '"caller";q=2;w=4'
    assert buckets.header(buckets.take("a")) == '"caller";r=0;t=2'


def test_a_refused_request_costs_nothing(ticks):
    buckets = Buckets(1.0, 1, monotonic=ticks)
    buckets.take("a")
    for _ in range(100):
        assert not buckets.take("a").allowed
    ticks.now += 1.0
    assert buckets.take("a").allowed


def test_callers_do_not_share_and_the_memory_is_bounded(ticks):
    buckets = Buckets(1.0, 1, capacity=3, monotonic=ticks)
    assert all(buckets.take(f"caller-{number}").allowed for number in range(10))
    assert len(buckets._buckets) == 3
    assert not buckets.take("caller-9").allowed
