from dataclasses import replace
from datetime import date

import pytest
from daysets import wire
from daysets.decoys import pad
from daysets.segment import Entry, Reason, SegmentError, build, check, day_number, day_of, verify
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.feature("Q10")

DAY = date(2022, 3, 14)
entries = st.builds(
    Entry,
    tag=st.binary(min_size=16, max_size=16),
    reason=st.integers(0, 127),
    ref=st.binary(min_size=8, max_size=8),
    end_minute=st.none() | st.integers(0, 1440),
    lift=st.booleans(),
)


def draft(records=(), **changes):
    given = {"day": DAY, "generation": 1, "number": 1, "base_parts": 1, "entries": records, "salt": bytes(16)}
    return build(**given | changes)


@given(st.lists(entries, unique_by=lambda entry: entry.tag, max_size=30))
def test_entries_come_back_as_they_went_in_sorted_by_tag(records):
    assert list(draft(records).read_entries()) == sorted(records, key=lambda entry: entry.tag)


def test_a_segment_crosses_the_wire_unchanged_and_verifies(log):
    segment = log.segment(1, [Entry(b"t" * 16, 3, b"r" * 8, 600)], cards=[(b"k" * 8, b"t" * 16)], drill_id="演练")
    again = wire.decode(wire.encode(segment))
    assert again == segment
    verify(again, log.keys)


def test_what_the_log_commits_to_never_changes_its_form():
    """A fixed vector: another implementation, or a later version of this one, must get the same leaf."""
    fixed = draft([Entry(b"t" * 16, 3, b"r" * 8, 600)], cards=[(b"k" * 8, b"t" * 16)], drill_id="d")
    assert fixed.entries.hex() == "74" * 16 + "03" + "72" * 8 + "0258"
    assert fixed.digest().hex() == "6bbde376a0f9d7409e568736e6e9f105d4bc39520453247439088c4247ce51f9"
    assert fixed.leaf().hex() == "29f9bbaae816d01b4a5efcca85af52a83075fba0eda2536d0235d13b9c5f8874"


@pytest.mark.parametrize(
    "change",
    [
        {"day": date(2022, 3, 15)},
        {"generation": 2},
        {"number": 2},
        {"base_parts": 2},
        {"drill_id": "drill"},
        {"entries": draft([Entry(b"u" * 16, 3, b"r" * 8, 600)]).entries},
        {"entries": b""},
        {"cards": b"k" * 24},
        {"salt": b"s" * 16},
        {"leaf_index": 0},
        {"tree_size": 3},
        {"proof": ()},
        {"checkpoint": b""},
    ],
    ids=str,
)
def test_no_field_of_a_proven_segment_can_be_altered(log, change):
    segment = log.segment(1, [Entry(b"t" * 16, 3, b"r" * 8, 600)])
    with pytest.raises(SegmentError) as refused:
        verify(replace(segment, **change), log.keys)
    assert refused.value.reason is Reason.UNPROVEN


def test_no_byte_of_a_proven_segment_can_be_altered(log):
    """Every byte of the message, each with one bit turned: it no longer decodes, or is refused, or says the same."""
    segment = log.segment(1, [Entry(b"t" * 16, 3, b"r" * 8, 600)])
    raw = wire.encode(segment)
    for at in range(len(raw)):
        altered = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(SegmentError):
            verify(wire.decode(altered), log.keys)


@pytest.mark.parametrize(
    "change",
    [
        {"entries": b"x" * 26},
        {"entries": b"x" * 54},
        {"entries": b"b" * 16 + bytes(11) + b"a" * 16 + bytes(11)},
        {"entries": b"b" * 25 + (1441).to_bytes(2)},
        {"entries": b"b" * 25 + b"\xff\xfe"},
        {"cards": b"x" * 23},
        {"cards": bytes(48)},
        {"generation": 0},
        {"number": 0},
        {"base_parts": 0},
        {"day": date(1970, 1, 1)},
        {"salt": bytes(15)},
        {"drill_id": "d" * 65},
    ],
    ids=str,
)
def test_a_malformed_segment_is_refused_before_its_proof_is_looked_at(log, change):
    with pytest.raises(SegmentError) as refused:
        verify(replace(log.segment(1), **change), log.keys)
    assert refused.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "entry",
    [
        Entry(b"t" * 15, 1, b"r" * 8),
        Entry(b"t" * 16, 128, b"r" * 8),
        Entry(b"t" * 16, -1, b"r" * 8),
        Entry(b"t" * 16, 1, b"r" * 7),
        Entry(b"t" * 16, 1, b"r" * 8, 1441),
        Entry(b"t" * 16, 1, b"r" * 8, -1),
    ],
)
def test_an_entry_out_of_bounds_cannot_be_built(entry):
    with pytest.raises(ValueError, match="an entry has"):
        draft([entry])


def test_a_tag_is_in_a_segment_once():
    twice = [Entry(b"t" * 16, 1, b"r" * 8), Entry(b"t" * 16, 2, b"r" * 8)]
    with pytest.raises(SegmentError, match="ascending"):
        draft(twice)


def test_a_card_out_of_bounds_and_too_many_records_cannot_be_built():
    with pytest.raises(ValueError, match="a card is"):
        draft(cards=[(b"k" * 7, b"t" * 16)])
    with pytest.raises(SegmentError, match="too many"):
        draft([Entry(n.to_bytes(16), 1, bytes(8)) for n in range(20_001)])


def test_days_are_counted_from_1970():
    assert day_number(date(1970, 1, 2)) == 1
    assert day_of(day_number(DAY)) == DAY


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_a_segment_or_are_refused_as_malformed(data):
    refusal = None
    try:
        check(wire.decode(data))
    except SegmentError as error:
        refusal = error.reason
    assert refusal in (None, Reason.MALFORMED)


def test_a_day_beyond_the_calendar_is_refused():
    from lilitong.quarantine.v1.day_set_pb2 import DaySetSegment

    with pytest.raises(SegmentError, match="not a date"):
        wire.decode(DaySetSegment(day=2**32 - 1).SerializeToString())


@given(st.integers(0, 40), st.integers(1, 16))
def test_padding_hides_the_number_of_people_and_looks_like_them(count, multiple):
    real = [Entry(bytes([n]) * 16, 5, bytes(8), 90) for n in range(count)]
    padded = pad(real, multiple=multiple, reason=5)
    assert padded[:count] == real
    assert len(padded) % multiple == 0
    assert 0 < len(padded) < count + multiple + 1
    assert len({entry.tag for entry in padded}) == len(padded)
    assert {entry.reason for entry in padded} == {5}
    assert {entry.end_minute for entry in padded} == ({90} if count else {None})
