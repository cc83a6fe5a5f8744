"""What a day's list should say, what it says, and the records that lead from one to the other. Pure."""

import random
import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, TypeVar
from uuid import UUID

from daysets.decoys import pad
from daysets.segment import CARD_KEY_SIZE, ENTRY_SIZE, REF_SIZE, TAG_SIZE, Draft, Entry

LIVE_DAYS: Final = 3
"""Lists are kept for today and the two days after."""
PART_RECORDS: Final = 15_000
"""People (and cards) in one segment: with padding and proof it stays below what the bus takes in one message."""
PADDING: Final = 32
LIFT_GROUP: Final = 8
"""Lifts come in multiples of this, filled up with decoys that the list already has."""
MIN_CHANGES: Final = 1_000
"""A list is not started anew for fewer changes than this."""

_LIFT_BIT: Final = 0x80
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


def lift_decoys(segments: Iterable[Draft], real: Container[bytes], lifts: int) -> list[Entry]:
    """Lifts of decoys that the list has, as many as it takes to fill a group; fewer when it has no more.

    A lift of a tag that the list does not have would be seen for what it is, and the one tag that it has, lifted today
    and again on a coming day, would link the two tags of a person. `segments` are those of the list so far, `real` the
    tags of the people on it.
    """
    missing = -lifts % LIFT_GROUP
    if not missing:
        return []
    at_hand: dict[bytes, Entry] = {}
    for segment in segments:
        for start in range(0, len(segment.entries), ENTRY_SIZE):
            record = segment.entries[start : start + ENTRY_SIZE]
            entry_tag = record[:TAG_SIZE]
            if entry_tag in real:
                continue
            if record[TAG_SIZE] & _LIFT_BIT:
                at_hand.pop(entry_tag, None)
            else:
                at_hand[entry_tag] = Entry.unpack(record)
    chosen = _SYSTEM.sample(sorted(at_hand), min(missing, len(at_hand)))
    return [replace(at_hand[entry_tag], end_minute=None, lift=True) for entry_tag in chosen]


def padded(entries: Sequence[Entry], *, reason: int) -> list[Entry]:
    """The entries with decoys up to the next multiple of `PADDING`; decoys are never lifts (see `lift_decoys`)."""
    lifts = [entry for entry in entries if entry.lift]
    return lifts + pad([entry for entry in entries if not entry.lift], multiple=PADDING, reason=reason)
