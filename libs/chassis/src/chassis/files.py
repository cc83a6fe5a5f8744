"""Files that change while they are used: certificates, keys and tokens, as operators write them and Kubernetes swaps them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at a file: a stat costs a microsecond, and a renewal is in force soon enough."""

Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp:
    """What changes when a file does, through links too. Raises OSError."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


class Pace:
    """Tells when it is time for the next look: now, and then once in `LOOK_EVERY`."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next = float("-inf")

    def due(self) -> bool:
        now = self._monotonic()
        if now < self._next:
            return False
        self._next = now + LOOK_EVERY
        return True


class Watch:
    """Tells when one of some files changed, looked at once a second at most; a file that is away for a moment is no change.

    `read`: they were read just now; else the first look finds them changed.
    """

    def __init__(
        self, files: Sequence[Path], *, read: bool = True, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = tuple(files)
        self._pace = Pace(monotonic=monotonic)
        self._seen = self._stamps() if read and self._pace.due() else None

    def changed(self) -> bool:
        """Whether they are others than when this was last true or, before, at the start."""
        if not self._pace.due():
            return False
        found = self._stamps()
        if found is None or found == self._seen:
            return False
        self._seen = found
        return True

    def again(self) -> None:
        """What was found could not be used: it counts as a change still, for the next look."""
        self._seen = None

    def _stamps(self) -> tuple[Stamp, ...] | None:
        try:
            return tuple(stamp(file) for file in self._files)
        except OSError:
            return None
