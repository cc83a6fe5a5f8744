"""One piece of a day's restricted list: its records, what the log commits to, and how it is verified.

Records are sorted by key. Tags are AES blocks and card keys are hash prefixes, so this order says no more about
people than a random one would, while it gives each content one byte form, rules out duplicates and lets a reader
search in place.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from operator import lt

from ledger import commitment, merkle, note
from ledger.verify import ProofError, verify_inclusion

ENTRY_SIZE = 27
CARD_SIZE = 24
TAG_SIZE = 16
CARD_KEY_SIZE = 8
REF_SIZE = 8
MAX_RECORDS = 20_000
MAX_DRILL_ID = 64
NO_CARD = bytes(TAG_SIZE)
"""In place of a tag: the card of that key is no longer valid. No person has this tag but by a chance of 2⁻¹²⁸."""

_RECORD = struct.Struct(">16sB8sH")
_CARD = struct.Struct(">8s16s")
_LIFT = 0x80
_NO_END = 0xFFFF
_LAST_MINUTE = 24 * 60
_MAX_U32 = 0xFFFFFFFF
_DOMAIN = b"lilitong/day-set-segment/1\x00"
_EPOCH = date(1970, 1, 1)


class Reason(StrEnum):
    """Why a segment is refused."""

    MALFORMED = "malformed"
    UNPROVEN = "unproven"
    CONFLICT = "conflict"


class SegmentError(ValueError):
    """A segment that must not be used. `reason` is stable; the text names no tag."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """A restriction of one tag that day, or its lift.

    tag: 16 bytes. reason: 0…127. ref: 8 random bytes of that day. end_minute: minutes of the local day after which it
    no longer holds (0…1440), None when it does not end that day.
    """

    tag: bytes
    reason: int
    ref: bytes
    end_minute: int | None = None
    lift: bool = False

    def pack(self) -> bytes:
        """27 bytes; ValueError when a field is out of its bounds."""
        end = _NO_END if self.end_minute is None else self.end_minute
        in_bounds = len(self.tag) == TAG_SIZE and len(self.ref) == REF_SIZE and 0 <= self.reason < _LIFT
        if not in_bounds or not (self.end_minute is None or 0 <= self.end_minute <= _LAST_MINUTE):
            raise ValueError("an entry has a 16-byte tag, a reason below 128, an 8-byte ref and a minute of the day")
        return _RECORD.pack(self.tag, self.reason | (_LIFT if self.lift else 0), self.ref, end)

    @classmethod
    def unpack(cls, record: bytes) -> "Entry":
        tag, code, ref, end = _RECORD.unpack(record)
        return cls(tag, code & ~_LIFT, ref, None if end == _NO_END else end, bool(code & _LIFT))


@dataclass(frozen=True, slots=True)
class Draft:
    """A segment's content before it is in the log. `entries` and `cards` are packed records, sorted by key."""

    day: date
    generation: int
    number: int
    base_parts: int
    drill_id: str
    entries: bytes
    cards: bytes
    salt: bytes

    @property
    def is_base(self) -> bool:
        return self.number <= self.base_parts

    def digest(self) -> bytes:
        """SHA-256 over a domain, the header fields, the drill id with its length, and the hashes of both lists.

        Header fields (day, generation, number, base parts) are 32-bit big-endian; README.md has the layout.
        """
        drill = self.drill_id.encode()
        header = struct.pack(">IIIIB", day_number(self.day), self.generation, self.number, self.base_parts, len(drill))
        lists = hashlib.sha256(self.entries).digest() + hashlib.sha256(self.cards).digest()
        return hashlib.sha256(_DOMAIN + header + drill + lists).digest()

    def leaf(self) -> bytes:
        """The data of this segment's leaf in the log (32 bytes)."""
        return commitment.commit(self.salt, self.digest())

    def leaf_hash(self) -> bytes:
        """What a foreign key to `ledger_leaves` refers to."""
        return merkle.leaf_hash(self.leaf())

    def read_entries(self) -> Iterator[Entry]:
        return (Entry.unpack(self.entries[at : at + ENTRY_SIZE]) for at in range(0, len(self.entries), ENTRY_SIZE))

    def read_cards(self) -> Iterator[tuple[bytes, bytes]]:
        """(card key, tag) pairs; `NO_CARD` in place of the tag withdraws a card."""
        return _CARD.iter_unpack(self.cards)

    def prove(self, leaf_index: int, tree_size: int, proof: Sequence[bytes], checkpoint: bytes) -> "Segment":
        """The finished segment, once its leaf is committed in the log."""
        content = {name: getattr(self, name) for name in Draft.__slots__}
        return Segment(**content, leaf_index=leaf_index, tree_size=tree_size, proof=tuple(proof), checkpoint=checkpoint)


