"""A numbered document: who issued it, in which series, and what stands on it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from passes.days import local_day


class DocumentKind(IntEnum):
    """The first six are the papers of the ladder, with the contract's numbers."""

    INSPECTION_FORM = 1
    RECTIFICATION_NOTICE = 2
    YELLOW_CARD = 3
    RED_CARD = 4
    SUSPENSION_DECISION = 5
    SEAL = 6


SERIES: Final[Mapping[DocumentKind, str]] = {
    DocumentKind.INSPECTION_FORM: "离防检",
    DocumentKind.RECTIFICATION_NOTICE: "离防整",
    DocumentKind.YELLOW_CARD: "离防黄",
    DocumentKind.RED_CARD: "离防红",
    DocumentKind.SUSPENSION_DECISION: "离防停",
    DocumentKind.SEAL: "离防封",
}
"""The word before the year, e.g. 离防整〔2022〕338号."""
DRILL: Final = "演"
"""A drill's papers are numbered apart and say so."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """To be issued. `content`: JSON values that the template prints. `source_id`: what it comes from, e.g. an inspection."""

    kind: DocumentKind
    venue_id: UUID
    issuing_body: str
    content: Mapping[str, Any]
    issued_at: datetime
    source_id: UUID | None = None
    drill_id: str = ""
    template_version: int = 1

    @property
    def series(self) -> str:
        return (DRILL if self.drill_id else "") + SERIES[self.kind]

    @property
    def year(self) -> int:
        """The district's calendar year."""
        return local_day(self.issued_at).year


@dataclass(frozen=True, slots=True)
class Document:
    document_id: UUID
    new: NewDocument
    number: int

    @property
    def text(self) -> str:
        """The number as it is printed."""
        return printed(self.new.series, self.new.year, self.number)


def printed(series: str, year: int, number: int) -> str:
    return f"{series}〔{year}〕{number}号"
