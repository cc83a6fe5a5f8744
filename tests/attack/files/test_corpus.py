"""The corpus of hostile files through the gateway: nobody goes down, no half of a row is stored, and every refusal says where and why.

The gateway, the venue service and Postgres are processes of their own; their peaks of memory are printed and bounded.
"""

import csv
import re

import pytest
from register import files
from register.hostile import CORPUS
from venue.register.imports.texts import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.feature("V1", "R9", "X8"), pytest.mark.timeout(240)]
LIVE = set("=+-@|%\t\r\n＝＋－＠")
FAILURE = re.compile(
    r"(EMPTY|ENCODING_UNKNOWN|ENCODING_UTF_16|NOT_A_TEXT|TOO_MANY_LINES|TOO_MANY_ROWS|COLUMN_MISSING: \w+ \(\w+\)|COLUMN_TWICE: \w+"
    r"|ROW_TOO_LONG|TOO_MANY_COLUMNS|QUOTE_NOT_CLOSED|QUOTE_MISPLACED)"
)
OF_THE_ROW = {
    "ROW_TOO_LONG", "TOO_MANY_COLUMNS", "QUOTE_NOT_CLOSED", "QUOTE_MISPLACED", "MORE_FIELDS_THAN_COLUMNS", "ROW_CUT_OFF",
    "REGISTERED_DIFFERENTLY",
}  # fmt: skip
"""Reasons for which no single column stands."""
FAITHFUL = ("cut", "quotes", "long", "line ends")
"""Groups that leave cells as they are: a shop of that number is stored with all that its row says."""


async def judge(office, upload, stored):
    """The answer is a clear one, the report complete and inert, and what is stored is what was counted, whole."""
    job = upload.job
    if upload.status != 202:
        assert (upload.status, upload.body["reason"]) in {(400, "IMPORT_EMPTY"), (413, "BODY_TOO_LARGE")}, upload
        assert (job["state"], job["rows_read"]) == ("receiving", 0)
    assert (job["state"] == "failed") == bool(job["failure"]), upload
    if job["failure"]:
        assert FAILURE.fullmatch(job["failure"]), upload
        assert job["failure_line"] > 0 or not job["failure"].startswith(("COLUMN", "ROW", "QUOTE", "TOO_MANY_ROWS")), (
            upload
        )
    rejected, line_before = 0, 0
    async for line in office.report(job["import_id"]):
        ((number, column, reason, excerpt, *said),) = csv.reader([line])
        assert int(number) >= max(line_before, 2), (upload.name, line)
        rejected += int(number) != line_before
        line_before = int(number)
        assert re.fullmatch("[A-Z_]+", reason), (upload.name, line)
        assert tuple(said) == ROWS[reason], (upload.name, line)
        assert column or reason in OF_THE_ROW, (upload.name, line)
        assert len(excerpt) <= 62, (upload.name, line)
        for cell in (column, reason, excerpt):
            assert cell.lstrip(" \u3000\"'")[:1] not in LIVE or cell.startswith("'"), (upload.name, line)
    assert rejected == job["rejected"], upload.name
    assert len(stored) == job["created"], upload.name
    for row in stored:
        assert row["zones"] == row["codes"] > 0, (upload.name, row)
        assert row["owner"] is not None, (upload.name, row)
        assert row["name"], (upload.name, row)
        assert row["address"], (upload.name, row)
        assert row["area"].startswith("141102"), (upload.name, row)


def whole(row):
    """A shop of the good rows has every cell of its row, but for the last, in which a file may have broken off."""
    found = re.fullmatch(r"店铺(\d+)号", row["name"])
    assert found, row
    said = files.row(int(found[1]))
    names = ("name", "area", "address", "zone", "owner", "responsible_person", "licence")
    assert [row[name] for name in names] == [said[0], *said[2:5], *said[6:9]], row
    assert (row["category"], row["capacity"]) == (6, 80)
    assert all(said[9].startswith(account) for account in row["operators"])


@pytest.mark.parametrize("group", CORPUS)
@pytest.mark.case("bad input")
async def test_no_file_takes_a_service_down_or_leaves_half_a_row(office, group):
    uploads = await office.send_all(CORPUS[group])
    stored = await office.venues([upload.drill_id for upload in uploads])
    for upload in uploads:
        await judge(office, upload, [row for row in stored if row["drill_id"] == upload.drill_id])
    if group in FAITHFUL:
        for row in stored:
            whole(row)
    states = [upload.job["state"] for upload in uploads]
    print(
        f"\n{group}: {len(uploads)} files, {states.count('done')} read, {states.count('failed')} refused as a whole, ",
        end="",
    )
    print(f"{sum(upload.job['rejected'] for upload in uploads):,} rows rejected, {len(stored)} venues")
    await office.unharmed()
    good = await office.send("good", iter([files.many(20).encode("gb18030")]))
    assert (good.job["state"], good.job["created"], good.job["rejected"]) == ("done", 20, 0)
