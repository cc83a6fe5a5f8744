"""The index against a model that knows nothing of tables, overlays and orders of arrival."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from daysets.index import DaySetIndex
from daysets.segment import Entry, Segment
from daysets.testing import MemoryLog
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = date(2022, 3, 14)
MIDNIGHT = datetime(2022, 3, 13, 16, tzinfo=UTC)
TAGS = [bytes([n, 0]) * 8 for n in range(6)]
pytestmark = [pytest.mark.feature("C4"), pytest.mark.feature("Q10")]


@dataclass(frozen=True)
class Plan:
    """The whole history that the issuer makes, and in which order some of it arrives."""

    segments: list[Segment]
    arrivals: list[int]


records = st.dictionaries(
    st.sampled_from(TAGS),
    st.tuples(st.integers(0, 3), st.none() | st.integers(0, 1440), st.booleans()),
    max_size=4,
)


@st.composite
def plans(draw) -> Plan:
    log, segments = MemoryLog(), []
    for generation in range(1, draw(st.integers(1, 3)) + 1):
        base_parts = draw(st.integers(1, 3))
        for number in range(1, base_parts + draw(st.integers(0, 3)) + 1):
            entries = [
                Entry(tag, reason, bytes([generation, number]) * 4, end, lift and number > base_parts)
                for tag, (reason, end, lift) in draw(records).items()
            ]
            segments.append(log.segment(number, entries, day=DAY, generation=generation, base_parts=base_parts))
    return Plan(segments, draw(st.lists(st.integers(0, len(segments) - 1), max_size=2 * len(segments))))


def expected(arrived: list[Segment], tag: bytes, at: datetime):
    """Read off the rules: newest whole base, else newest parts; then all changes from that generation on, in order."""
    by_number = {(s.generation, s.number): s for s in arrived}
    whole = {s.generation for s in arrived if all((s.generation, n + 1) in by_number for n in range(s.base_parts))}
    if not arrived:
        return None
    base = max(whole or {s.generation for s in arrived})
    last = None
    for (generation, _), segment in sorted(by_number.items()):
        if generation < base or (generation > base and segment.is_base):
            continue
        for entry in segment.read_entries():
            if entry.tag == tag and not (segment.is_base and last and last[0].number > segment.base_parts):
                last = (segment, entry)
    if last is None or last[1].lift:
        return None
    segment, entry = last
    if entry.end_minute is not None and at >= MIDNIGHT + timedelta(minutes=entry.end_minute):
        return None
    return entry.reason, entry.ref, segment.generation, segment.number


@settings(max_examples=150, deadline=None)
@given(plans(), st.integers(0, 1440))
def test_lookups_follow_the_rules_after_every_arrival(plan, minute):
    log = MemoryLog()
    index, arrived = DaySetIndex(lambda: log.keys), []
    at = MIDNIGHT + timedelta(minutes=minute)
    for which in plan.arrivals:
        arrived.append(plan.segments[which])
        index.apply(plan.segments[which])
        for tag in TAGS:
            hit = index.lookup(DAY, "", tag, at)
            assert (hit and (hit.reason, hit.ref, hit.generation, hit.number)) == expected(arrived, tag, at)


@settings(max_examples=50, deadline=None)
@given(plans())
def test_two_lists_that_exchange_what_is_missing_become_equal(plan):
    log = MemoryLog()
    full, other = DaySetIndex(lambda: log.keys), DaySetIndex(lambda: log.keys)
    for segment in plan.segments:
        full.apply(segment)
    for which in plan.arrivals:
        other.apply(plan.segments[which])
    for segment in full.segments_after(other.token()):
        other.apply(segment)
    assert list(other.segments()) == list(full.segments())
    assert other.status(DAY).complete
