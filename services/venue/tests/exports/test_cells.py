"""No cell of a file is computed by whoever opens it."""

import csv
import io

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue.cells import inert, is_live
from venue.exports.files import open_writer
from venue.exports.model import Format

pytestmark = [pytest.mark.feature("X8"), pytest.mark.feature("S6")]

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1", " =1+1", "  @x", "　=1", "＝1+1", "＋1", "－1", "＠x",
    '=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0", "|x", "%0A=1", "'=1", '"=1"', "\ufeff=1", "\u200b=1", "\u2028=1", "\x00=1",
    "http://x.example", "mailto:x@y", "a\r\n=1+1", "a\tb", "2022-03-10", "007", "1e5", "TRUE", "正常的店名", "", "a" * 40_000,
]  # fmt: skip
LIVE = tuple("=+-@|%＝＋－＠")


def csv_cells(path):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def sheet(path):
    return openpyxl.load_workbook(path).active


def written(tmp_path, form, cells):
    path = tmp_path / f"file.{form.name.lower()}"
    writer = open_writer(path, form, "印记", ("列", "数"))
    writer.rows([[cell, 3] for cell in cells])
    writer.close("完")
    return path


def test_no_cell_of_a_csv_file_begins_like_a_formula_and_each_row_is_one_line(tmp_path):
    path = written(tmp_path, Format.CSV, HOSTILE)
    rows = csv_cells(path)
    assert len(rows) == len(HOSTILE) + 3 == path.read_bytes().count(b"\r\n")
    for row in rows:
        for cell in row:
            assert not cell.startswith((*LIVE, "\t", "\r", "\n", " =")), cell
            assert not cell.lstrip().startswith(LIVE), cell
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")


def test_every_text_of_a_sheet_is_typed_as_text_and_is_what_it_was(tmp_path):
    rows = list(sheet(written(tmp_path, Format.XLSX, HOSTILE)).iter_rows(min_row=3, max_row=len(HOSTILE) + 2))
    for row, text in zip(rows, HOSTILE, strict=True):
        cell, number = row
        assert (cell.data_type in {"s", "n", "inlineStr"}, cell.hyperlink, number.value) == (True, None, 3)
        assert cell.data_type != "f"
        if cell.data_type == "n":
            assert (cell.value, text) == (None, "")
        elif "\x00" not in text:
            assert cell.value.replace("_x000D_", "\r") == text[:32_767]
        if is_live(text):
            assert cell.quotePrefix


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_whatever_is_typed_becomes_one_line_that_nothing_computes(text):
    cell = inert(text)
    assert not is_live(cell) or cell.startswith("'")
    assert len(cell.splitlines()) <= 1
    assert "\x00" not in cell


@given(st.text("店铺ABC 0123456789号", max_size=20).filter(lambda text: text == text.strip()))
def test_ordinary_texts_stay_as_they_are(text):
    assert inert(text) == text


def test_numbers_are_numbers(tmp_path):
    found = sheet(written(tmp_path, Format.XLSX, ["a"]))
    assert (found["B3"].value, found["B3"].data_type) == (3, "n")
