"""What tests of several rooms need: time that goes on by hand, and two authorities of which one follows the other."""

import pytest
from devstack.certificates import Authority


class Ticks:
    """Seconds of a monotonic clock that stands still: `ticks.now += 1`."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def old(tmp_path):
    return Authority(tmp_path / "old", "old")


@pytest.fixture
def new(tmp_path):
    return Authority(tmp_path / "new", "new")
