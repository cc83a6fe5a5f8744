"""A numbered document: who issued it, in which series, and what stands on it. Pure."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from passes.days import local_day


class DocumentKind(IntEnum):
    """With the contract's numbers; the first six are the papers of the ladder."""

    INSPECTION_FORM = 1
    RECTIFICATION_NOTICE = 2
    YELLOW_CARD = 3
    RED_CARD = 4
    SUSPENSION_DECISION = 5
    SEAL = 6
    LETTER = 7
    NOTICE = 8
    POSTER = 9


class DocumentStanding(IntEnum):
    """Whether it still holds; numbers as in the contract."""

    IN_FORCE = 1
    SUPERSEDED = 2
    ANNULLED = 3
    ENDED = 4


class DocumentFormat(IntEnum):
    """Numbers as in the contract."""

    PDF = 1
    SVG = 2
    PNG = 3


PAPERS: Final = frozenset(kind for kind in DocumentKind if kind <= DocumentKind.SEAL)
"""Those of the ladder: whether they hold is derived from the venue's facts."""
ON_THE_DOOR: Final = frozenset(
    {
        DocumentKind.YELLOW_CARD,
        DocumentKind.RED_CARD,
        DocumentKind.SUSPENSION_DECISION,
        DocumentKind.SEAL,
        DocumentKind.POSTER,
    }
)
"""They are posted for all to read, with the venue's name; the others are handed over."""
SERIES: Final[Mapping[DocumentKind, str]] = {
    DocumentKind.INSPECTION_FORM: "离防检",
    DocumentKind.RECTIFICATION_NOTICE: "离防整",
    DocumentKind.YELLOW_CARD: "离防黄",
    DocumentKind.RED_CARD: "离防红",
    DocumentKind.SUSPENSION_DECISION: "离防停",
    DocumentKind.SEAL: "离防封",
    DocumentKind.LETTER: "离防责",
    DocumentKind.NOTICE: "离防告",
    DocumentKind.POSTER: "离防码",
}
"""The word before the year, e.g. 离防整〔2022〕338号."""
DRILL: Final = "演"
"""A drill's papers are numbered apart and say so."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """To be issued. `content`: JSON values that the template prints. `source_id`: what it comes from, e.g. an inspection.

    `zone` and `code_version` are a poster's.
    """

    kind: DocumentKind
    venue_id: UUID
    issuing_body: str
    content: Mapping[str, Any]
    issued_at: datetime
    source_id: UUID | None = None
    drill_id: str = ""
    template_version: int = 1
    zone: int | None = None
    code_version: int | None = None

    @property
    def series(self) -> str:
        return (DRILL if self.drill_id else "") + SERIES[self.kind]

    @property
    def year(self) -> int:
        """The district's calendar year."""
        return local_day(self.issued_at).year

    @property
    def counter(self) -> tuple[str, str, int]:
        """What its number counts within. Whoever takes several numbers takes them in the order of these."""
        return (self.issuing_body, self.series, self.year)


def new_verification_id() -> str:
    """128 random bits, in characters that survive being read out."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Document:
    document_id: UUID
    new: NewDocument
    number: int
    verification_id: str = field(default_factory=new_verification_id)

    @property
    def text(self) -> str:
        """The number as it is printed."""
        return printed(self.new.series, self.new.year, self.number)


def printed(series: str, year: int, number: int) -> str:
    return f"{series}〔{year}〕{number}号"
