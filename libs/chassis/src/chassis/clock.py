"""Time, injected. Code asks a clock; only edges know the district's zone."""

import contextlib
import json
import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

DISTRICT_ZONE: Final = ZoneInfo("Asia/Shanghai")
REREAD_SECONDS: Final = 0.1


class Clock(Protocol):
    """What the time is, aware, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, step: timedelta) -> None:
        self._now += step

    def set(self, instant: datetime) -> None:
        self._now = instant.astimezone(UTC)


class OffsetFileClock:
    """The machine's clock plus the seconds that a small JSON file states: `{"offset_seconds": -3600}`.

    For demonstrations and tests that move time for several processes at once; settings allow it outside production only.
    A missing or half-written file leaves the last offset in force.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = timedelta()
        self._read_at = -REREAD_SECONDS

    def now(self) -> datetime:
        if (mark := time.monotonic()) - self._read_at >= REREAD_SECONDS:
            self._read_at = mark
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
                self._offset = timedelta(seconds=float(json.loads(self._path.read_text())["offset_seconds"]))
        return datetime.now(UTC) + self._offset


def local_day(instant: datetime) -> date:
    """The district's calendar day of an instant."""
    return instant.astimezone(DISTRICT_ZONE).date()


def day_start(day: date) -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime.combine(day, time_of_day(), DISTRICT_ZONE).astimezone(UTC)
