"""Spot checks as they are stored: teams, a check with its state, and who goes where. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from venue.enforcement.inspections.model import AHEAD, OLDEST, Position

LONGEST: Final = timedelta(days=60)


class State(IntEnum):
    """Numbers as in the contract's SpotCheckState."""

    COMMITTED = 1
    OPENED = 2
    DRAWN = 3
    PUBLISHED = 4
    LAPSED = 5


class Progress(IntEnum):
    """Numbers as in the contract's SpotCheckProgress."""

    TO_BEGIN = 1
    BEGUN = 2
    INSPECTED = 3
    MISSED = 4


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a team. `inspector_id` stands for it where a draw is published."""

    inspector_id: UUID
    account: str
    team_id: UUID
    home: str


@dataclass(frozen=True, slots=True)
class Team:
    team_id: UUID
    name: str
    area: str
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """`opening_index`, `beacon` and `checkpoint` come with the second person's number, `pairs` and `drawn_at` with the draw.

    `waiting`: assignments that have not begun. `key_version`: of the vault's key from which the secret follows.
    """

    draw_id: UUID
    area: str
    title: str
    drill_id: str
    committed_by: str
    committed_at: datetime
    ends_at: datetime
    frame_hash: bytes
    secret_hash: bytes
    eligible: int
    drawn: int
    commitment_index: int
    commitment_hash: bytes
    key_version: int
    contributor: str | None
    contribution: bytes | None
    opening_index: int | None
    beacon: bytes | None
    checkpoint: str
    pairs: int
    drawn_at: datetime | None
    waiting: int

    def state(self, now: datetime) -> State:
        """Follows from what is there and the time: nobody has to publish, so nobody can put it off."""
        if self.drawn_at is not None:
            return State.PUBLISHED if now >= self.ends_at or not self.waiting else State.DRAWN
        if self.opening_index is not None:
            return State.OPENED
        return State.LAPSED if now >= self.ends_at else State.COMMITTED


@dataclass(frozen=True, slots=True)
class Assignment:
    draw_id: UUID
    venue_id: UUID
    venue_name: str
    address: str
    area: str
    category: int
    drill_id: str
    pair: int
    team_id: UUID
    inspectors: tuple[str, str]
    drawn_at: datetime
    ends_at: datetime
    begun_at: datetime | None
    inspection_id: UUID | None

    def progress(self, now: datetime) -> Progress:
        if self.inspection_id is not None:
            return Progress.INSPECTED
        if self.begun_at is not None:
            return Progress.BEGUN
        return Progress.MISSED if now >= self.ends_at else Progress.TO_BEGIN

    def time_trouble(self, begun_at: datetime, now: datetime) -> str | None:
        """What is wrong with a device's time of the beginning; None if nothing is."""
        if begun_at > now + AHEAD:
            return "lies in the future"
        if begun_at < now - OLDEST:
            return "is more than 14 days ago"
        if begun_at < self.drawn_at - AHEAD:
            return "lies before the draw"
        return "lies after the end of the spot check" if begun_at >= self.ends_at else None


@dataclass(frozen=True, slots=True)
class Beginning:
    begun_by: str
    begun_at: datetime
    recorded_at: datetime
    position: Position | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one team. `failed_items`: (item, times), the most frequent first."""

    team_id: UUID
    team_name: str
    pairs: int
    assigned: int
    begun: int
    inspected: int
    passed: int
    failed: int
    missed: int
    failed_items: tuple[tuple[str, int], ...]
