"""What is counted of a plan, and which searches are compared."""

from datetime import date, timedelta
from itertools import islice

import pytest
from bench.cold import drop_cached
from bench.loaded import offset
from bench.p6_growth import alike
from bench.searching import cost, searches
from bench.visits import tag_of
from passes.days import local_day

pytestmark = pytest.mark.feature("P5", "P6")
DAY = date(2022, 3, 10)


def plan(*scans):
    return {
        "Execution Time": 1.5,
        "Plan": {
            "Node Type": "Nested Loop",
            "Actual Loops": 1,
            "Actual Rows": 5,
            "Shared Hit Blocks": 7,
            "Shared Read Blocks": 3,
            "Plans": [{"Node Type": "Append", "Actual Loops": 1, "Actual Rows": 5, "Plans": list(scans)}],
        },
    }


def scan(kind="Index Only Scan", loops=1, rows=0, **more):
    return {"Node Type": kind, "Actual Loops": loops, "Actual Rows": rows, "Relation Name": "visits_20220310"} | more


def test_rows_that_a_filter_or_a_recheck_removes_were_touched_in_each_loop():
    removed = {"Rows Removed by Filter": 2, "Rows Removed by Index Recheck": 1, "Heap Fetches": 4}
    found = cost(plan(scan(loops=3, rows=10, **removed), scan(loops=0, rows=0)))
    assert found.rows == 3 * 13
    assert (found.heap, found.hit, found.read, found.milliseconds) == (4, 7, 3, 1.5)


def test_an_index_scan_that_reads_the_table_is_told():
    assert cost(plan(scan("Index Scan", loops=2, rows=5))).heap == 10


def test_a_table_that_is_read_as_a_whole_is_no_figure():
    assert cost(plan(scan("Seq Scan", loops=0))).rows == 0
    with pytest.raises(ValueError, match="whole table"):
        cost(plan(scan("Seq Scan", loops=1, rows=9)))


def test_index_persons_are_of_the_days_and_the_same_every_time():
    days = [DAY, DAY + timedelta(days=1)]
    first = list(islice(searches("a", days, 50), 30))
    assert [each.tag for each in first] == [each.tag for each in islice(searches("a", days, 50), 30)]
    assert {each.day for each in first} == set(days)
    assert all(each.tag in {tag_of(each.day, person) for person in range(1, 51)} for each in first)


def test_only_searches_that_find_equally_many_are_compared_each_once():
    small = [(100, "a"), (40, "b"), (400, "c")]
    full = [(103, "x"), (44, "y"), (99, "z"), (100, "w")]
    assert alike(small, full) == [((100, "a"), (100, "w"))]
    assert alike(small, [*full, (42, "v")])[1] == ((40, "b"), (42, "v"))
    assert alike(small, []) == []


def test_no_local_day_ends_during_the_measurement(clock):
    for minutes in range(0, 24 * 60, 10):
        now = clock.now() + timedelta(minutes=minutes)
        moved = now + offset(now)
        assert local_day(moved) == local_day(moved + timedelta(hours=1, minutes=59))


def test_dropping_cached_pages_changes_no_file(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "file")
    assert drop_cached(tmp_path) == 10_000
    assert (tmp_path / "deep" / "file").read_bytes() == b"x" * 10_000
