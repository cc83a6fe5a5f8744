"""Request validation by the rules written in the contracts (protovalidate)."""

from typing import Any

import protovalidate
from google.protobuf.message import Message

from chassis.errors import DomainError, Kind


def validate(message: Message) -> None:
    """Refuse a message that breaks its contract's rules: INVALID / INVALID_REQUEST with every field at fault.

    About 2 µs for a valid message, so it runs on every request, the hot ones included. A rule about the message as a
    whole is reported under the empty path.
    """
    violations = protovalidate.collect_violations(message)
    if not violations:
        return
    fields: dict[str, str] = {}
    for violation in violations:
        path = _path(violation.proto.field)
        text = violation.proto.message or violation.proto.rule_id or "invalid"
        fields[path] = f"{fields[path]}; {text}" if path in fields else text
    raise DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.", fields=fields)


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
