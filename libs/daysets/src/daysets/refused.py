"""Segments that failed verification, kept aside: their tags are in doubt, which is never a ground for a denial."""

from dataclasses import dataclass
from datetime import date

from daysets.segment import ENTRY_SIZE, TAG_SIZE, Entry, Reason, Segment

MAX_SEGMENTS = 256
MAX_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class _Kept:
    reason: Reason
    tags: frozenset[bytes]


class Refused:
    """Bounded: a flood of forgeries may fill it, after which further ones are only counted by the index.

    Forgeries can thus cause people to be looked at, at worst; they can neither stop anybody nor exhaust the memory.
    """

    __slots__ = ("_entries", "_kept")

    def __init__(self) -> None:
        self._kept: dict[tuple[date, str], dict[Segment, _Kept]] = {}
        self._entries = 0

    def keep(self, segment: Segment, reason: Reason) -> bool:
        """Whether the segment is now kept and was not before."""
        slots = self._kept.setdefault((segment.day, segment.drill_id), {})
        tags = _denied(segment)
        full = sum(map(len, self._kept.values())) >= MAX_SEGMENTS or self._entries + len(tags) > MAX_ENTRIES
        if segment in slots or full:
            return False
        slots[segment] = _Kept(reason, tags)
        self._entries += len(tags)
        return True

    def find(self, day: date, drill_id: str, tag: bytes) -> Reason | None:
        slots = self._kept.get((day, drill_id))
        if not slots:
            return None
        return next((kept.reason for kept in slots.values() if tag in kept.tags), None)

    def count(self, day: date, drill_id: str) -> int:
        return len(self._kept.get((day, drill_id), ()))

    def forget(self, segment: Segment) -> None:
        """The genuine segment of this number has come: what posed in its place is no longer of interest."""
        slots = self._kept.get((segment.day, segment.drill_id), {})
        place = (segment.generation, segment.number)
        for posing in [other for other in slots if (other.generation, other.number) == place]:
            self._entries -= len(slots.pop(posing).tags)

    def drop_before(self, day: date) -> bool:
        gone = [key for key in self._kept if key[0] < day]
        for key in gone:
            self._entries -= sum(len(kept.tags) for kept in self._kept.pop(key).values())
        return bool(gone)

    def take(self) -> list[Segment]:
        """Removes and returns all of them."""
        segments = [segment for slots in self._kept.values() for segment in slots]
        self._kept, self._entries = {}, 0
        return segments


def _denied(segment: Segment) -> frozenset[bytes]:
    """Tags that the segment would deny; whole records only, as far as a malformed one has any."""
    last = len(segment.entries) - ENTRY_SIZE
    records = (segment.entries[at : at + ENTRY_SIZE] for at in range(0, last + 1, ENTRY_SIZE))
    return frozenset(record[:TAG_SIZE] for record in records if not Entry.unpack(record).lift)
