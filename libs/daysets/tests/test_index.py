from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from daysets.index import DaySetIndex, Doubt, Outcome
from daysets.segment import ENTRY_SIZE, NO_CARD, Entry, Reason, build_base
from daysets.table import Table
from daysets.tokens import TokenError
from hypothesis import given
from hypothesis import strategies as st

DAY = date(2022, 3, 14)
NOON = datetime(2022, 3, 14, 4, tzinfo=UTC)  # 12:00 in the district
pytestmark = pytest.mark.feature("C4")


def tag(n: int) -> bytes:
    return bytes([n]) * 16


def entry(n: int, *, reason: int = 1, end: int | None = None, lift: bool = False) -> Entry:
    return Entry(tag(n), reason, bytes([n]) * 8, end, lift)


def hit(index, n, *, day=DAY, drill="", at=NOON):
    return index.lookup(day, drill, tag(n), at)


def test_a_proven_entry_is_a_hit_and_names_its_segment(log, index):
    segment = log.segment(1, [entry(1, reason=7, end=900)])
    assert index.apply(segment) is Outcome.APPLIED
    found = hit(index, 1)
    assert (found.reason, found.ref, found.end_minute) == (7, bytes([1]) * 8, 900)
    assert index.segment(DAY, "", found.generation, found.number) == segment
    assert hit(index, 2) is None


def test_an_entry_holds_on_its_own_day_and_in_its_own_drill_only(log, index):
    index.apply(log.segment(1, [entry(1)]))
    index.apply(log.segment(1, [entry(2)], drill_id="d"))
    assert hit(index, 1, day=DAY + timedelta(days=1)) is None
    assert hit(index, 1, drill="d") is None
    assert hit(index, 2) is None
    assert hit(index, 2, drill="d") is not None


@pytest.mark.parametrize("minute", [0, 1, 719, 720, 1439, 1440])
def test_an_entry_ends_by_itself_at_its_minute_of_the_local_day(log, index, minute):
    index.apply(log.segment(1, [entry(1, end=minute)]))
    midnight = datetime(2022, 3, 13, 16, tzinfo=UTC)
    ends = midnight + timedelta(minutes=minute)
    assert hit(index, 1, at=ends) is None
    assert hit(index, 1, at=ends - timedelta(microseconds=1)) is not None


def test_the_last_number_wins_for_a_tag_in_whatever_order_they_come(log, index):
    index.apply(log.segment(1, [entry(1), entry(2)]))
    lift, back = log.segment(2, [entry(1, lift=True)]), log.segment(3, [entry(1, reason=9)])
    index.apply(back)
    assert hit(index, 1).reason == 9
    index.apply(lift)
    assert hit(index, 1).reason == 9
    index.apply(log.segment(4, [entry(1, lift=True)]))
    assert hit(index, 1) is None
    assert hit(index, 2) is not None


def test_a_new_base_takes_over_only_when_all_its_parts_are_here(log, index):
    index.apply(log.segment(1, [entry(1)]))
    index.apply(log.segment(1, [entry(2)], generation=2, base_parts=2))
    assert (hit(index, 1) is None, hit(index, 2) is None) == (False, True)
    assert index.status(DAY).missing == (2,)
    index.apply(log.segment(2, [entry(3)], generation=2, base_parts=2))
    assert [hit(index, n) is not None for n in (1, 2, 3)] == [False, True, True]
    assert index.status(DAY) == index.status(DAY, "")
    assert index.status(DAY).complete


def test_changes_of_a_newer_generation_hold_before_its_base_is_whole(log, index):
    index.apply(log.segment(1, [entry(1), entry(4)]))
    index.apply(log.segment(3, [entry(3), entry(4, lift=True)], generation=2, base_parts=2))
    assert [hit(index, n) is not None for n in (1, 3, 4)] == [True, True, False]
    assert index.status(DAY).missing == (1, 2)


