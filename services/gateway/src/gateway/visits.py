"""What check-ins need beyond their contract: the visit key made from the idempotency key, and how a refusal is read."""

from hashlib import sha256
from typing import Any

from chassis.errors import DomainError, Kind
from chassis.rpc.status import from_proto

VISIT_KEY = "visit_key"
_KEY_BYTES = 8


def visit_key(key: str) -> bytes:
    """The visit key of a check-in's idempotency key (a UUID in lower case): the first 8 bytes of its SHA-256."""
    return sha256(key.encode()).digest()[:_KEY_BYTES]


def refusal(result: Any) -> DomainError | None:
    """The refusal in a `BatchCheckInResponse.Result`; None when the check-in was answered."""
    if result.HasField("response"):
        return None
    if result.HasField("error"):
        known = from_proto(result.error)
    elif result.error_reason:
        # A service older than the field `error`, in the middle of an upgrade: it does not tell the kind.
        known = DomainError(Kind.INVALID, result.error_reason, result.error_message)
    else:
        known = None
    return known or DomainError(Kind.INTERNAL, "PEER_FAILED", "Something failed inside the service.")
