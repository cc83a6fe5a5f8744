"""A time that no calendar has is refused before a handler could stumble over it."""

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.validation import validate
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.venue.v1 import spot_check_pb2

pytestmark = pytest.mark.feature("R9")
COMMIT = {
    "request_id": "c0ffee00-0000-4000-8000-000000000001",
    "draw_id": "c0ffee00-0000-4000-8000-000000000002",
    "area": "141102002001",
    "title": "抽查",
    "area_digits": 12,
    "per_mille": 100,
    "team_ids": ["c0ffee00-0000-4000-8000-000000000003"],
}


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(253_402_300_800, 0), (-62_135_596_801, 0), (0, -1), (0, 1_000_000_000)]
)
def test_a_time_outside_the_calendar_is_named(seconds, nanos):
    request = spot_check_pb2.CommitSpotCheckRequest(**COMMIT, ends_at=Timestamp(seconds=seconds, nanos=nanos))
    with pytest.raises(DomainError) as caught:
        validate(request)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "INVALID_REQUEST")
    assert caught.value.fields.keys() == {"ends_at"}


@pytest.mark.parametrize(("seconds", "nanos"), [(253_402_300_799, 999_999_999), (-62_135_596_800, 0)])
def test_the_first_and_the_last_second_are_times(seconds, nanos):
    validate(spot_check_pb2.CommitSpotCheckRequest(**COMMIT, ends_at=Timestamp(seconds=seconds, nanos=nanos)))
