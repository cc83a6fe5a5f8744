"""Segments as protobuf messages and bytes: the only module here that knows the generated code."""

from google.protobuf.message import DecodeError
from lilitong.quarantine.v1.day_set_pb2 import DaySetSegment

from daysets.segment import Reason, Segment, SegmentError, day_number, day_of

_LAST_DAY = 2_000_000  # far beyond any date in use, within what datetime.date can hold


def to_message(segment: Segment) -> DaySetSegment:
    return DaySetSegment(
        day=day_number(segment.day),
        generation=segment.generation,
        number=segment.number,
        base_parts=segment.base_parts,
        drill_id=segment.drill_id,
        entries=segment.entries,
        salt=segment.salt,
        leaf_index=segment.leaf_index,
        tree_size=segment.tree_size,
        proof=segment.proof,
        checkpoint=segment.checkpoint,
        cards=segment.cards,
    )


def from_message(message: DaySetSegment) -> Segment:
    """The segment as sent, nothing verified but that its day is a date; SegmentError(MALFORMED) if not."""
    if message.day > _LAST_DAY:
        raise SegmentError(Reason.MALFORMED, "the day is not a date")
    return Segment(
        day=day_of(message.day),
        generation=message.generation,
        number=message.number,
        base_parts=message.base_parts,
        drill_id=message.drill_id,
        entries=message.entries,
        cards=message.cards,
        salt=message.salt,
        leaf_index=message.leaf_index,
        tree_size=message.tree_size,
        proof=tuple(message.proof),
        checkpoint=message.checkpoint,
    )


def encode(segment: Segment) -> bytes:
    return to_message(segment).SerializeToString()


def decode(data: bytes) -> Segment:
    """SegmentError(MALFORMED) when these bytes are no segment; otherwise as `from_message`."""
    try:
        return from_message(DaySetSegment.FromString(data))
    except DecodeError:
        raise SegmentError(Reason.MALFORMED, "not a day set segment") from None
