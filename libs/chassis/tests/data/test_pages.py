"""Page tokens come back as they went, and nothing else is taken for one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from chassis import pages
from chassis.errors import DomainError, Kind
from chassis.pages import Cursor, TimeCursor
from hypothesis import given
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
times = st.datetimes(EPOCH.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC))


@given(st.integers(0, (1 << 62) - 1), st.uuids())
def test_a_cursor_comes_back_from_its_token(number, identity):
    cursor = Cursor(number, identity)
    assert pages.after(Cursor, pages.token(cursor)) == cursor


@given(times, st.uuids())
def test_a_time_comes_back_to_the_microsecond(at, identity):
    cursor = TimeCursor(at, identity)
    assert pages.after(TimeCursor, pages.token(cursor)) == cursor


def test_the_first_page_has_no_token_and_the_last_gives_none():
    assert pages.after(Cursor, "") is None
    assert pages.token(None) == ""


@pytest.mark.parametrize("kind", [Cursor, TimeCursor])
@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1",
        ".",
        "1." + "0" * 31,
        "-1." + "0" * 32,
        f"{1 << 62}." + "0" * 32,
        "١." + "0" * 32,
        "1." + "G" * 32,
        "1.\x00",
    ],
)
def test_what_is_no_token_is_refused_by_its_field(kind, text):
    with pytest.raises(DomainError) as caught:
        pages.after(kind, text)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "PAGE_TOKEN_INVALID")
    assert caught.value.fields.keys() == {"page_token"}


def test_a_time_beyond_the_calendar_is_refused():
    beyond = (END - EPOCH) // timedelta(microseconds=1) + 1
    with pytest.raises(DomainError):
        pages.after(TimeCursor, Cursor(beyond, UUID(int=1)).encode())