@dataclass(frozen=True, slots=True)
class Segment(Draft):
    """A segment with its log proof: the path from leaf `leaf_index` to the root that `checkpoint` signs."""

    leaf_index: int
    tree_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


def day_number(day: date) -> int:
    """Days since 1970-01-01, as on the wire."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    return _EPOCH + timedelta(days=number)


def build(
    *,
    day: date,
    generation: int,
    number: int,
    base_parts: int,
    drill_id: str = "",
    entries: Iterable[Entry] = (),
    cards: Iterable[tuple[bytes, bytes]] = (),
    salt: bytes | None = None,
) -> Draft:
    """Packs and sorts. ValueError when a key comes twice, a field is out of bounds or there are over 20,000 records."""
    packed_cards = []
    for key, tag in cards:
        if len(key) != CARD_KEY_SIZE or len(tag) != TAG_SIZE:
            raise ValueError("a card is an 8-byte key and a 16-byte tag")
        packed_cards.append(_CARD.pack(key, tag))
    draft = Draft(
        day=day,
        generation=generation,
        number=number,
        base_parts=base_parts,
        drill_id=drill_id,
        entries=b"".join(sorted(entry.pack() for entry in entries)),
        cards=b"".join(sorted(packed_cards)),
        salt=commitment.new_salt() if salt is None else salt,
    )
    check(draft)
    return draft


def build_base(
    *,
    day: date,
    generation: int,
    drill_id: str = "",
    entries: Iterable[Entry] = (),
    cards: Iterable[tuple[bytes, bytes]] = (),
    per_part: int = MAX_RECORDS,
) -> list[Draft]:
    """The complete base of a generation: sorted, then cut into parts, so that a reader looks for a tag in one only."""
    records, pairs = sorted(entries, key=lambda entry: entry.tag), sorted(cards)
    parts = max(1, -(-len(records) // per_part), -(-len(pairs) // per_part))
    return [
        build(
            day=day,
            generation=generation,
            number=part + 1,
            base_parts=parts,
            drill_id=drill_id,
            entries=records[part * per_part : (part + 1) * per_part],
            cards=pairs[part * per_part : (part + 1) * per_part],
        )
        for part in range(parts)
    ]


def check(draft: Draft) -> None:
    """SegmentError(MALFORMED) unless the content has exactly the form that `build` gives it."""
    numbers = (draft.generation, draft.number, draft.base_parts)
    if not all(0 < value <= _MAX_U32 for value in numbers) or day_number(draft.day) <= 0:
        raise SegmentError(Reason.MALFORMED, "a segment's day and numbers are positive 32-bit integers")
    if len(draft.drill_id.encode()) > MAX_DRILL_ID or len(draft.salt) != commitment.SALT_SIZE:
        raise SegmentError(Reason.MALFORMED, "the drill id has at most 64 bytes, the salt 16")
    _check_records(draft.entries, ENTRY_SIZE, TAG_SIZE)
    _check_records(draft.cards, CARD_SIZE, CARD_KEY_SIZE)
    # Read column by column: unpacking every record would be the slowest part of a load.
    highs, lows = draft.entries[ENTRY_SIZE - 2 :: ENTRY_SIZE], draft.entries[ENTRY_SIZE - 1 :: ENTRY_SIZE]
    if any(_LAST_MINUTE < (high << 8 | low) != _NO_END for high, low in zip(highs, lows, strict=True)):
        raise SegmentError(Reason.MALFORMED, "an end minute is not of the day")


def verify(segment: Segment, log_keys: Iterable[note.Verifier]) -> None:
    """SegmentError unless the segment is well formed and the log, by one of these keys, holds it.

    Rule 1 of the product (restrictions): only what passes here may deny anybody anything.
    """
    check(segment)
    try:
        checkpoint = verify_inclusion(segment.leaf(), segment.leaf_index, segment.proof, segment.checkpoint, log_keys)
    except ProofError as error:
        raise SegmentError(Reason.UNPROVEN, str(error)) from None
    if checkpoint.size != segment.tree_size:
        raise SegmentError(Reason.UNPROVEN, "The checkpoint is of another size than the segment says.")


def is_proven(segment: Segment, log_keys: Iterable[note.Verifier]) -> bool:
    """`verify` as a question."""
    try:
        verify(segment, log_keys)
    except SegmentError:
        return False
    return True


def _check_records(data: bytes, size: int, key: int) -> None:
    if len(data) % size or len(data) > size * MAX_RECORDS:
        raise SegmentError(Reason.MALFORMED, "records are incomplete or too many")
    keys = [data[at : at + key] for at in range(0, len(data), size)]
    if not all(lt(*pair) for pair in pairwise(keys)):
        raise SegmentError(Reason.MALFORMED, "records are not in strictly ascending order")