def test_without_any_whole_base_the_proven_parts_at_hand_count(log, index):
    index.apply(log.segment(2, [entry(2)], base_parts=3))
    assert hit(index, 2) is not None
    assert index.status(DAY).missing == (1, 3)
    assert not index.status(DAY).complete


@pytest.mark.parametrize("per_part", [1, 3, 7, 100])
def test_a_base_cut_into_parts_is_found_whole(log, index, per_part):
    people = [entry(n) for n in range(1, 21)]
    cards = [(bytes([n]) * 8, tag(n)) for n in range(1, 31)]
    drafts = build_base(day=DAY, generation=1, entries=people[::-1], cards=cards, per_part=per_part)
    for draft in reversed(drafts):
        index.apply(log.seal(draft))
    assert index.status(DAY).complete
    assert [n for n in range(256) if hit(index, n)] == list(range(1, 21))
    assert [index.resolve_card(DAY, "", key) for key, _ in cards] == [held for _, held in cards]


def test_a_gap_in_the_changes_is_shown_and_the_rest_is_in_force(log, index):
    index.apply(log.segment(1, [entry(1)]))
    index.apply(log.segment(4, [entry(4)]))
    status = index.status(DAY)
    assert (status.complete, status.missing) == (False, (2, 3))
    assert hit(index, 4) is not None
    for number in (3, 2):
        index.apply(log.segment(number, [entry(number)]))
    assert index.status(DAY).complete


def test_nothing_known_is_not_complete(index):
    assert not index.status(DAY).complete


def test_repeats_and_overtaken_segments_change_nothing(log, index):
    old, change, new = log.segment(1, [entry(1)]), log.segment(2, [entry(2)]), log.segment(1, generation=2)
    for segment in (old, change, new):
        assert index.apply(segment) is Outcome.APPLIED
    version = index.version
    assert [index.apply(s) for s in (new, old, change)] == [Outcome.DUPLICATE, Outcome.OUTDATED, Outcome.OUTDATED]
    assert index.apply(log.prove(new, new.leaf_index)) is Outcome.DUPLICATE
    assert index.version == version
    assert list(index.segments()) == [new]


@pytest.mark.feature("Q10")
def test_an_unproven_entry_is_never_a_hit_but_a_doubt(log, index):
    forged = replace(log.segment(1), entries=log.segment(1, [entry(1)]).entries)
    assert index.apply(forged) is Outcome.REFUSED
    assert hit(index, 1) is None
    assert index.doubt(DAY, "", tag(1)) == Doubt(Reason.UNPROVEN)
    assert index.doubt(DAY, "", tag(2)) is None
    assert index.doubt(DAY, "d", tag(1)) is None
    assert index.refusals == {Reason.UNPROVEN: 1}
    assert not index.status(DAY).complete


def test_the_genuine_segment_ends_the_doubt(log, index):
    genuine = log.segment(1, [entry(1)])
    index.apply(replace(genuine, entries=log.segment(1, [entry(2)]).entries))
    index.apply(genuine)
    assert index.doubt(DAY, "", tag(2)) is None
    assert index.status(DAY).complete
    assert index.apply(replace(genuine, entries=log.segment(1, [entry(3)]).entries)) is Outcome.REFUSED
    assert index.doubt(DAY, "", tag(3)) is None


def test_a_forged_lift_frees_nobody_and_casts_no_doubt_on_the_denial(log, index):
    index.apply(log.segment(1, [entry(1)]))
    index.apply(replace(log.segment(2), entries=log.segment(2, [entry(1, lift=True)]).entries))
    assert hit(index, 1) is not None
    assert index.doubt(DAY, "", tag(1)) is None


def test_two_proven_segments_of_one_number_are_a_conflict(log, index):
    index.apply(log.segment(1, [entry(1)]))
    assert index.apply(log.segment(1, [entry(2)])) is Outcome.REFUSED
    assert (hit(index, 1) is None, hit(index, 2) is None) == (False, True)
    assert index.doubt(DAY, "", tag(2)) == Doubt(Reason.CONFLICT)
    assert index.apply(log.segment(2, [entry(3)], base_parts=2)) is Outcome.REFUSED
    assert index.refusals[Reason.CONFLICT] == 2


