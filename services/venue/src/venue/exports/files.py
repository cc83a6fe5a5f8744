"""Writers of files, in memory that does not grow with the rows. Every text is a text to whoever opens them."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from xlsxwriter import Workbook

from venue.cells import inert, is_live
from venue.exports.model import Cell, Format

_MAX_CELL = 32_767
"""Characters that a cell of a spreadsheet holds."""


class Writer(Protocol):
    """Mark and head first, then rows, then the last line."""

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None: ...
    def close(self, last: str) -> None: ...


def open_writer(path: Path, form: Format, mark: str, head: Sequence[str]) -> Writer:
    return CsvWriter(path, mark, head) if form is Format.CSV else XlsxWriter(path, mark, head)


class CsvWriter:
    """UTF-8 with a byte order mark, without which spreadsheets take Chinese for something else; every cell quoted."""

    def __init__(self, path: Path, mark: str, head: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        self.rows([[mark], list(head)])

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None:
        self._csv.writerows([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)

    def close(self, last: str) -> None:
        self.rows([[last]])
        self._file.close()


class XlsxWriter:
    """One sheet. Texts are written as such, numbers as numbers; nothing is a formula or a link."""

    def __init__(self, path: Path, mark: str, head: Sequence[str]) -> None:
        self._book = Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._book.set_properties({"title": mark, "comments": mark})
        self._sheet = self._book.add_worksheet("数据")
        self._sheet.set_footer("&L" + mark.replace("&", "&&")[:200])
        # Typed again by hand, such a text stays a text.
        self._quoted = self._book.add_format({"quote_prefix": True})
        self._next = 0
        self.rows([[mark], list(head)])

    def rows(self, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    text = cell[:_MAX_CELL]
                    self._sheet.write_string(self._next, column, text, self._quoted if is_live(text) else None)
                elif cell is not None:
                    self._sheet.write_number(self._next, column, cell)
            self._next += 1

    def close(self, last: str) -> None:
        self.rows([[last]])
        self._book.close()
