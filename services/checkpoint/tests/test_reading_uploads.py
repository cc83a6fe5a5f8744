"""What is read in haste is what the contract allows, and what the slow reading says of it."""

from datetime import UTC, datetime, timedelta

import protovalidate
import pytest
from chassis.clock import local_day
from checkpoint.scanning import uploads
from hypothesis import given
from hypothesis import strategies as st
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import day_number

pytestmark = pytest.mark.feature("C4")

NOW = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)
AGES = st.one_of(st.integers(-62, 2), st.integers(590, 610), st.integers(259_190, 259_210), st.integers(0, 300_000))


@st.composite
def items(draw):
    """A scan that is in order but for at most a few things."""
    at = NOW - timedelta(seconds=draw(AGES))
    item = scan_pb2.OfflineScan(
        scan_id=bytes(draw(st.sampled_from([8, 8, 8, 7, 9, 0]))),
        day=max(0, day_number(local_day(at)) + draw(st.sampled_from([0, 0, 0, 0, 1, -1, 10**9]))),
        tags=[bytes([n]) * size for n, size in draw(st.lists(st.tuples(st.integers(0, 2), st.just(16)), max_size=7))],
        verdict=draw(st.sampled_from([1, 2, 3, 1, 2, 3, 0, 4, -1])),
        reasons=draw(st.lists(st.sampled_from([10, 18, 31, 99, 0]), max_size=17)),
        static_card=draw(st.booleans()),
        drill_id="演" * draw(st.sampled_from([0, 0, 1, 64, 65])),
        observations=draw(
            st.none()
            | st.builds(
                scan_pb2.Observations,
                temperature_decicelsius=st.sampled_from([0, 366, 450, 451]),
                health_code=st.sampled_from([0, 1, 4, 5, -1]),
                itinerary_card=st.sampled_from([0, 1, 4, 5, -1]),
            )
        ),
    )
    if draw(st.integers(0, 9)):
        item.scanned_at.FromDatetime(at)
        item.scanned_at.nanos = draw(st.sampled_from([0, 999_999_999, 1_500, 1_000_000_000, -1]))
    if item.tags and not draw(st.integers(0, 5)):
        item.tags[0] = bytes(draw(st.sampled_from([0, 15, 17])))
    return item


@given(items())
def test_whatever_is_read_in_haste_keeps_its_contract_and_is_read_alike_without(item):
    (scan,) = uploads.plain([item], 7, NOW)
    if scan is not None:
        batch = scan_pb2.ScanBatch(batch_id=bytes(16), scans=[item])
        assert not protovalidate.collect_violations(batch)
        assert scan == uploads.read(item, 7, NOW)
        assert type(scan.grade) is type(uploads.read(item, 7, NOW).grade)


@pytest.mark.parametrize("reasons", [[], [31], [10, 31]])
def test_the_ordinary_scan_is_read_in_haste(reasons):
    """Or all of the above would hold of nothing."""
    item = scan_pb2.OfflineScan(
        scan_id=bytes(8), day=day_number(local_day(NOW)), tags=[bytes(16), b"1" * 16], verdict=2, reasons=reasons
    )
    item.scanned_at.FromDatetime(NOW - timedelta(hours=1))
    (scan,) = uploads.plain([item], 7, NOW)
    assert scan is not None
    assert scan.tags == (bytes(16), b"1" * 16)
    assert scan.late


def ordinary(*, age=3600.0, nanos=0, days=0, **changes):
    given = {"scan_id": bytes(8), "tags": [bytes(16), b"1" * 16], "verdict": 2} | changes
    at = NOW - timedelta(seconds=age)
    item = scan_pb2.OfflineScan(day=day_number(local_day(at)) + days, **given)
    item.scanned_at.FromDatetime(at)
    item.scanned_at.nanos += nanos
    return item


@pytest.mark.parametrize(
    "oddity",
    [
        {"days": 1},
        {"days": -1},
        {"days": 1, "age": 12 * 3600 + 1},
        {"days": -1, "age": 12 * 3600},
        {"age": 72 * 3600},
        {"age": 72 * 3600 + 0.5},
        {"age": -60},
        {"age": -60.5},
        {"nanos": 1_000_000_000},
        {"nanos": -1},
        {"scan_id": bytes(7)},
        {"scan_id": bytes(9)},
        {"tags": []},
        {"tags": [bytes(15)]},
        {"tags": [bytes(16), bytes(17)]},
        {"tags": [bytes([n]) * 16 for n in range(7)]},
        {"verdict": 0},
        {"verdict": 4},
        {"verdict": -1},
        {"reasons": [10] * 17},
        {"drill_id": "演" * 65},
        {"observations": scan_pb2.Observations(temperature_decicelsius=451)},
        {"observations": scan_pb2.Observations(health_code=-1)},
        {"observations": scan_pb2.Observations(health_code=99)},
        {"observations": scan_pb2.Observations(itinerary_card=-1)},
        {"observations": scan_pb2.Observations(itinerary_card=99)},
    ],
    ids=str,
)
def test_a_scan_with_one_oddity_is_looked_at_closely(oddity):
    """One at a time: drawn together, each is hidden behind the others."""
    assert uploads.plain([ordinary(**oddity)], 7, NOW) == [None]
    assert uploads.plain([ordinary()], 7, NOW) != [None]
