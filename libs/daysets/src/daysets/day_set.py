"""What is in force on one day, for real or in one drill: which segments count, and what they say of a tag."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from daysets.segment import CARD_KEY_SIZE, CARD_SIZE, ENTRY_SIZE, TAG_SIZE, Segment
from daysets.table import Table

Order = tuple[int, int]
"""(generation, number): the later one wins."""

_MISSING_SHOWN = 1000


@dataclass(slots=True)
class _Generation:
    base_parts: int
    segments: dict[int, Segment] = field(default_factory=dict)
    tables: dict[int, tuple[Table, Table]] = field(default_factory=dict)

    contiguous: int = 0

    @property
    def complete(self) -> bool:
        return len(self.tables) == self.base_parts


class DaySet:
    """Holds verified segments only.

    In force are the base of the newest generation that is wholly here and all changes since, those of a newer
    generation included, for they are later decisions. While no base is whole, the parts at hand of the newest one are
    used: each of their entries is proven, and no part can lift what another says.
    """

    __slots__ = ("_bases", "_cards", "_changes", "_effective", "_firsts", "_generations", "_overlapping")

    def __init__(self) -> None:
        self._generations: dict[int, _Generation] = {}
        self._effective = 0
        self._overlapping = False
        self._firsts: list[bytes] = []
        self._bases: list[tuple[int, Table, Table]] = []
        self._changes: dict[bytes, tuple[Order, bytes]] = {}
        self._cards: dict[bytes, tuple[Order, bytes]] = {}

    def held(self, generation: int, number: int) -> Segment | None:
        known = self._generations.get(generation)
        return known.segments.get(number) if known else None

    def accepts_parts(self, generation: int, base_parts: int) -> bool:
        """Whether the segment agrees with the others of its generation on how many parts the base has."""
        known = self._generations.get(generation)
        return known is None or known.base_parts == base_parts

    def outdated(self, generation: int) -> bool:
        """Whether a later base is in force as a whole, so that nothing of this generation counts any more."""
        current = self._generations.get(self._effective)
        return current is not None and current.complete and generation < self._effective

    def add(self, segment: Segment) -> None:
        """Takes in a verified segment that is neither held, nor outdated, nor at odds with its generation."""
        known = self._generations.setdefault(segment.generation, _Generation(segment.base_parts))
        known.segments[segment.number] = segment
        while known.contiguous + 1 in known.segments:
            known.contiguous += 1
        if segment.is_base:
            known.tables[segment.number] = (Table(segment.entries, ENTRY_SIZE), Table(segment.cards, CARD_SIZE))
            self._settle()
        elif not self._effective or not self._generations[self._effective].complete:
            self._settle()
        else:
            self._merge(segment)

    def find(self, tag: bytes) -> tuple[Order, bytes] | None:
        """Where the last word about the tag was said, and its record (27 bytes), lifts included."""
        changed = self._changes.get(tag)
        if changed is not None:
            return changed
        at = bisect_right(self._firsts, tag) - 1
        for number, entries, _ in self._bases if self._overlapping else self._bases[at : at + 1] if at >= 0 else ():
            record = entries.find(tag)
            if record is not None:
                return (self._effective, number), record
        return None

    def find_card(self, key: bytes) -> bytes | None:
        """The tag (16 bytes) that a card key stands for, `NO_CARD` if withdrawn, None if unknown."""
        changed = self._cards.get(key)
        if changed is not None:
            return changed[1][CARD_KEY_SIZE:]
        for _, _, cards in self._bases:
            record = cards.find(key)
            if record is not None:
                return record[CARD_KEY_SIZE:]
        return None

    def segments(self) -> Iterator[Segment]:
        for _, known in sorted(self._generations.items()):
            yield from (segment for _, segment in sorted(known.segments.items()))

    def progress(self) -> list[Order]:
        """(generation, last number up to which nothing is missing), newest generation first."""
        return [(number, known.contiguous) for number, known in sorted(self._generations.items(), reverse=True)]

    @property
    def generation(self) -> int:
        """The newest generation that is known of, in force or not."""
        return max(self._generations, default=0)

    def missing(self) -> tuple[int, ...]:
        """Numbers of the newest generation that are not here though later ones or the base's size say they exist."""
        newest = self._generations.get(self.generation)
        if newest is None:
            return ()
        last = max(newest.base_parts, *newest.segments)
        gaps = (number for number in range(1, last + 1) if number not in newest.segments)
        return tuple(number for number, _ in zip(gaps, range(_MISSING_SHOWN), strict=False))

    def _settle(self) -> None:
        """Chooses the generation in force anew and reads everything that follows from it again."""
        whole = [number for number, known in self._generations.items() if known.complete]
        self._effective = max(whole or self._generations)
        if whole:
            self._generations = {n: known for n, known in self._generations.items() if n >= self._effective}
        self._order_bases(self._generations[self._effective])
        self._changes, self._cards = {}, {}
        for segment in self.segments():
            if segment.generation >= self._effective and not segment.is_base:
                self._merge(segment)

    def _order_bases(self, known: _Generation) -> None:
        """Issuers cut a sorted base into parts, so that a tag can be in one only; if it is not so, all are asked."""
        parts = [known.segments[number] for number in known.tables]
        spans = sorted((part.entries[:TAG_SIZE], part.entries[-ENTRY_SIZE:][:TAG_SIZE], part.number) for part in parts)
        self._overlapping = any(left[1] >= right[0] for left, right in pairwise(spans) if left[0])
        if self._overlapping:
            spans.sort(key=lambda span: span[2], reverse=True)
        self._firsts = [first for first, _, _ in spans]
        self._bases = [(number, *known.tables[number]) for _, _, number in spans]

    def _merge(self, segment: Segment) -> None:
        order = (segment.generation, segment.number)
        _overlay(self._changes, segment.entries, ENTRY_SIZE, TAG_SIZE, order)
        _overlay(self._cards, segment.cards, CARD_SIZE, CARD_KEY_SIZE, order)


def _overlay(changes: dict[bytes, tuple[Order, bytes]], data: bytes, size: int, key: int, order: Order) -> None:
    for at in range(0, len(data), size):
        record = data[at : at + size]
        known = changes.get(record[:key])
        if known is None or known[0] < order:
            changes[record[:key]] = (order, record)
