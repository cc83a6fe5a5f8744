"""The arithmetic and the material of V-IMPORT."""

import csv
import io

import pytest
from bench.cpu import Used
from bench.v_import import ROWS, TITLES, Pair, WrongImportError, check, figures, file, rows_of
from venue.register.imports.job import ROWS_AT_ONCE
from venue.register.imports.layout import header
from venue.register.imports.rows import Reader, Row

pytestmark = pytest.mark.feature("V1")


def pair(seconds, bare):
    return Pair(seconds, bare, Used(seconds, {"venue": seconds / 2, "postgres": 1.0}, seconds, 2))


def test_the_seconds_carry_the_goal_and_the_ratio_is_of_rows_a_second():
    seconds, rate, ratio = figures([pair(10.0, 5.0), pair(61.0, 5.0), pair(20.0, 5.0)], ROWS)
    assert (seconds.value, seconds.met, str(seconds.goal)) == (20.0, True, "≤ 60")
    assert (rate.value, ratio.value, ratio.goal) == (2500.0, 0.25, None)
    assert (seconds.met, figures([pair(60.1, 5.0)] * 3, ROWS)[0].met) == (True, False)


def test_both_sides_write_the_same_venues_and_no_two_runs_do():
    rows = [*csv.reader(io.StringIO(file(1, 40).decode("gb18030")))]
    reader = Reader(
        header([title.encode() for title in rows[0]], "utf-8", b","), "141102", "", rows_of(1, 1)[0].venue_id
    )
    read = [reader.read([cell.encode() for cell in row], line) for line, row in enumerate(rows[1:], 2)]
    assert rows[0] == list(TITLES)
    assert all(isinstance(each, Row) for each in read), read
    for row, bare in zip(read, rows_of(1, 40), strict=True):
        for name in ("name", "category", "area", "address", "zones", "operators", "particulars"):
            assert getattr(row.venue, name) == getattr(bare, name)
    assert not {venue.name for venue in rows_of(1, 40)} & {venue.name for venue in rows_of(2, 40)}
    assert len({venue.venue_id for venue in rows_of(1, 2 * ROWS_AT_ONCE)}) == 2 * ROWS_AT_ONCE


@pytest.mark.parametrize("wrong", [{"state": "failed"}, {"created": 9}, {"rejected": 1}, {"rows_read": 11}])
def test_an_import_that_is_not_whole_is_no_figure(wrong):
    job = {"state": "done", "rows_read": 10, "created": 10, "rejected": 0}
    check(job, 10)
    with pytest.raises(WrongImportError):
        check(job | wrong, 10)
