"""Rules with a date in them hold for every date, and every bound is tried on both sides."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes.days import bounds, local_day
from quarantine.cases.model import (
    Ask,
    Found,
    Grade,
    Kind,
    Presence,
    classify,
    infectious_from,
    restrict_until,
    search_days,
    strongest,
    third_allows,
)
from quarantine.policy.model import PolicyRules

RULES = PolicyRules(2, 10, 7, 10, 100, 3000, 5)
NOON = datetime(2022, 3, 10, 4, tzinfo=UTC)
instants = st.datetimes(datetime(2021, 1, 1), datetime(2030, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001
rules = st.builds(
    PolicyRules,
    st.integers(0, 14),
    st.integers(1, 1440),
    st.integers(1, 30),
    st.integers(1, 60),
    st.integers(1, 1000),
    st.integers(1, 1000),
    st.integers(0, 240),
)


def presence(**changed: object) -> Presence:
    values = {
        "overlap_start": NOON,
        "overlap_end": NOON + timedelta(minutes=10),
        "grade": Grade.STAFF_VERIFIED,
        "index_grade": Grade.ROTATING_CODE,
        "late": False,
        "visitors": 100,
    }
    return Presence(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.feature("Q6")
def test_a_proven_long_enough_stay_in_a_small_enough_zone_is_a_close_contact() -> None:
    assert classify(presence(), RULES) == (Kind.CLOSE, None)


@pytest.mark.feature("Q6")
@pytest.mark.parametrize(
    ("changed", "ask"),
    [
        ({"grade": Grade.STATIC_CODE}, Ask.UNPROVEN_PRESENCE),
        ({"grade": Grade.STATIC_CARD}, Ask.UNPROVEN_PRESENCE),
        ({"grade": Grade.UNKNOWN}, Ask.UNPROVEN_PRESENCE),
        ({"index_grade": Grade.STATIC_CODE}, Ask.UNPROVEN_PRESENCE),
        ({"late": True}, Ask.LATE_ITEM),
        ({"visitors": 101}, Ask.LARGE_ZONE),
        ({"visitors": None}, Ask.LARGE_ZONE),
        ({"overlap_end": NOON + timedelta(minutes=10, microseconds=-1)}, Ask.SHORT_OVERLAP),
        ({"grade": Grade.STATIC_CODE, "late": True, "visitors": 500}, Ask.UNPROVEN_PRESENCE),
        ({"late": True, "visitors": 500}, Ask.LATE_ITEM),
    ],
)
def test_anything_less_is_a_question_with_the_first_reason_that_applies(changed: dict[str, object], ask: Ask) -> None:
    assert classify(presence(**changed), RULES) == (Kind.CO_PRESENT, ask)


@pytest.mark.feature("Q5")
@given(specimen=instants, age=st.timedeltas(timedelta(0), timedelta(days=14)), rule=rules)
def test_searches_cover_every_local_day_from_the_first_infectious_one_to_today(
    specimen: datetime, age: timedelta, rule: PolicyRules
) -> None:
    now = specimen + age
    days = search_days(specimen, now, rule)
    assert days[-1] == local_day(now)
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))
    assert len(days) <= 15
    first = local_day(infectious_from(specimen, rule))
    assert days[0] == max(first, local_day(now) - timedelta(days=14))


@pytest.mark.feature("Q5")
@given(specimen=instants, rule=rules)
def test_a_case_is_infectious_from_the_start_of_a_local_day(specimen: datetime, rule: PolicyRules) -> None:
    start = infectious_from(specimen, rule)
    assert start == bounds(local_day(start))[0]
    assert local_day(specimen) - local_day(start) == timedelta(days=rule.infectious_days_before)


@pytest.mark.feature("Q7")
@given(since=instants, rule=rules, kind=st.sampled_from([Kind.INDEX, Kind.CLOSE, Kind.HOUSEHOLD]))
def test_restrictions_end_at_local_midnight_after_the_policys_full_days(
    since: datetime, rule: PolicyRules, kind: Kind
) -> None:
    end = restrict_until(kind, since, rule)
    days = rule.case_days if kind is Kind.INDEX else rule.close_contact_days
    assert end == bounds(local_day(end))[0]
    assert timedelta(days=days) < end - since <= timedelta(days=days + 1)
    assert end - since <= timedelta(days=90)


@pytest.mark.feature("Q7")
def test_a_date_worked_by_hand() -> None:
    """Exposed on 10 March 2022 at 23:59:59 local time, seven days: until the end of 17 March."""
    last = datetime(2022, 3, 10, 15, 59, 59, tzinfo=UTC)
    assert restrict_until(Kind.CLOSE, last, RULES) == datetime(2022, 3, 17, 16, tzinfo=UTC)
    assert search_days(last, last, RULES) == [date(2022, 3, 8), date(2022, 3, 9), date(2022, 3, 10)]


@pytest.mark.feature("Q6")
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([Kind.CLOSE, Kind.CO_PRESENT, Kind.LEAD]), st.integers(0, 100)),
        max_size=20,
    )
)
def test_of_several_finds_of_a_person_the_strongest_then_latest_counts(items: list[tuple[int, Kind, int]]) -> None:
    found = [
        Found(UUID(int=person), kind, None, NOON + timedelta(minutes=minute), 0, {}) for person, kind, minute in items
    ]
    chosen = strongest(found)
    assert [found[place].resident_id for place in chosen] == sorted({find.resident_id for find in found})
    for place in chosen:
        mine = [find for find in found if find.resident_id == found[place].resident_id]
        assert found[place].kind == min(find.kind for find in mine)
        assert found[place].last_exposure_at == max(f.last_exposure_at for f in mine if f.kind == found[place].kind)


@pytest.mark.feature("Q5")
@pytest.mark.parametrize(
    ("approvals", "restricted", "allowed"), [(2, 0, 3000), (2, 2999, 1), (2, 3001, 0), (3, 9000, None)]
)
def test_two_approvals_cover_the_cap_and_three_any_number(approvals: int, restricted: int, allowed: int | None) -> None:
    assert third_allows(approvals, restricted, RULES) == allowed
