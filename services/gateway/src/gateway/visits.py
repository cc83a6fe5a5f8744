"""What check-ins need beyond their contract: the visit key made from the idempotency key, and kinds of refusals."""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from chassis.errors import DomainError, Kind

VISIT_KEY = "visit_key"
_KEY_BYTES = 8

# A batch's result names a refusal's reason without its kind. What is not listed is the request's own fault.
_KINDS: Mapping[str, Kind] = MappingProxyType({
    "VISIT_KEY_REUSED": Kind.MISMATCH,
    "NOT_AN_OPERATOR": Kind.DENIED,
    "VENUE_UNKNOWN": Kind.NOT_FOUND,
    "VENUE_CODE_EXPIRED": Kind.PRECONDITION,
    "VENUE_CODE_REVOKED": Kind.PRECONDITION,
    "VENUE_CODE_NOT_YET_KNOWN": Kind.UNAVAILABLE,
    "STORE_CONFLICT": Kind.ABORTED,
    "STORE_BUSY": Kind.UNAVAILABLE,
    "STORE_UNAVAILABLE": Kind.UNAVAILABLE,
    "INTERNAL": Kind.INTERNAL,
})  # fmt: skip


def visit_key(key: str) -> bytes:
    """The visit key of a check-in's idempotency key (a UUID in lower case): the first 8 bytes of its SHA-256."""
    return sha256(key.encode()).digest()[:_KEY_BYTES]


def check_in_error(reason: str, message: str) -> DomainError:
    """The refusal that a check-in's result names."""
    return DomainError(_KINDS.get(reason, Kind.INVALID), reason, message)
