"""The soak's arithmetic: what counts as growth."""

import pytest
from bench.soak import Samples, fifth

pytestmark = pytest.mark.feature("R8")


def test_a_fifth_is_the_median_of_its_samples():
    assert [fifth([1, 2, 9, 4, 4, 4, 7, 7, 7, 8, 8, 8, 3, 3, 3], number) for number in (0, 1, 4)] == [2, 4, 3]


def test_growth_after_the_caches_have_filled_is_told_in_percent():
    assert Samples(memory=[50, 100, 100, 100, 110]).growth() == pytest.approx(10)


def test_what_the_first_fifth_takes_is_no_leak():
    assert Samples(memory=[10, 100, 100, 100, 100]).growth() == pytest.approx(0)


def test_few_samples_are_compared_as_well_as_they_can_be():
    assert Samples(memory=[100, 200]).growth() == pytest.approx(0)
