"""An inspection and its checklist: what was looked at, by whom, and what was found. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

OLDEST: Final = timedelta(days=14)
"""How long after it was made an inspection may still be uploaded."""
AHEAD: Final = timedelta(seconds=60)
"""How far a device's clock may be ahead of ours."""


class Subject(IntEnum):
    """Numbers as in the contract's InspectionSubject."""

    VENUE = 1
    CHECKPOINT = 2
    COMMUNITY = 3
    PUBLIC_PLACE = 4


class Outcome(IntEnum):
    """Numbers as in the contract's FindingOutcome."""

    MET = 1
    FAILED = 2
    NOT_APPLICABLE = 3


@dataclass(frozen=True, slots=True)
class Item:
    item: str
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """`category` is 0 for what is no venue."""

    subject: Subject
    category: int
    version: int
    effective_from: datetime
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one item. `photos` are SHA-256."""

    item: str
    outcome: Outcome
    remark: str = ""
    photos: tuple[bytes, ...] = ()

    @property
    def told(self) -> bool:
        """Whether there is more to keep than the outcome's number."""
        return self.outcome is Outcome.FAILED or bool(self.remark) or bool(self.photos)


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, in ten-millionths of a degree, and metres."""

    latitude_e7: int
    longitude_e7: int
    accuracy_metres: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """`findings` stand in the order of the checklist, one for each item. `digest` (32 bytes) is what the client said."""

    inspection_id: UUID
    subject: Subject
    subject_id: UUID | None
    subject_name: str
    area: str
    category: int
    checklist_version: int
    findings: tuple[Finding, ...]
    inspectors: tuple[str, str]
    recorded_by: str
    inspected_at: datetime
    recorded_at: datetime
    position: Position | None
    reinspects: UUID | None
    drill_id: str
    digest: bytes

    @property
    def passed(self) -> bool:
        return all(finding.outcome is not Outcome.FAILED for finding in self.findings)

    @property
    def photos(self) -> frozenset[bytes]:
        return frozenset(photo for finding in self.findings for photo in finding.photos)


class FindingsError(ValueError):
    """The findings are not those of the checklist; the text is public."""


def in_order(checklist: Checklist, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings in the checklist's order. Raises `FindingsError` unless each item has exactly one."""
    by_item = {finding.item: finding for finding in findings}
    if len(by_item) != len(findings):
        raise FindingsError("an item has two findings")
    missing = [each.item for each in checklist.items if each.item not in by_item]
    if missing:
        raise FindingsError(f"no finding for {', '.join(missing)}")
    strange = by_item.keys() - {each.item for each in checklist.items}
    if strange:
        raise FindingsError(f"not of this checklist: {', '.join(sorted(strange))}")
    return tuple(by_item[each.item] for each in checklist.items)


def time_trouble(inspected_at: datetime, now: datetime) -> str | None:
    """What is wrong with a device's time; None if nothing is."""
    if inspected_at > now + AHEAD:
        return "lies in the future"
    return "is more than 14 days ago" if inspected_at < now - OLDEST else None
