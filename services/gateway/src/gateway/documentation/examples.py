"""Examples for the documentation: one sample per field name, so that the same thing looks the same everywhere.

All of it is invented; the national ID is the one that the standard GB 11643 itself prints.
"""

from collections.abc import Collection
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from google.protobuf.descriptor import FieldDescriptor

from gateway.codec import TIMESTAMP, Field, Json, base64, words
from gateway.operations import Descriptor, rules_of

_SAMPLES: dict[str, Any] = {
    "area": "141102001001",
    "address": "凤山街道 1 号",
    "name": "示例",
    "label": "scanner 1, north gate",
    "id_number": "11010519491231002X",
    "phone": "+8613800000000",
    "drill_id": "",
    "title": "示例方案",
    "day": 19061,
    "zone": 17,
    "capacity": 60,
    "credential": "LLT1:6BFOXN*TS0BI$ZD",
    "venue_code": "LLV1:6BFOXN*TS0BI$ZD",
    "code": "LLV1:6BFOXN*TS0BI$ZD",
    "card": "LLC1:6BFOXN*TS0BI$ZD",
    "visit_id": "AAAAAAAAAAAAAAAAAAAAAAAA",
    "visit_ids": "AAAAAAAAAAAAAAAAAAAAAAAA",
    "statement": "",
    "tracking_number": "",
    "item": "masks",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "grounds": "示例",
    "next_page_token": "",
    "page_token": "",
    "page_size": 100,
    "operators": "shop-17",
    "licence": "91141102MA0K00000X",
    "kept_venue_id": "",
    "merged_into": "",
    "query": "",
    "approver_roles": "approver",
    "text_zh": "示例",
    "text_en": "Example",
    "policy_title": "示例方案",
    "venue_name": "",
    "infectious_days_before": 2,
    "close_contact_minutes": 10,
    "close_contact_days": 7,
    "case_days": 10,
    "largest_zone": 300,
    "impact_cap": 500,
    "passage_minutes": 10,
    "late": False,
    "scanned_by_staff": True,
    "total": 1,
    "restrictions_ended": 3,
}
_TIMES = {"effective_from": "2022-03-10T00:00:00Z", "ends_at": "2022-03-17T16:00:00Z"}
_TIME = "2022-03-10T04:00:00Z"
_OPTIONAL = frozenset({"scanned_at", "left_at", "consent", "error", "confirmed_at", "error_reason", "error_message"})
_OF_DRILLS = {"StartDrillRequest", "EndDrillRequest", "StartDrillResponse"}


def sample_id(name: str) -> str:
    """A UUID that is always the same for a name."""
    return str(uuid5(NAMESPACE_URL, f"urn:lilitong:example:{name}"))


def example(message: Descriptor, hidden: Collection[str] = ()) -> Json:
    """An example of a message as JSON; fields that are usually not there are left out."""
    found: Json = {}
    for field in message.fields:
        if field.name in hidden or (field.message_type is not None and field.name in _OPTIONAL):
            continue
        if field.name in _OPTIONAL or (
            field.containing_oneof is not None and field != field.containing_oneof.fields[0]
        ):
            continue
        if field.is_repeated:
            found[field.name] = [value(field, rules_of(field).repeated.items)]
        else:
            found[field.name] = value(field, rules_of(field))
    return found


def value(field: Field, rules: Any) -> Any:
    """An example of one value of a field."""
    message = field.message_type
    if message is not None:
        return _TIMES.get(field.name, _TIME) if message.full_name == TIMESTAMP else example(message)
    if field.enum_type is not None:
        return list(words(field.enum_type))[1]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64(bytes(rules.bytes.len or max(rules.bytes.min_len, 8)))
    if field.name in _SAMPLES:
        # A drill's own calls name one; elsewhere it is usually empty.
        own = field.name == "drill_id" and field.containing_type.name in _OF_DRILLS
        return "drill-2022-03" if own else _SAMPLES[field.name]
    if rules.string.uuid or field.name.endswith(("_id", "_ids")):
        return sample_id(field.name.removesuffix("s"))
    return {FieldDescriptor.TYPE_BOOL: False, FieldDescriptor.TYPE_STRING: "…"}.get(field.type, 1)
