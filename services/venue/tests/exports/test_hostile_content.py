"""What the hostile files bring into the register is exported, and opened as a spreadsheet opens it: no cell of it lives."""

import csv
import io

import openpyxl
import pytest
from venue.exports.rpc import ExportServicer

from ..register import files  # noqa: TID252 - tests are in no package that has a name
from ..register.conftest import office as importing  # noqa: F401, TID252 - a fixture
from ..register.hostile_cells import FORMULAS, LETTERS  # noqa: TID252
from .test_exports import CSV, VENUES, XLSX, Office

pytestmark = [pytest.mark.connected, pytest.mark.feature("X8"), pytest.mark.feature("S6"), pytest.mark.feature("V1")]
TITLES = ("场所名称", "详细地址", "经营者", "负责人")
LIVE = tuple("=+-@|%\t\r＝＋－＠")
HIDING = ' \u3000\u00a0\ufeff\u200b"\n'


def hostile_rows():
    """Each value in each of the cells that are exported as they are; those that no row may have are left out by the import."""
    every = [
        (title, value)
        for title in TITLES
        for value in (*FORMULAS, *LETTERS)
        if value.isprintable() or value[0] in "\t\r"
    ]
    return [files.row(number, **{title: value}) for number, (title, value) in enumerate(every)]


@pytest.mark.case("bad input")
@pytest.mark.parametrize("form", [CSV, XLSX])
async def test_no_cell_that_came_in_by_a_hostile_file_lives_in_an_export(importing, house, form):  # noqa: F811
    rows = hostile_rows()
    job = await importing.run(files.text(rows))
    assert job.created > len(rows) / 2
    export, data = await Office(house, ExportServicer(house.pool, house.clock)).export(VENUES, form)
    assert export.rows == job.created
    formulas = await house.owner.fetchval("SELECT count(*) FROM venues WHERE name ~ '^[=+@|%-]'")
    assert formulas >= 5, "there is something to be afraid of"
    if form == CSV:
        found = [cell for line in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) for cell in line]
        live = [cell for cell in found if cell.lstrip(HIDING).startswith(LIVE) or (cell[:1] in "\t\r\n" and cell)]
        assert any(cell.startswith("'=") for cell in found)
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(data)).active
        cells = [cell for row in sheet.iter_rows() for cell in row]
        live = [cell.coordinate for cell in cells if cell.data_type in ("f", "e") or cell.hyperlink]
        assert sum(str(cell.value).startswith(LIVE) for cell in cells) >= formulas
    assert live == []