def test_a_key_that_becomes_known_turns_doubts_into_hits(log):
    keys = []
    index = DaySetIndex(lambda: keys)
    segment = log.segment(1, [entry(1)])
    index.apply(segment)
    assert index.recheck() == []
    assert index.doubt(DAY, "", tag(1)) is not None
    keys.extend(log.keys)
    assert index.recheck() == [segment]
    assert hit(index, 1) is not None
    assert index.doubt(DAY, "", tag(1)) is None
    assert index.refusals.total() == 1


def test_a_flood_of_forgeries_fills_a_bound_and_stops_nobody(log, index):
    index.apply(log.segment(1, [entry(1)]))
    forged = log.segment(2, [entry(2)])
    for number in range(1000):
        assert index.apply(replace(forged, number=number + 3)) is Outcome.REFUSED
    assert index.status(DAY).doubts == 256
    assert index.refusals.total() == 1000
    assert (hit(index, 1) is None, hit(index, 2) is None) == (False, True)
    index.drop_before(DAY + timedelta(days=1))
    assert index.status(DAY).doubts == 0


@pytest.mark.feature("Q2")
def test_paper_cards_resolve_to_tags_until_withdrawn(log, index):
    key, other = b"k" * 8, b"o" * 8
    index.apply(log.segment(1, cards=[(key, tag(1))]))
    assert index.resolve_card(DAY, "", key) == tag(1)
    assert index.resolve_card(DAY, "", other) is None
    assert index.resolve_card(DAY, "d", key) is None
    index.apply(log.segment(2, cards=[(key, NO_CARD), (other, tag(2))]))
    assert index.resolve_card(DAY, "", key) is None
    assert index.resolve_card(DAY, "", other) == tag(2)


def test_days_before_are_forgotten(log, index):
    index.apply(log.segment(1, [entry(1)]))
    index.apply(log.segment(1, [entry(1)], day=DAY + timedelta(days=1)))
    index.drop_before(DAY + timedelta(days=1))
    assert hit(index, 1) is None
    assert hit(index, 1, day=DAY + timedelta(days=1)) is not None


def test_a_resume_token_asks_for_exactly_what_is_missing(log, index):
    other = DaySetIndex(lambda: log.keys)
    sent = [log.segment(n, [entry(n)], base_parts=2) for n in range(1, 7)]
    sent.append(log.segment(1, drill_id="演练"))
    for segment in sent:
        index.apply(segment)
    for segment in (sent[0], sent[1], sent[2], sent[4]):
        other.apply(segment)
    lacking = index.segments_after(other.token())
    assert [s.number for s in lacking if not s.drill_id] == [4, 5, 6]
    for segment in lacking:
        other.apply(segment)
    assert index.segments_after(other.token()) == []
    assert index.segments_after(b"") == sorted(sent, key=lambda s: (s.drill_id, s.number))


def test_a_token_fits_its_bound_however_many_drills_there_are(log, index):
    for n in range(60):
        index.apply(log.segment(1, drill_id=f"drill {n:058}"))
    index.apply(log.segment(1, [entry(1)]))
    token = index.token()
    assert len(token) <= 1024
    assert "" not in {segment.drill_id for segment in index.segments_after(token)}


@given(st.binary(max_size=1100))
def test_a_foreign_token_is_refused_and_never_crashes(data):
    try:
        DaySetIndex(list).segments_after(data)
    except TokenError:
        assert data


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_a_table_finds_every_key_and_no_other(count):
    records = sorted((n * 2**112 * 7 % 2**128).to_bytes(16) + bytes([n % 256]) * 11 for n in range(count))
    table = Table(b"".join(records), ENTRY_SIZE)
    assert len(table) == count
    assert [table.find(record[:16]) for record in records] == records
    assert table.find(b"\xff" * 16) is None
    assert table.find(b"\x00" * 15 + b"\x01") is None
