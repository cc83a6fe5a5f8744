"""Scans that the server has not acknowledged, on disk before anybody sees their verdict.

SQLite, with a sync at every commit: a row is there after kill -9 and after a power cut, or its scan was never shown.
Rows hold tags of a day, never passes, cards or anything that was scanned.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lilitong.checkpoint.v1.scan_pb2 import OfflineScan

from scanner.shown import Aside

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT, scan_id BLOB NOT NULL UNIQUE, scanned_at REAL NOT NULL, scan BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS aside (
    position INTEGER PRIMARY KEY, scan_id BLOB NOT NULL UNIQUE, scanned_at REAL NOT NULL, scan BLOB NOT NULL,
    reason TEXT NOT NULL
);
"""


class JournalError(Exception):
    """The journal cannot be written or read; the text names the cause."""


class Journal:
    """The queue, and what is kept aside. One process at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. A file that is no journal any more is kept under another name: `damaged` is set."""
        self._path = path
        self.damaged: Path | None = None
        with _errors():
            try:
                self._db = _open(path)
            except sqlite3.OperationalError:
                raise  # no room, no rights: nothing is wrong with the file
            except sqlite3.DatabaseError:
                self.damaged = _put_away(path)
                self._db = _open(path)

    def add(self, scan: OfflineScan) -> None:
        """Returns when the scan is on disk. JournalError when it cannot be."""
        row = (scan.scan_id, scan.scanned_at.ToDatetime(UTC).timestamp(), scan.SerializeToString())
        with _errors(), self._db:
            self._db.execute("INSERT OR IGNORE INTO queue (scan_id, scanned_at, scan) VALUES (?, ?, ?)", row)

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
        self._db.close()

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _errors():
            return self._db.execute(query, values).fetchall()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise JournalError(str(error)) from None


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
