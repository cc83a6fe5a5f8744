"""Who comes in: headers read once, the token verified, the route's rule and the caller's rate held against it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.access import Rule
from chassis.auth import ANONYMOUS, Caller, TokenVerifier, refused
from chassis.errors import DomainError, Kind
from chassis.rpc.admission import admitted

from gateway.limits import Buckets
from gateway.problems import HttpError

Headers = dict[str, str]

_KEY = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
# What decides about access or effect may be said only once.
_SINGLE = frozenset({
    "authorization", "idempotency-key", "x-purpose", "x-purpose-ref", "content-type", "content-encoding",
    "traceparent", "host",
})  # fmt: skip


def headers_of(scope: Mapping[str, Any]) -> Headers:
    """A request's headers by lower-case name; raises INVALID when a decisive one comes twice."""
    pairs = scope["headers"]
    once = dict(pairs)
    if len(once) == len(pairs):  # as nearly always
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in once.items()}
    found: Headers = {}
    for raw, value in pairs:
        name = raw.decode("latin-1")
        if name in found:
            if name in _SINGLE:
                raise DomainError(Kind.INVALID, "AMBIGUOUS_HEADER", f"The header {name} was sent twice.")
            found[name] += "," + value.decode("latin-1")
        else:
            found[name] = value.decode("latin-1")
    return found


def idempotency_key(headers: Headers) -> str:
    """The Idempotency-Key, a UUID in lower case; raises INVALID when it is missing or none."""
    key = headers.get("idempotency-key")
    if key is None:
        raise DomainError(
            Kind.INVALID,
            "IDEMPOTENCY_KEY_REQUIRED",
            "Send a fresh UUID as Idempotency-Key, and the same one when you repeat the request.",
        )
    return checked_key(key)


def checked_key(key: object) -> str:
    """A UUID in lower case; raises INVALID."""
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise DomainError(Kind.INVALID, "IDEMPOTENCY_KEY_MALFORMED", "The idempotency key must be a UUID.")
    return key.lower()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller let in, and the RateLimit headers for the answer."""

    caller: Caller
    rate_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Door:
    """Each service behind verifies the same token again: the gateway's check is early, not instead."""

    verifier: TokenVerifier

    async def admit(self, rule: Rule, headers: Headers, buckets: Buckets) -> Admitted:
        """The caller; raises UNAUTHENTICATED, DENIED, INVALID (purpose) or a 429."""
        caller = await self.verifier(headers)
        if caller is None:
            if "authorization" in headers:
                raise refused()
            caller = ANONYMOUS
        if caller.kind == "anonymous":
            raise refused("CREDENTIALS_REQUIRED")
        taken = buckets.take(caller.subject)
        rate = {"ratelimit-policy": buckets.policy, "ratelimit": buckets.header(taken)}
        if not taken.allowed:
            raise HttpError(
                429,
                Kind.EXHAUSTED,
                "RATE_LIMITED",
                "You are asking faster than your limit allows.",
                headers=rate | {"retry-after": str(max(math.ceil(taken.wait), 1))},
            )
        caller = admitted(rule, caller, headers.get("x-purpose", ""), headers.get("x-purpose-ref", ""))
        return Admitted(caller, rate)
