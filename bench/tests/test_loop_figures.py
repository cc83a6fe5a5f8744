import pytest
from bench.p4_loop import closing, figures, shares

pytestmark = pytest.mark.feature("P4")


def test_moments_become_milliseconds_since_the_approval_was_sent():
    found = closing(10.0, 10.02, [10.3, 10.1, 10.2])
    assert [round(value) for value in (found.answered, found.first, found.median, found.last)] == [20, 100, 200, 300]


def test_ninety_nine_of_a_hundred_are_refused_by_the_ninety_ninth_moment():
    assert round(closing(0.0, 0.0, [moment / 1000 for moment in range(1, 101)]).p99) == 99
    assert round(closing(0.0, 0.0, [0.001, 0.002]).p99) == 2


def test_everybody_is_at_one_venue_and_venues_have_about_as_many():
    groups = shares(list(range(2001)), 8)  # type: ignore[arg-type]
    assert sorted(one for group in groups for one in group) == list(range(2001))
    assert {len(group) for group in groups} == {250, 251}


def test_the_percentile_of_few_loops_is_their_slowest_and_says_so():
    loops = [closing(0.0, 0.01, [0.1, last]) for last in (0.4, 0.9, 2.5)]
    half, slowest, first, *_ = figures(loops, 2, "no visits")
    assert (round(half.value), half.met) == (900, True)
    assert (round(slowest.value), slowest.met) == (2500, False)
    assert "3 loops" in slowest.note
    assert (round(first.value), first.met) == (100, True)
