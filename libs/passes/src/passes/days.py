"""Local days.

The district lives in Asia/Shanghai, which is UTC+8 all year since 1991, so no time zone database is needed.

A local day is a `datetime.date` in Python and a `uint32` of days since 1970-01-01 in messages and hashes.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
DAY_SECONDS: Final = 86_400
_OFFSET_SECONDS: Final = 8 * 3_600
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_MAX_NUMBER: Final = date.max.toordinal() - _EPOCH_ORDINAL


def day_number(day: date) -> int:
    """Days since 1970-01-01; ValueError before it, because the wire type is unsigned."""
    number = day.toordinal() - _EPOCH_ORDINAL
    if number < 0:
        raise ValueError("a day before 1970 has no number")
    return number


def date_of(number: int) -> date:
    """Inverse of `day_number`; ValueError outside what a date can hold."""
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError("day number out of range")
    return date.fromordinal(_EPOCH_ORDINAL + number)


def local_day(instant: datetime) -> date:
    """The local day in which an aware instant lies; ValueError for a naive one, whose day nobody can know."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(ZONE).date()


def number_of_unix(seconds: int) -> int:
    """Day number of the local day in which a Unix time (whole seconds) lies."""
    return (seconds + _OFFSET_SECONDS) // DAY_SECONDS


def start_unix(number: int) -> int:
    """Unix time (seconds) at which the local day with this number begins."""
    return number * DAY_SECONDS - _OFFSET_SECONDS


def bounds(day: date) -> tuple[datetime, datetime]:
    """First instant of the local day and first instant of the next one, both in UTC: the day is start <= t < end."""
    start = datetime.fromtimestamp(start_unix(day_number(day)), UTC)
    return start, start + timedelta(days=1)
