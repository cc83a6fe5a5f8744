"""Which subjects a stream is meant for."""

import pytest
from chassis.events import StreamSpec

SPEC = StreamSpec("S", ("lilitong.venue.>", "lilitong.*.bell"))


@pytest.mark.parametrize("subject", ["lilitong.venue.a", "lilitong.venue.a.v1.b", "lilitong.x.bell"])
def test_a_matching_subject_is_covered(subject):
    assert SPEC.covers(subject)


@pytest.mark.parametrize(
    "subject", ["lilitong.venue", "lilitong.venues.a", "lilitong.a.b.bell", "lilitongXvenue.a", "x.lilitong.venue.a"]
)
def test_any_other_subject_is_not(subject):
    assert not SPEC.covers(subject)
