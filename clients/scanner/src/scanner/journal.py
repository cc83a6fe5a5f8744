"""Scans that the server has not acknowledged, on disk before anybody sees their verdict.

SQLite, with a sync at every commit: a row is there after kill -9 and after a power cut, or its scan was never shown.
Rows hold tags of a day, never passes, cards or anything that was scanned.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lilitong.checkpoint.v1.scan_pb2 import OfflineScan
from passes.days import day_number, local_day

from scanner.shown import Aside

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT, scan_id BLOB NOT NULL UNIQUE, scanned_at REAL NOT NULL, scan BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS aside (
    position INTEGER PRIMARY KEY, scan_id BLOB NOT NULL UNIQUE, scanned_at REAL NOT NULL, scan BLOB NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS unsure (scan_id BLOB PRIMARY KEY, boot TEXT NOT NULL, steady REAL NOT NULL);
"""
_NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class JournalError(Exception):
    """The journal cannot be written or read; the text names the cause. full: the disk has no room, or fails."""

    def __init__(self, text: str, *, full: bool = False) -> None:
        super().__init__(text)
        self.full = full


@dataclass(frozen=True, slots=True)
class Mark:
    """When a scan was made, by the counter of one start of the machine, because no server had confirmed the time."""

    boot: str
    steady: float


class Journal:
    """The queue, and what is kept aside. One process at a time."""

    def __init__(self, path: Path, *, look: bool = False) -> None:
        """Opens or makes the file. A file that is no journal any more is kept under another name: `damaged` is set.

        look: nothing is made or written; see `reading`.
        """
        self._path = path
        self.damaged: Path | None = None
        with _errors():
            if look:
                self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
                return
            try:
                self._db = _open(path)
            except sqlite3.OperationalError:
                raise  # no room, no rights: nothing is wrong with the file
            except sqlite3.DatabaseError:
                self.damaged = _put_away(path)
                self._db = _open(path)

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator["Journal"]:
        """To look only, also beside the scanner that writes it. JournalError when there is none, or it cannot be read."""
        found = cls(path, look=True)
        try:
            yield found
        finally:
            found.close()

    def add(self, scan: OfflineScan, mark: Mark | None = None) -> None:
        """Returns when the scan is on disk. JournalError when it cannot be."""
        self.add_all([(scan, mark)])

    def add_all(self, scans: Iterable[tuple[OfflineScan, Mark | None]]) -> None:
        """As `add`, all or none of them."""
        with _errors(), self._db:
            for scan, mark in scans:
                row = (scan.scan_id, scan.scanned_at.ToDatetime(UTC).timestamp(), scan.SerializeToString())
                self._db.execute("INSERT OR IGNORE INTO queue (scan_id, scanned_at, scan) VALUES (?, ?, ?)", row)
                if mark is not None:
                    values = (scan.scan_id, mark.boot, mark.steady)
                    self._db.execute("INSERT OR IGNORE INTO unsure VALUES (?, ?, ?)", values)

    def oldest(self, limit: int) -> list[OfflineScan]:
        """The first `limit` of the queue, in the order in which they were scanned."""
        rows = self._read("SELECT scan FROM queue ORDER BY position LIMIT ?", limit)
        return [OfflineScan.FromString(scan) for (scan,) in rows]

    def settle(self, done: Iterable[bytes], refused: Iterable[tuple[bytes, str]] = ()) -> None:
        """Scans that the server has leave the queue; refused ones (scan id, reason) move aside. One transaction."""
        with _errors(), self._db:
            for scan_id, reason in refused:
                self._db.execute(
                    "INSERT OR IGNORE INTO aside SELECT position, scan_id, scanned_at, scan, ? FROM queue"
                    " WHERE scan_id = ?",
                    (reason, scan_id),
                )
                self._db.execute("DELETE FROM queue WHERE scan_id = ?", (scan_id,))
            self._db.executemany("DELETE FROM queue WHERE scan_id = ?", [(scan_id,) for scan_id in done])

    def mend(self, boot: str, now: datetime, steady: float) -> int:
        """True times for scans that were marked, now that `now` is known to be true at the counter's `steady`; how many.

        Marks of another start of the machine tell nothing, and are dropped. A scan that turns out to be of another day
        loses its tags, as it would have under the true time: see `wire.offline_scan`.
        """
        with _errors(), self._db:
            query = "SELECT queue.scan_id, scan, steady FROM queue JOIN unsure USING (scan_id) WHERE boot = ?"
            mended = 0
            for scan_id, encoded, at in self._db.execute(query, (boot,)).fetchall():
                scan, moment = OfflineScan.FromString(encoded), now - timedelta(seconds=steady - at)
                day = day_number(local_day(moment))
                if scan.day != day:
                    scan.day, scan.static_card = day, False
                    del scan.tags[:]
                scan.scanned_at.FromDatetime(moment)
                values = (moment.timestamp(), scan.SerializeToString(), scan_id)
                mended += self._db.execute(
                    "UPDATE queue SET scanned_at = ?, scan = ? WHERE scan_id = ?", values
                ).rowcount
            self._db.execute("DELETE FROM unsure")
        return mended

    def older_than(self, moment: datetime) -> Sequence[bytes]:
        """Scan ids in the queue from before that moment."""
        rows = self._read("SELECT scan_id FROM queue WHERE scanned_at < ?", moment.timestamp())
        return [scan_id for (scan_id,) in rows]

    def counts(self) -> tuple[int, int]:
        """How many are queued, how many aside."""
        ((queue, aside),) = self._read("SELECT (SELECT count(*) FROM queue), (SELECT count(*) FROM aside)")
        return int(queue), int(aside)

    def aside(self) -> list[Aside]:
        """What will never be taken, oldest first."""
        rows = self._read("SELECT scan_id, scanned_at, reason FROM aside ORDER BY position")
        return [Aside(scan_id, datetime.fromtimestamp(at, UTC), reason) for scan_id, at, reason in rows]

    def clear_aside(self) -> int:
        """Forgets what is aside, at the wish of staff; returns how many."""
        with _errors(), self._db:
            return self._db.execute("DELETE FROM aside").rowcount

    def close(self) -> None:
        with suppress(sqlite3.Error):  # what a full disk does not let it tidy up is tidied up when it is opened again
            self._db.close()

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _errors():
            return self._db.execute(query, values).fetchall()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) or 0
        raise JournalError(str(error), full=code & 0xFF in _NO_ROOM) from None


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_TABLES)
        healthy = db.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except BaseException:
        db.close()
        raise
    if not healthy:
        db.close()
        raise sqlite3.DatabaseError("the file's pages contradict each other")
    return db


def _put_away(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(kept.with_name(kept.name + suffix))
    return kept
