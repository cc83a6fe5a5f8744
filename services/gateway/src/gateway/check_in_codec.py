"""The one hot contract, JSON ↔ protobuf by hand: `gateway.codec` says what is right, this only says it faster.

Whatever is out of the ordinary goes to `gateway.codec`, so that every refusal is its refusal.
"""

from typing import Any

import orjson
from lilitong.venue.v1 import visit_pb2

from gateway import codec
from gateway.visits import VISIT_KEY

_HIDDEN = frozenset({VISIT_KEY})
_TEXTS = frozenset({"credential", "venue_code"})
_FLAGS = frozenset({"scanned_by_staff", "late"})
_PLAIN = _TEXTS | _FLAGS
_OUTCOMES = {number: word for word, number in codec.words(visit_pb2.CheckInOutcome.DESCRIPTOR).items()}
_GRADES = {number: word for word, number in codec.words(visit_pb2.PresenceGrade.DESCRIPTOR).items()}
_Request = visit_pb2.CheckInRequest


def decode(data: Any, key: bytes) -> visit_pb2.CheckInRequest:
    """The request in parsed JSON, under a visit key; raises as `codec.decode`."""
    if type(data) is dict and data.keys() <= _PLAIN and _ordinary(data):
        return _Request(visit_key=key, **data)
    message = _Request(visit_key=key)
    codec.decode(data, message, hidden=_HIDDEN)
    return message


def _ordinary(data: dict[str, Any]) -> bool:
    for name, value in data.items():
        if type(value) is str:
            if name not in _TEXTS or "\x00" in value:
                return False
        elif type(value) is not bool or name not in _FLAGS:
            return False
    return True


def encode(answer: visit_pb2.CheckInResponse) -> bytes:
    """The answer as JSON, byte for byte what `codec.encode` would give."""
    return orjson.dumps(
        {
            "outcome": _OUTCOMES.get(answer.outcome) or f"value_{answer.outcome}",
            "reasons": [codec.encode(reason) for reason in answer.reasons],
            "visit_ids": list(answer.visit_ids),
            "grade": _GRADES.get(answer.grade) or f"value_{answer.grade}",
            "list_age_seconds": answer.list_age_seconds,
            "degraded": answer.degraded,
            "drill_id": answer.drill_id,
            "reference": codec.base64(answer.reference) if answer.reference else "",
        }
    )
