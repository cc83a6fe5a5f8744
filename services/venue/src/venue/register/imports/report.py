"""The rejected rows as CSV that is inert in spreadsheets: no cell of it can become a formula, a link or a further column."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from venue.cells import inert
from venue.register.imports.rows import RowFault
from venue.register.imports.texts import text_of

BOM: Final = "\ufeff"  # without it spreadsheets take UTF-8 for the system's own encoding
HEADER: Final = ("行 line", "列 column", "原因 reason", "内容 content", "说明", "explanation")


def render(faults: Iterable[RowFault], *, first: bool) -> bytes:
    """Lines of the report, RFC 4180, every cell quoted; with the byte order mark and titles if it is the first part."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    if first:
        out.write(BOM)
        writer.writerow(HEADER)
    for fault in faults:
        cells = (fault.column, fault.reason, fault.excerpt, *text_of(fault.reason))
        writer.writerow((fault.line, *map(inert, cells)))
    return out.getvalue().encode()
