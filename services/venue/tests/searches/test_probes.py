"""Where an exposure search looks: a stay that began before midnight lies in the partition of the day before."""

from datetime import date

import pytest
from passes.days import DAY_SECONDS
from venue.searches.model import Interval, Place, probes

pytestmark = pytest.mark.feature("V11")

TODAY, YESTERDAY, TOMORROW = date(2022, 3, 10), date(2022, 3, 9), date(2022, 3, 11)
PLACE = Place(1, "shop", 3, "141102001001", 2_700, 14_400)


def days(starts, ends, *, overstay):
    stay = Interval(bytes(8), 1, starts, ends, 1, False)
    return [probe.day for probe in probes(0, TODAY, stay, PLACE) if probe.overstay is overstay]


def test_a_stay_after_midnight_looks_back_into_the_day_before():
    assert days(600, 1_200, overstay=False) == [YESTERDAY, TODAY]
    assert days(2_700, 3_300, overstay=False) == [TODAY]
    assert days(3_600, 4_200, overstay=True) == [YESTERDAY, TODAY]


def test_a_stay_over_midnight_looks_into_the_day_after():
    assert days(DAY_SECONDS - 600, DAY_SECONDS + 1, overstay=False) == [TODAY, TOMORROW]
    assert days(DAY_SECONDS - 600, DAY_SECONDS, overstay=False) == [TODAY]
