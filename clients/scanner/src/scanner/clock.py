"""Time at a gate: the machine's clock, held to an even pace by a counter and corrected by what the server says."""

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

JUMP: Final = timedelta(seconds=2)
"""Beyond this, two estimates are not the same clock read at different delays."""
SET_BACK: Final = timedelta(minutes=2)
"""A clock further than this behind the last time known from the server was set back; no age can be told by it."""
SET: Final = timedelta(seconds=5)
"""A machine's clock that strays further than this from the counter was set by somebody: counters drift less in days."""
_SAMPLES: Final = 8
_AGREEING: Final = 3
_NONE: Final = timedelta()
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What the time is, aware, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def counter() -> float:
    """Seconds since the machine was started, sleep included. Nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot() -> str:
    """Which start of the machine `counter` counts from; empty where the system does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class CorrectedClock:
    """A base clock plus the offset that the server's times imply.

    A time that the server said was true when it said it, so `server time − time of arrival` is never more than the
    true offset, and less by the delay on the way. The largest of the recent samples is therefore the best. An answer
    to a call of ours also bounds the offset from above, by the time when we asked.

    With a counter, the base clock is read once and time then goes on by the counter, so that whoever sets the base
    clock moves nothing here. The one exception is a clock that began at a time which is known to be past (a dead
    battery) and was not confirmed by a server: setting that one is believed.
    """

    def __init__(
        self,
        base: Clock,
        offset: timedelta = _NONE,
        *,
        steady: Callable[[], float] | None = None,
        known: datetime | None = None,
        confirmed: bool = False,
    ) -> None:
        """steady: seconds of a counter; None: time passes as the base clock says. known: a time that is certainly past.

        confirmed: the offset rests on a server's word of this boot.
        """
        self._base, self.offset, self._steady = base, offset, steady
        self._origin, self._started = base.now(), steady() if steady else 0.0
        self.known, self.confirmed = known, confirmed
        self._samples: deque[timedelta] = deque(maxlen=_SAMPLES)
        self._lower, self._told = 0, _NONE
        self.synced = False

    def now(self) -> datetime:
        """The corrected time."""
        found = self.machine() + self.offset
        if not self.confirmed and self._is_past(found) and abs(self._drift()) > SET:
            self._origin, self._started = self._base.now(), self.steady()
            self.offset, found = _NONE, self._origin
        return found

    def machine(self) -> datetime:
        """The base clock's time as the counter carries it on, to be handed to `hear` as `asked`."""
        if self._steady is None:
            return self._base.now()
        return self._origin + timedelta(seconds=self._steady() - self._started)

    @property
    def counted(self) -> bool:
        """Whether there is a counter."""
        return self._steady is not None

    def steady(self) -> float:
        """The counter's reading; 0 without one."""
        return self._steady() if self._steady else 0.0

    @property
    def correction(self) -> timedelta:
        """What has to be added to the machine's own clock as it is now. This is what is worth keeping for the next run."""
        return self.offset - self._drift()

    @property
    def jump(self) -> timedelta:
        """How far the machine's clock was set since the server was last heard (or the start); nothing below SET."""
        found = self._drift() - self._told
        return found if abs(found) > SET else _NONE

    @property
    def doubtful(self) -> bool:
        """No server has confirmed the time since the machine was started, and it cannot be right or was set meanwhile."""
        return not self.confirmed and (self._is_past(self.now()) or self.jump != _NONE)

    def hear(self, server_time: datetime, *, asked: datetime | None = None) -> None:
        """Take in a server's time that has just arrived. `asked`: `machine()` when the call began, if there was one.

        A message that lay in a buffer looks as if the clocks had drifted apart; such a step backwards is believed
        only when an answer confirms it, or three messages in a row do.
        """
        sample = server_time - self.machine()
        above = None if asked is None else server_time - asked
        if not self.synced or (above is not None and self.offset > above + JUMP) or sample > self.offset + JUMP:
            self._restart(sample)
        elif sample < self.offset - JUMP:
            self._lower += 1
            if self._lower >= _AGREEING:
                self._restart(sample)
            return
        self._lower, self._told = 0, self._drift()
        self._samples.append(sample)
        self.offset = max(self._samples)

    def _drift(self) -> timedelta:
        """How far the base clock is from where the counter would have it."""
        return self._base.now() - self.machine() if self._steady else _NONE

    def _is_past(self, moment: datetime) -> bool:
        return self.known is not None and moment < self.known - SET_BACK

    def _restart(self, sample: timedelta) -> None:
        self._samples.clear()
        self._lower, self.offset, self.synced, self.confirmed = 0, sample, True, True
