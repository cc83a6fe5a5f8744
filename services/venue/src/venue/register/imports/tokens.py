"""Records out of a CSV file that arrives in parts, within fixed memory whatever arrives.

It works on bytes. In UTF-8 and in GB18030 alike no byte of a character of several bytes is a quote, a comma, a semicolon, a tab
or a line end (GB18030's further bytes are digits or 0x40 and above), so nothing has to be decoded to find where a record ends,
and a place in the file is a number of bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

MAX_RECORD: Final = 32 * 1024
"""Bytes of one record, quoted line ends included."""
MAX_FIELDS: Final = 100
_QUOTE: Final = b'"'
_END: Final = b"\n"


class Fault(Enum):
    """What is wrong with a record as such; the values are what reports say."""

    TOO_LONG = "ROW_TOO_LONG"
    TOO_MANY_FIELDS = "TOO_MANY_COLUMNS"
    QUOTE_OPEN = "QUOTE_NOT_CLOSED"
    QUOTE_MISPLACED = "QUOTE_MISPLACED"


@dataclass(frozen=True, slots=True)
class Record:
    """`line`: where it begins, counted from 1. `ends`: the offset behind it. `next_line`: the line that begins there.
    `closed`: a line end stands behind it; only a file's last record can be without.
    """

    fields: tuple[bytes, ...]
    line: int
    ends: int
    next_line: int
    fault: Fault | None = None
    closed: bool = True

    @property
    def blank(self) -> bool:
        """An empty line or one of delimiters alone, as spreadsheets leave them at the end."""
        return self.fault is None and not any(field.strip() for field in self.fields)


class Tokenizer:
    """Give it the file's parts with `feed`, in order, and take records; `end` says that nothing follows.

    It never holds more than one part and one record: records are to be taken after each `feed` until none comes. A record that
    breaks a rule costs its first line only: reading goes on at the next one, so that a quote that was never closed does not
    swallow the good rows behind it.
    """

    def __init__(self, delimiter: bytes, *, offset: int = 0, line: int = 1) -> None:
        self._delimiter = delimiter
        self._data = b""
        self._at = 0
        self._base = offset
        self._line = line
        self._ended = False
        self._skipping: int | None = None  # the line of a record that is too long, while its end is looked for

    def feed(self, part: bytes) -> None:
        self._base += self._at
        self._data = self._data[self._at :] + part
        self._at = 0

    def end(self) -> None:
        self._ended = True

    def records(self) -> Iterator[Record]:
        """Those that are complete; more may follow after the next `feed`."""
        while self._at < len(self._data):
            found = self._skip() if self._skipping is not None else self._next()
            if found is None:
                break
            yield found
        if self._ended and self._skipping is not None:
            yield self._faulty(Fault.TOO_LONG, self._skipping, self._at, 0)

    def _next(self) -> Record | None:
        data, start = self._data, self._at
        limit = start + MAX_RECORD
        stop = data.find(_END, start, limit)
        if stop < 0:
            if len(data) >= limit:
                self._skipping = self._line
                return self._skip()
            if not self._ended:
                return None
            stop = len(data)
        if data.find(_QUOTE, start, stop) < 0:
            fields = data[start:stop].removesuffix(b"\r").split(self._delimiter, MAX_FIELDS)
            return self._taken(fields, min(stop + 1, len(data)), 1)
        return self._quoted(start, stop, limit)

    def _quoted(self, start: int, first_stop: int, limit: int) -> Record | None:  # noqa: PLR0911 - one for each way it may end
        """A record with quotes: a field is quoted if it begins with one; elsewhere a quote is a character."""
        data, delimiter, at = self._data, self._delimiter, start
        fields: list[bytes] = []
        stop = first_stop  # where the line of the present field ends
        after_line = min(first_stop + 1, len(data))
        while len(fields) <= MAX_FIELDS:
            if data[at : at + 1] == _QUOTE:
                close = _closing(data, at + 1, limit)
                if close is None:
                    if len(data) < limit and not self._ended:
                        return None
                    return self._faulty(Fault.QUOTE_OPEN, self._line, after_line, 1)
                fields.append(data[at + 1 : close].replace(b'""', b'"'))
                at = close + 1
                stop = data.find(_END, at, limit)
                if stop < 0:
                    if len(data) >= limit:
                        return self._faulty(Fault.TOO_LONG, self._line, after_line, 1)
                    if not self._ended:
                        return None
                    stop = len(data)
                if data[at : at + 1] != delimiter and data[at:stop].strip(b"\r"):
                    return self._faulty(Fault.QUOTE_MISPLACED, self._line, after_line, 1)
                more = data[at : at + 1] == delimiter
            else:
                until = data.find(delimiter, at, stop)
                more = until >= 0
                fields.append(data[at:until] if more else data[at:stop].removesuffix(b"\r"))
                at = until
            if not more:
                ends = min(stop + 1, len(data))
                return self._taken(fields, ends, data.count(_END, start, ends))
            at += 1
        return self._faulty(Fault.TOO_MANY_FIELDS, self._line, after_line, 1)

    def _skip(self) -> Record | None:
        stop = self._data.find(_END, self._at)
        if stop < 0:
            self._at = len(self._data)
            return None
        line, self._skipping = self._skipping, None
        return self._faulty(Fault.TOO_LONG, line or self._line, stop + 1, 1)

    def _taken(self, fields: list[bytes], ends: int, lines: int) -> Record:
        if len(fields) > MAX_FIELDS:
            return self._faulty(Fault.TOO_MANY_FIELDS, self._line, ends, lines)
        closed = self._data[ends - 1 : ends] == _END
        line = self._go(ends, lines)
        return Record(tuple(fields), line, self._base + ends, self._line, closed=closed)

    def _faulty(self, fault: Fault, line: int, ends: int, lines: int) -> Record:
        self._skipping = None
        self._go(ends, lines)
        return Record((), line, self._base + ends, self._line, fault)

    def _go(self, ends: int, lines: int) -> int:
        line = self._line
        self._at = ends
        self._line += lines
        return line


def _closing(data: bytes, at: int, limit: int) -> int | None:
    """Where the quote that opened before `at` closes; a doubled quote is one character of the field."""
    while True:
        close = data.find(_QUOTE, at, limit)
        if close < 0:
            return None
        if data[close + 1 : close + 2] != _QUOTE:
            return close
        at = close + 2
