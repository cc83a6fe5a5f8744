"""Request validation by the rules written in the contracts (protovalidate)."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.errors import DomainError, Kind

_MOST_FAULTS: Final = 50
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01, and the last second of 9999, as timestamp.proto bounds them
_LAST_SECOND: Final = 253_402_300_799
_SECOND: Final = 1_000_000_000  # nanoseconds
UNREADABLE: Final = object()
"""In place of a request whose bytes are not the message that the method takes."""


def decoding(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """A method's decoder that gives `UNREADABLE` where the library would answer UNKNOWN with its own text.

    It cannot refuse by itself: the library calls it before there is anybody who could say why.
    """
    if decode is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return UNREADABLE

    return read


def readable(request: Any) -> Any:
    """The request itself; INVALID / INVALID_REQUEST for `UNREADABLE`."""
    if request is UNREADABLE:
        raise DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.")
    return request


def validate(message: Message) -> None:
    """Refuse a message that breaks its contract's rules: INVALID / INVALID_REQUEST with the fields at fault, at most 50.

    About 2 µs for a valid message, so it runs on every request, the hot ones included. A rule about the message as a
    whole is reported under the empty path.
    """
    violations = protovalidate.collect_violations(message)
    if not violations:
        # The rules do not say it for each field: a time must be one of the calendar, or nobody could read it.
        if wrong := list(_impossible_times(message)):
            fields = dict.fromkeys(wrong[:_MOST_FAULTS], "is no time of the years 1 to 9999")
            raise DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.", fields=fields)
        return
    fields = {}
    # All of them would make a refusal larger than what it refuses, and too large for a trailer.
    for violation in violations[:_MOST_FAULTS]:
        path = _path(violation.proto.field)
        text = violation.proto.message or violation.proto.rule_id or "invalid"
        fields[path] = f"{fields[path]}; {text}" if path in fields else text
    raise DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.", fields=fields)


@cache
def _timed(kind: Descriptor, above: tuple[str, ...] = ()) -> tuple[FieldDescriptor, ...]:
    """The fields of a message that are times or may hold some, maps and types within themselves left out."""
    if kind.full_name in above:
        return ()
    return tuple(
        field
        for field in kind.fields
        if field.message_type is not None
        and not field.message_type.GetOptions().map_entry
        and (field.message_type.full_name == _TIMESTAMP or _timed(field.message_type, (*above, kind.full_name)))
    )


def _impossible_times(message: Any, path: str = "") -> Iterator[str]:
    for field in _timed(message.DESCRIPTOR):
        many = field.is_repeated
        values = getattr(message, field.name) if many else ()
        if not many and message.HasField(field.name):
            values = (getattr(message, field.name),)
        for index, value in enumerate(values):
            at = f"{path}{field.name}[{index}]" if many else f"{path}{field.name}"
            if value.DESCRIPTOR.full_name != _TIMESTAMP:
                yield from _impossible_times(value, f"{at}.")
            elif not (_FIRST_SECOND <= value.seconds <= _LAST_SECOND and 0 <= value.nanos < _SECOND):
                yield at


def _path(field: Any) -> str:
    """`visits[3].zone_id` from a protovalidate field path; "" for none."""
    if field is None:
        return ""
    path = ""
    for element in field.elements:
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None:
            path += f"[{element.subscript.value}]"
    return path
