"""The state folder: one device, one log, one process; and what is damaged is never believed."""

import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from daysets.testing import MemoryLog
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.checkpoint.v1.scan_pb2 import VERDICT_ALLOW, OfflineScan
from scanner.journal import Journal, JournalError
from scanner.state import Folder, Saved, StateError, replace_file

pytestmark = pytest.mark.feature("C4")
KEYS = MemoryLog().keys
AT = datetime(2022, 3, 10, 4, tzinfo=UTC)


def item(number, at=AT):
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return OfflineScan(scan_id=bytes([number]) * 8, day=19061, scanned_at=stamp, verdict=VERDICT_ALLOW)


def test_the_first_log_key_is_kept_and_another_is_refused(tmp_path):
    device = uuid4()
    folder = Folder(tmp_path)
    assert folder.pin(device, KEYS) == KEYS
    assert folder.pin(device, None) == KEYS
    with pytest.raises(StateError, match="not the one of the first enrolment"):
        folder.pin(device, MemoryLog(seed=2).keys)
    with pytest.raises(StateError, match="belongs to another device"):
        folder.pin(uuid4(), None)
    folder.release()


def test_without_a_log_key_there_is_no_first_start(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(StateError, match="first start needs"):
        folder.pin(uuid4(), None)
    folder.release()


def test_damaged_trust_is_not_replaced_by_what_is_offered(tmp_path):
    folder, device = Folder(tmp_path), uuid4()
    for damage in (b"", b"[]", b'{"device_id": 3, "log_keys": ["x"]}', b'{"log_keys": []}'):
        (tmp_path / "trust.json").write_bytes(damage)
        with pytest.raises(StateError, match="damaged"):
            folder.pin(device, KEYS)
    folder.release()


def test_a_folder_is_used_by_one_scanner_at_a_time(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(StateError, match="in use"):
        Folder(tmp_path)
    folder.release()
    Folder(tmp_path).release()


def test_what_was_saved_is_loaded(tmp_path):
    folder = Folder(tmp_path)
    saved = Saved(b"keys", b"policy", b"token", AT, timedelta(seconds=-3.5))
    folder.save(saved)
    assert folder.load() == (saved, False)
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    folder.release()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"keys": "?", "policy": ""}', b"\xff\xfe"])
def test_a_damaged_state_counts_as_none_and_is_said(tmp_path, damage):
    folder = Folder(tmp_path)
    assert folder.load() == (Saved(), False)
    (tmp_path / "state.json").write_bytes(damage)
    assert folder.load() == (Saved(), True)
    folder.release()


def test_a_state_with_a_number_out_of_range_counts_as_none(tmp_path):
    folder = Folder(tmp_path)
    folder.save(Saved(current_at=AT))
    text = json.loads((tmp_path / "state.json").read_text()) | {"current_at": 1e300}
    (tmp_path / "state.json").write_text(json.dumps(text))
    assert folder.load() == (Saved(), True)
    folder.release()


def test_a_file_that_cannot_be_written_leaves_the_former_one(tmp_path, monkeypatch):
    path = tmp_path / "x"
    replace_file(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        Folder(tmp_path / "file" / "state")


def test_the_journal_keeps_the_order_and_each_scan_once(tmp_path):
    journal = Journal(tmp_path / "journal.db")
    for number in (3, 1, 2, 1):
        journal.add(item(number))
    assert [scan.scan_id[0] for scan in journal.oldest(10)] == [3, 1, 2]
    journal.settle([bytes([3]) * 8], [(bytes([1]) * 8, "TOO_OLD"), (bytes([9]) * 8, "UNKNOWN")])
    assert journal.counts() == (1, 1)
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert [scan.scan_id[0] for scan in again.oldest(10)] == [2]
    assert [(kept.scan_id[0], kept.reason, kept.scanned_at) for kept in again.aside()] == [(1, "TOO_OLD", AT)]
    again.close()


def test_a_journal_that_is_none_any_more_is_kept_and_a_new_one_begun(tmp_path):
    path = tmp_path / "journal.db"
    for expected in ("journal.db.damaged-1", "journal.db.damaged-2"):
        path.write_bytes(b"not a database at all, but more than a hundred bytes long " * 4)
        journal = Journal(path)
        assert journal.damaged == tmp_path / expected
        assert journal.damaged.read_bytes().startswith(b"not a database")
        journal.add(item(1))
        assert journal.counts() == (1, 0)
        journal.close()


def test_a_journal_that_cannot_be_opened_is_not_taken_for_a_damaged_one(tmp_path):
    path: Path = tmp_path / "journal.db"
    path.mkdir()
    with pytest.raises(JournalError):
        Journal(path)
    assert list(tmp_path.iterdir()) == [path]


def test_every_row_is_on_disk_before_add_returns(tmp_path):
    """The settings that make it so: losing them would lose scans in a power cut and in no test."""
    journal = Journal(tmp_path / "journal.db")
    db: sqlite3.Connection = journal._db
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()
