"""Time at a gate: the machine's clock, corrected by what the server says."""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

JUMP: Final = timedelta(seconds=2)
"""Beyond this, two estimates are not the same clock read at different delays."""
_SAMPLES: Final = 8
_AGREEING: Final = 3
_NONE: Final = timedelta()


class Clock(Protocol):
    """What the time is, aware, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class CorrectedClock:
    """A base clock plus the offset that the server's times imply.

    A time that the server said was true when it said it, so `server time − time of arrival` is never more than the
    true offset, and less by the delay on the way. The largest of the recent samples is therefore the best. An answer
    to a call of ours also bounds the offset from above, by the time when we asked.
    """

    def __init__(self, base: Clock, offset: timedelta = _NONE) -> None:
        self._base, self.offset = base, offset
        self._samples: deque[timedelta] = deque(maxlen=_SAMPLES)
        self._lower = 0
        self.synced = False

    def now(self) -> datetime:
        """The corrected time."""
        return self._base.now() + self.offset

    def machine(self) -> datetime:
        """The base clock's own time, to be handed to `hear` as `asked`."""
        return self._base.now()

    def hear(self, server_time: datetime, *, asked: datetime | None = None) -> None:
        """Take in a server's time that has just arrived. `asked`: `machine()` when the call began, if there was one.

        A message that lay in a buffer looks as if the clocks had drifted apart; such a step backwards is believed
        only when an answer confirms it, or three messages in a row do.
        """
        sample = server_time - self._base.now()
        above = None if asked is None else server_time - asked
        if not self.synced or (above is not None and self.offset > above + JUMP) or sample > self.offset + JUMP:
            self._restart(sample)
        elif sample < self.offset - JUMP:
            self._lower += 1
            if self._lower >= _AGREEING:
                self._restart(sample)
            return
        self._lower = 0
        self._samples.append(sample)
        self.offset = max(self._samples)

    def _restart(self, sample: timedelta) -> None:
        self._samples.clear()
        self._lower, self.offset, self.synced = 0, sample, True
