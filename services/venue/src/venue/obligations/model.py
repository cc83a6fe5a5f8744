"""Letters and notices that every venue gets: templates, service, acknowledgement. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, Self
from uuid import UUID

from venue.documents.model import DocumentKind


class ObligationKind(IntEnum):
    """Numbers as in the contract."""

    LETTER = 1
    NOTICE = 2


DOCUMENTS: Final = {ObligationKind.LETTER: DocumentKind.LETTER, ObligationKind.NOTICE: DocumentKind.NOTICE}
KEPT_OFFLINE: Final = timedelta(hours=72)
"""How long a service made offline may take to come in; scans have the same limit."""


class Method(IntEnum):
    """How it was served; numbers as in the contract."""

    IN_PERSON = 1
    APP = 2
    POST = 3
    REFUSED = 4


class Stage(IntEnum):
    """Numbers as in the contract."""

    ISSUED = 1
    SERVED = 2
    ACKNOWLEDGED = 3


@dataclass(frozen=True, slots=True)
class Template:
    """`version` 0 and nobody as approver: a draft. `category` 0: all."""

    template_id: UUID
    kind: ObligationKind
    area: str
    category: int
    title: str
    body: str
    requirements: tuple[str, ...]
    issuing_body: str
    drafted_by: str
    drafted_at: datetime
    version: int = 0
    approved_by: str = ""
    approved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """That it was served."""

    method: Method
    served_by: str
    witness: str
    served_at: datetime
    recorded_at: datetime
    photo_sha256: bytes
    tracking_number: str

    def lacks(self) -> dict[str, str]:
        """What this way of serving still needs, by field."""
        missing: dict[str, str] = {}
        if self.method in (Method.IN_PERSON, Method.REFUSED) and not self.photo_sha256:
            missing["photo_sha256"] = "a photo proves this way of serving"
        if self.method is Method.REFUSED and not self.witness:
            missing["witness"] = "a refusal needs a witness"
        if self.method is Method.POST and not self.tracking_number:
            missing["tracking_number"] = "post is proven by its number"
        if self.witness and self.witness == self.served_by:
            missing["witness"] = "somebody else than who served"
        if self.served_at > self.recorded_at + timedelta(minutes=5):
            missing["served_at"] = "lies ahead"
        elif self.served_at < self.recorded_at - KEPT_OFFLINE:
            missing["served_at"] = "is more than 72 hours ago"
        return missing


@dataclass(frozen=True, slots=True)
class Obligation:
    obligation_id: UUID
    venue_id: UUID
    kind: ObligationKind
    template_id: UUID
    template_version: int
    number: str
    issued_at: datetime
    replaced: bool
    proof: Proof | None
    acknowledged_by: str
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """A venue and the template in force for it."""

    venue_id: UUID
    name: str
    address: str
    area: str
    category: int
    drill_id: str
    template_id: UUID
    kind: ObligationKind
    obligation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of venues; see the contract's ObligationCoverage."""

    area: str
    category: int
    kind: ObligationKind
    venues: int
    issued: int
    served: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class MissingCursor:
    area: str
    venue_id: UUID
    kind: int

    def encode(self) -> str:
        return f"{self.area}~{self.venue_id}~{self.kind}"

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises ValueError."""
        area, venue_id, kind = text.split("~")
        if not area.isdecimal():
            raise ValueError("an area consists of digits")
        return cls(area, UUID(venue_id), int(ObligationKind(int(kind))))
