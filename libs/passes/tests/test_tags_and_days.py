from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from passes import days, tags

block = st.binary(min_size=16, max_size=16)


def test_a_tag_is_one_aes_128_block_of_the_person_id():
    """The example of FIPS 197, appendix C.1."""
    key = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    person = bytes.fromhex("00112233445566778899aabbccddeeff")

    assert bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a") == tags.tag(key, person)


@given(key=block, people=st.lists(block, max_size=30))
def test_the_holder_of_the_key_gets_every_person_back_in_order(key, people):
    day_tags = tags.tags_of(key, people)

    assert people == tags.people_of(key, day_tags)
    assert day_tags == [tags.tag(key, person) for person in people]
    assert people == [tags.person_of(key, each) for each in day_tags]


@given(first=block, second=block, person=block)
def test_another_day_gives_another_tag(first, second, person):
    assert (first == second) == (tags.tag(first, person) == tags.tag(second, person))


@pytest.mark.parametrize(("key", "person"), [(b"k" * 15, b"p" * 16), (b"k" * 32, b"p" * 16), (b"k" * 16, b"p" * 15)])
def test_other_sizes_are_refused(key, person):
    with pytest.raises(ValueError, match="16 bytes"):
        tags.tag(key, person)


def test_two_wrong_sizes_do_not_make_a_right_one():
    with pytest.raises(ValueError, match="16 bytes"):
        tags.tags_of(b"k" * 16, [b"p" * 15, b"p" * 17])


@given(st.dates(min_value=date(1970, 1, 1)))
def test_day_numbers_go_both_ways(day):
    assert day == days.date_of(days.day_number(day))


def test_numbers_outside_the_calendar_are_refused():
    for number in (-1, days.day_number(date.max) + 1, 2**32 - 1):
        with pytest.raises(ValueError, match="out of range"):
            days.date_of(number)
    with pytest.raises(ValueError, match="before 1970"):
        days.day_number(date(1969, 12, 31))


def test_the_local_day_turns_at_sixteen_hundred_utc():
    assert date(2022, 3, 15) == days.local_day(datetime(2022, 3, 15, 15, 59, 59, tzinfo=UTC))
    assert date(2022, 3, 16) == days.local_day(datetime(2022, 3, 15, 16, 0, tzinfo=UTC))


def test_a_naive_instant_has_no_local_day():
    with pytest.raises(ValueError, match="time zone"):
        days.local_day(datetime(2022, 3, 15, 12))  # noqa: DTZ001 - the point of the test


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_unix_seconds_and_instants_agree_on_the_day(seconds):
    instant = datetime.fromtimestamp(seconds, UTC)

    assert days.day_number(days.local_day(instant)) == days.number_of_unix(seconds)
    start, end = days.bounds(days.local_day(instant)) if seconds >= 0 else (instant, instant)
    assert start <= instant < end
    assert timedelta(days=1) == end - start
    assert start.timestamp() == days.start_unix(days.number_of_unix(seconds))
