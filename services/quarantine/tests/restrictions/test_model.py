"""What is told, what is committed to, and which minute ends a restriction."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger.commitment import Leaf
from ledger.merkle import leaf_hash
from passes.days import bounds, local_day
from quarantine.restrictions.model import (
    Decision,
    HalfDay,
    Reason,
    Restriction,
    State,
    end_minute,
    leaf_of,
    told_half_day,
    told_venue,
)
from quarantine.restrictions.texts import TEXTS

NOON = datetime(2022, 3, 10, 4, tzinfo=UTC)
DECISION = Decision(
    UUID(int=1), UUID(int=2), "", Reason.CLOSE_CONTACT, 1, UUID(int=3), UUID(int=4), b"h" * 32, "a", "b", False, NOON,
    NOON + timedelta(days=7),
)  # fmt: skip


@pytest.mark.feature("Q11")
@given(st.integers(0, 86_399))
def test_only_the_day_and_its_half_are_told(second: int) -> None:
    start, _ = bounds(local_day(NOON))
    day, half = told_half_day(start + timedelta(seconds=second))
    assert day == 19061
    assert half is (HalfDay.MORNING if second < 43_200 else HalfDay.AFTERNOON)


@pytest.mark.feature("Q11")
@pytest.mark.parametrize(("visitors", "name"), [(0, ""), (9, ""), (10, "场所")])
def test_a_venue_is_named_from_ten_people_on(visitors: int, name: str) -> None:
    assert told_venue("场所", visitors) == name


@pytest.mark.feature("Q11")
def test_every_reason_has_a_text_in_both_languages() -> None:
    assert set(TEXTS) == set(Reason)
    assert all(zh and en and zh != en for zh, en in TEXTS.values())


@pytest.mark.feature("Q10")
@given(st.integers(60, 3 * 86_400))
def test_a_list_lets_somebody_pass_less_than_a_minute_early_and_never_late(seconds: int) -> None:
    start, end = bounds(local_day(NOON))
    minute = end_minute(start, start + timedelta(seconds=seconds))
    if minute is None:
        assert start + timedelta(seconds=seconds) >= end
    else:
        assert timedelta(0) <= timedelta(seconds=seconds) - timedelta(minutes=minute) < timedelta(minutes=1)


@pytest.mark.feature("Q10")
def test_the_log_entry_hides_its_content_and_names_no_account() -> None:
    leaf, again = leaf_of(DECISION, lambda name: name.upper().encode() * 16), leaf_of(DECISION, lambda _: b"?")
    assert leaf.content != again.content
    assert leaf.data != leaf_of(DECISION, lambda name: name.upper().encode() * 16).data
    assert leaf.hash == leaf_hash(leaf.data)
    assert Leaf.unpack(leaf.pack()) == leaf


@pytest.mark.feature("Q10")
@given(st.booleans(), st.booleans(), st.integers(-5, 5))
def test_an_end_needs_no_job_and_a_lift_outlasts_it(proposed: bool, lifted: bool, minutes: int) -> None:
    one = Restriction(
        UUID(int=1), UUID(int=2), "141102", "", Reason.CLOSE_CONTACT, 1, UUID(int=3), UUID(int=4), NOON - timedelta(days=1),
        NOON, 0, proposed, lifted,
    )  # fmt: skip
    state = one.state(NOON + timedelta(minutes=minutes))
    if lifted:
        assert state is State.LIFTED
    elif minutes >= 0:
        assert state is State.ENDED
    else:
        assert state is (State.LIFT_PROPOSED if proposed else State.IN_FORCE)
    assert one.in_force(NOON + timedelta(minutes=minutes)) == (state in {State.IN_FORCE, State.LIFT_PROPOSED})
