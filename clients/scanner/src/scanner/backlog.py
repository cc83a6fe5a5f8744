"""What is to be uploaded: on disk in the journal, and in memory what a full disk does not take.

A full disk stops no gate: the verdict is shown, the scan is kept in memory and staff are told. It goes to the server from
there, or to the journal as soon as that takes it.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lilitong.checkpoint.v1.scan_pb2 import OfflineScan

from scanner.journal import Journal, JournalError, Mark
from scanner.shown import Aside, Kept

MOST_IN_MEMORY: Final = 20_000
_EAGER: Final = 50
_PAUSE_S: Final = 1.0


class Backlog:
    """The journal as uploads see it. Only the constructor raises: a gate that is open stays open."""

    def __init__(self, path: Path) -> None:
        """JournalError when the journal cannot be opened for another reason than a full disk."""
        self._path = path
        self._journal: Journal | None = None
        self._unsaved: dict[bytes, tuple[OfflineScan, Mark | None]] = {}
        self._settled: dict[bytes, str | None] = {}
        self._counts = (0, 0)
        self._failed_at = float("-inf")
        self.trouble = ""
        """Why the journal cannot be written right now; empty when it can."""
        self.damaged: Path | None = None
        try:
            self._open()
        except JournalError as error:
            if not error.full:
                raise
            self._fail(error)

    def add(self, scan: OfflineScan, mark: Mark | None = None) -> Kept:
        """Where the scan is when this returns. mark: the reading of the counter, when the scan's time is not confirmed."""
        if len(self._unsaved) >= MOST_IN_MEMORY:
            return Kept.NOWHERE
        self._unsaved[scan.scan_id] = (scan, mark)
        # With many waiting, each person would pay for all of them; `save` is also called once a second.
        if len(self._unsaved) <= _EAGER or time.monotonic() > self._failed_at + _PAUSE_S:
            self.save()
        return Kept.IN_MEMORY if scan.scan_id in self._unsaved else Kept.ON_DISK

    def save(self) -> None:
        """Brings to the journal what it lacks. What fails is tried again at the next call."""
        if not (self._unsaved or self._settled or self.trouble):
            return
        try:
            journal = self._open()
            journal.add_all(self._unsaved.values())
            self._unsaved.clear()
            refused = [(scan_id, reason) for scan_id, reason in self._settled.items() if reason is not None]
            journal.settle((scan_id for scan_id, reason in self._settled.items() if reason is None), refused)
            self._settled.clear()
            self.trouble = ""
        except JournalError as error:
            self._fail(error)

    def oldest(self, limit: int) -> list[OfflineScan]:
        """The first of what the server has not spoken on, in the order in which they were scanned."""
        found: list[OfflineScan] = []
        try:
            found = self._open().oldest(limit + len(self._settled))
        except JournalError as error:
            self._fail(error)
        found += [scan for scan, _ in self._unsaved.values()]
        return [scan for scan in found if scan.scan_id not in self._settled][:limit]

    def settle(self, done: Iterable[bytes], refused: Iterable[tuple[bytes, str]] = ()) -> None:
        """The server has spoken. A disk without room may not forget them; then it is remembered here until it does."""
        self._settled |= dict.fromkeys(done)
        for scan_id, reason in refused:
            self._settled[scan_id] = reason
        for scan_id in [scan_id for scan_id in self._unsaved if self._settled.get(scan_id, "") is None]:
            del self._unsaved[scan_id], self._settled[scan_id]
        self.save()

    def mend(self, boot: str, now: datetime, steady: float) -> None:
        """Gives scans of an unconfirmed clock their true times, now that the time is known; see `Journal.mend`."""
        self.save()
        try:
            self._open().mend(boot, now, steady)
        except JournalError as error:
            self._fail(error)

    def older_than(self, moment: datetime) -> Sequence[bytes]:
        """Ids of what was scanned before that moment and is still to be uploaded."""
        found: list[bytes] = []
        try:
            found += self._open().older_than(moment)
        except JournalError as error:
            self._fail(error)
        found += [key for key, (scan, _) in self._unsaved.items() if scan.scanned_at.ToDatetime(UTC) < moment]
        return [scan_id for scan_id in found if scan_id not in self._settled]

    def counts(self) -> tuple[int, int, int]:
        """How many wait for upload, how many are aside, and how many of the first are in memory only."""
        try:
            self._counts = self._open().counts()
        except JournalError as error:
            self._fail(error)
        queue, aside = self._counts
        return max(queue + len(self._unsaved) - len(self._settled), 0), aside, len(self._unsaved)

    def aside(self) -> list[Aside]:
        """What will never be taken. JournalError when it cannot be read."""
        return self._open().aside()

    def clear_aside(self) -> int:
        """Forgets it; how many. JournalError when the disk does not let it."""
        return self._open().clear_aside()

    def close(self) -> None:
        """A last try to save, then the end."""
        self.save()
        if self._journal is not None:
            self._journal.close()

    def _open(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._path)
            self.damaged = self._journal.damaged or self.damaged
        return self._journal

    def _fail(self, error: JournalError) -> None:
        self._failed_at = time.monotonic()
        self.trouble = str(error)
        if not error.full and self._journal is not None:
            # Opened anew next time. Never on a full disk: what is open needs less room than what is to be opened.
            self._journal.close()
            self._journal = None
