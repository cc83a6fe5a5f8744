from datetime import UTC, date, datetime

import pytest
from daysets import persistence
from daysets.index import DaySetIndex
from daysets.persistence import Loaded
from daysets.segment import Entry

DAY = date(2022, 3, 14)
NOON = datetime(2022, 3, 14, 4, tzinfo=UTC)
pytestmark = pytest.mark.feature("C4")


@pytest.fixture
def saved(log, index, tmp_path):
    for number in (1, 2, 3):
        index.apply(log.segment(number, [Entry(bytes([number]) * 16, 1, bytes(8))]))
    persistence.save(index, tmp_path / "list")
    return tmp_path / "list"


def fresh(log):
    return DaySetIndex(lambda: log.keys)


def test_a_saved_list_is_the_same_when_loaded(log, index, saved):
    other = fresh(log)
    assert persistence.load(other, saved) == Loaded(applied=3, refused=0, damaged=False)
    assert list(other.segments()) == list(index.segments())
    assert other.token() == index.token()


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(log, index, saved):
    index.apply(log.segment(4))
    persistence.save(index, saved)
    assert [path.name for path in saved.parent.iterdir()] == ["list"]
    assert persistence.load(fresh(log), saved).applied == 4


def test_a_failed_save_leaves_the_old_file_whole(index, saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(persistence.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        persistence.save(index, saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["list"]


def test_every_cut_of_the_file_is_noticed_and_its_whole_segments_are_used(log, saved):
    data = saved.read_bytes()
    for length in range(len(data)):
        saved.write_bytes(data[:length])
        loaded = persistence.load(fresh(log), saved)
        assert loaded.refused == 0
        assert loaded.applied < 3
        assert loaded.damaged


def test_no_altered_byte_of_the_file_yields_a_false_hit(log, index, saved):
    data = saved.read_bytes()
    genuine = set(index.segments())
    for at in range(len(data)):
        saved.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        other = fresh(log)
        loaded = persistence.load(other, saved)
        assert set(other.segments()) <= genuine
        assert loaded.damaged or loaded.applied < 3


def test_a_list_saved_under_a_key_no_longer_trusted_is_in_doubt_and_denies_nobody(saved):
    other = DaySetIndex(list)
    assert persistence.load(other, saved).refused == 3
    assert other.lookup(DAY, "", b"\x01" * 16, NOON) is None
    assert other.doubt(DAY, "", b"\x01" * 16) is not None


def test_no_file_is_an_empty_list(log, tmp_path):
    assert persistence.load(fresh(log), tmp_path / "none") == Loaded(0, 0, damaged=False)
