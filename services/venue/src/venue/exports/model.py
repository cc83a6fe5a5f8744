"""What an export is: its tables, formats, bounds and names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from passes.days import ZONE

KEPT: Final = timedelta(days=1)
MOST_ROWS: Final = 250_000
PART_BYTES: Final = 524_288

Cell = str | int | None


class Table(IntEnum):
    """Numbers as in the contract."""

    VENUES = 1
    OBLIGATIONS = 2
    INSPECTIONS = 3
    MEASURES = 4


class Format(IntEnum):
    """Numbers as in the contract."""

    CSV = 1
    XLSX = 2

    @property
    def media_type(self) -> str:
        if self is Format.CSV:
            return "text/csv"
        return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`category` 0: all."""

    export_id: UUID
    table: Table
    format: Format
    area: str
    category: int
    drill_id: str


@dataclass(frozen=True, slots=True)
class Export:
    """What is recorded. `rows`: of data; `size`: of the file, in bytes; `file_name`: what it was called then."""

    wanted: Wanted
    rows: int
    size: int
    sha256: bytes
    exported_by: str
    exported_at: datetime
    purpose: str
    purpose_ref: str
    file_name: str


def file_name(wanted: Wanted, at: datetime) -> str:
    """What a file that is made then is called."""
    minute = at.astimezone(ZONE).strftime("%Y%m%d-%H%M")
    return f"{wanted.table.name.lower()}-{wanted.area}-{minute}.{wanted.format.name.lower()}"


def mark(wanted: Wanted, by: str, at: datetime, purpose: str, reference: str) -> str:
    """The first line of each file: whose it is, and what it may be used for."""
    drill = f" · 演练 {wanted.drill_id}" if wanted.drill_id else ""
    return (
        f"离里通 {TITLES[wanted.table]} · 地区 {wanted.area}{drill} · 导出人 {by} · 导出时间 {local(at)} · 用途 {purpose} / "
        f"{reference} · 仅限此用途，不得外传"
    )


def count_line(rows: int) -> str:
    """The last line of each file: whoever sees it has the whole."""
    return f"共 {rows} 行，完"


TITLES: Final[Mapping[Table, str]] = {
    Table.VENUES: "场所登记表",
    Table.OBLIGATIONS: "责任书与告知书送达表",
    Table.INSPECTIONS: "检查记录表",
    Table.MEASURES: "处置措施表",
}


def local(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
