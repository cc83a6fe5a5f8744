"""What a day's list should say, what it says, and the records that lead from one to the other. Pure."""

import random
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar
from uuid import UUID

from daysets.segment import CARD_KEY_SIZE, REF_SIZE, TAG_SIZE

LIVE_DAYS: Final = 3
"""Lists are kept for today and the two days after."""
PART_RECORDS: Final = 15_000
"""People (and cards) in one segment: with padding and proof it stays below what the bus takes in one message."""
PADDING: Final = 32
MIN_CHANGES: Final = 1_000
"""A list is not started anew for fewer changes than this."""

_SYSTEM = random.SystemRandom()
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list should say of a person: the restriction with the latest end of those in force that day."""

    resident_id: UUID
    restriction_id: UUID
    reason: int
    end_minute: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says of a person, under the reference (8 random bytes of that day)."""

    reference: bytes
    resident_id: UUID
    restriction_id: UUID
    reason: int
    end_minute: int | None

    def says(self, wanted: Wanted) -> bool:
        mine = (self.restriction_id, self.reason, self.end_minute)
        return mine == (wanted.restriction_id, wanted.reason, wanted.end_minute)


@dataclass(frozen=True, slots=True)
class Head:
    """How far one day's list has come; generation 0 is a list without a base."""

    day: date
    drill_id: str
    generation: int
    last_number: int
    base_parts: int
    base_records: int
    change_records: int

    @property
    def worn(self) -> bool:
        """Whether the changes since the base outweigh it, so that a new one costs less than carrying them."""
        return self.change_records > max(self.base_records, MIN_CHANGES)


@dataclass(frozen=True, slots=True)
class Changes:
    """`listed` are new entries with fresh references, `retired` those that no longer say what is so, `lifted` of these the
    ones that nothing replaces.
    """

    listed: tuple[Listed, ...]
    retired: tuple[Listed, ...]
    lifted: tuple[Listed, ...]

    def __len__(self) -> int:
        return len(self.listed) + len(self.lifted)


def difference(wanted: Mapping[UUID, Wanted], listed: Mapping[UUID, Listed]) -> Changes:
    """What has to change so that the list says what is wanted; people in neither are left alone."""
    new: list[Listed] = []
    retired: list[Listed] = []
    lifted: list[Listed] = []
    for person in wanted.keys() | listed.keys():
        want, have = wanted.get(person), listed.get(person)
        if want is not None and have is not None and have.says(want):
            continue
        if have is not None:
            retired.append(have)
            if want is None:
                lifted.append(have)
        if want is not None:
            new.append(Listed(secrets.token_bytes(REF_SIZE), person, want.restriction_id, want.reason, want.end_minute))
    return Changes(tuple(new), tuple(retired), tuple(lifted))


def live_days(today: date) -> list[date]:
    return [today + timedelta(days=offset) for offset in range(LIVE_DAYS)]


def coming_days(today: date) -> list[date]:
    """Live days that are not today: changes to them wait, so that they go out together with others."""
    return live_days(today)[1:]


def parts(records: Sequence[_T], count: int) -> list[list[_T]]:
    """`records` shuffled into `count` parts of about one size.

    Shuffled, because the database returns people in one and the same order every day, and being in the same part as on
    the day before would say something about who one is.
    """
    mixed = list(records)
    _SYSTEM.shuffle(mixed)
    size = -(-len(mixed) // count) if mixed else 0
    return [mixed[index * size : (index + 1) * size] for index in range(count)]


def parts_needed(*counts: int) -> int:
    return max(1, *(-(-count // PART_RECORDS) for count in counts))


def pad_cards(cards: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The cards, and random ones that nobody holds up to the next multiple of `PADDING`; none at all stay none.

    For the reason that entries are padded: a segment with one card, sent for each of three days, would link its tags.
    """
    real = list(cards)
    missing = -len(real) % PADDING
    return real + [(secrets.token_bytes(CARD_KEY_SIZE), secrets.token_bytes(TAG_SIZE)) for _ in range(missing)]
