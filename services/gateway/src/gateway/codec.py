"""JSON ↔ protobuf as this API writes it: the contracts' own field names, bytes as base64url, enums as lower-case words.

The contract is the only list of fields there is; a second one in another notation would drift from it. Rules about
values (lengths, patterns, required fields) stand in the contract too and are checked by `chassis.rpc.validation`.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from chassis.errors import DomainError, Kind
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

Json = dict[str, Any]
# protobuf's Python and C descriptors have no type in common that its stubs would admit.
Field = Any
TIMESTAMP = "google.protobuf.Timestamp"

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_SAFE_INTEGER = 2**53
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MOST_FAULTS = 50
_LIMITS = {
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    # JSON numbers are exact up to 2^53 in every client.
    FieldDescriptor.TYPE_UINT64: (0, _SAFE_INTEGER),
    FieldDescriptor.TYPE_INT64: (-_SAFE_INTEGER, _SAFE_INTEGER),
}


class _WrongError(ValueError):
    """What is wrong with one value; its text is for the caller and never quotes the value."""


def words(enum: EnumDescriptor) -> dict[str, int]:
    """Word → number: the values' names without the enum's own prefix, in lower case."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    return {value.name.removeprefix(prefix).lower(): value.number for value in enum.values}


class _Words:
    """Both directions of every enum met so far; descriptors live as long as the process."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[dict[str, int], dict[int, str]]] = {}

    def of(self, enum: EnumDescriptor) -> tuple[dict[str, int], dict[int, str]]:
        found = self._found.get(enum.full_name)
        if found is None:
            numbers = words(enum)
            found = self._found[enum.full_name] = (numbers, {number: word for word, number in numbers.items()})
        return found


_WORDS = _Words()


def decode(data: Any, into: Message, *, hidden: Collection[str] = (), path: str = "") -> None:
    """Fill a message from parsed JSON; null means absent.

    `hidden` fields (top level) are not the body's to give: they come from the path or a header. Raises INVALID /
    INVALID_REQUEST with the fields at fault, named by their paths (`residents[0].phone`) below `path`; at most 50 of
    them, so that an answer is not larger than what it answers.
    """
    faults: dict[str, str] = {}
    _fill(into, data, path, hidden, faults)
    if faults:
        raise DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.", fields=faults)


def _fill(message: Message, data: Any, path: str, hidden: Collection[str], faults: dict[str, str]) -> None:
    if not isinstance(data, Mapping):
        faults[path] = "must be an object"
        return
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in data.items():
        if len(faults) >= _MOST_FAULTS:
            break
        field = fields.get(name)
        place = f"{path}.{name}" if path else str(name)
        if field is None or name in hidden:
            _refuse(name, path, place, faults)
        elif value is None:
            continue
        elif field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name) is not None:
            faults[place] = "only one of these alternatives may be given"
        elif field.is_repeated:
            _set_list(getattr(message, name), field, value, place, faults)
        else:
            _set(message, field, value, place, faults)


def _refuse(name: str, path: str, place: str, faults: dict[str, str]) -> None:
    if _FIELD.fullmatch(name):
        faults[place] = "is not a field of this request"
    else:  # nobody's idea of a field: it is content, and answers do not quote what was sent
        faults[path] = "has something that is not a field of this request"


def _set_list(items: Any, field: Field, value: Any, place: str, faults: dict[str, str]) -> None:
    if not isinstance(value, list):
        faults[place] = "must be a list"
        return
    for index, item in enumerate(value):
        if len(faults) >= _MOST_FAULTS:
            break
        _add(items, field, item, f"{place}[{index}]", faults)


def _set(message: Message, field: Field, value: Any, place: str, faults: dict[str, str]) -> None:
    if field.message_type is not None and field.message_type.full_name != TIMESTAMP:
        target = getattr(message, field.name)
        target.SetInParent()  # an object without fields is still there
        _fill(target, value, place, (), faults)
        return
    try:
        if field.message_type is not None:
            getattr(message, field.name).FromDatetime(instant(value))
        else:
            setattr(message, field.name, _scalar(field, value))
    except _WrongError as wrong:
        faults[place] = str(wrong)


def _add(items: Any, field: Field, value: Any, place: str, faults: dict[str, str]) -> None:
    if field.message_type is not None:
        _fill(items.add(), value, place, (), faults)
        return
    try:
        items.append(_scalar(field, value))
    except _WrongError as wrong:
        faults[place] = str(wrong)


def _scalar(field: Field, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        if not isinstance(value, bool):
            raise _WrongError("must be true or false")
        return value
    if field.type in _LIMITS:
        low, high = _LIMITS[field.type]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _WrongError(f"must be an integer from {low} to {high}")
        return value
    if not isinstance(value, str):
        raise _WrongError("must be a string")
    if field.type == FieldDescriptor.TYPE_BYTES:
        return unbase64(value)
    if field.enum_type is not None:
        known = _WORDS.of(field.enum_type)[0]
        number = known.get(value)
        if number is None:
            raise _WrongError(f"is not one of: {', '.join(word for word in known if word != 'unspecified')}")
        return number
    if "\x00" in value:
        raise _WrongError("must not contain the character U+0000")
    return value


def unbase64(text: str) -> bytes:
    """base64url, padded or not; raises ValueError."""
    if _BASE64URL.fullmatch(text) is None:
        raise _WrongError("must be base64url")
    bare = text.rstrip("=")
    try:
        return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise _WrongError("must be base64url") from None


def base64(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def instant(value: Any) -> datetime:
    """An RFC 3339 time with its offset; raises ValueError."""
    if not isinstance(value, str) or _RFC3339.fullmatch(value) is None:
        raise _WrongError("must be a time as in RFC 3339, with its offset")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _WrongError("is no time that exists") from None


def from_query(message: Message, query: Mapping[str, str], *, hidden: Collection[str] = ()) -> None:
    """Fill a message of scalars from a query string; raises as `decode`."""
    data: Json = {}
    for name, text in query.items():
        field = message.DESCRIPTOR.fields_by_name.get(name)
        # `?page_token=` says what leaving it out says.
        data[name] = _typed(field, text) if field is not None and text else text or None
    decode(data, message, hidden=hidden)


def _typed(field: Field, text: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    if field.type in _LIMITS:
        return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text) else text
    return text


def encode(message: Message, special: Mapping[str, Callable[[Any], Any]] | None = None) -> Json:
    """A message as JSON values. Message fields that are not set are left out; everything else is always there.

    `special` encodes messages of the named types in its own way. An enum value newer than this process is written as
    `value_<number>`: enums are open.
    """
    found: Json = {}
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            found[field.name] = [_value(field, item, special) for item in getattr(message, field.name)]
        elif field.message_type is None or message.HasField(field.name):
            found[field.name] = _value(field, getattr(message, field.name), special)
    return found


def _value(field: Field, value: Any, special: Mapping[str, Callable[[Any], Any]] | None) -> Any:
    kind = field.message_type
    if kind is not None:
        if kind.full_name == TIMESTAMP:
            return value.ToDatetime(UTC).isoformat().replace("+00:00", "Z")
        own = special.get(kind.full_name) if special else None
        return own(value) if own else encode(value, special)
    if field.enum_type is not None:
        return _WORDS.of(field.enum_type)[1].get(value, f"value_{value}")
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64(value)
    return value
