"""Whether a call may proceed: deadline, credentials, rule, purpose, validity, area; in that order."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from re import compile as compile_pattern
from typing import Any

from chassis import access
from chassis.auth import ANONYMOUS, Authenticator, Caller, refused
from chassis.errors import DomainError, Kind
from chassis.rpc import outgoing
from chassis.rpc.validation import readable, validate

_PURPOSE = compile_pattern(r"[a-z0-9][a-z0-9_.-]{0,63}")
_REFERENCE = compile_pattern(r"[\x21-\x7e]{1,128}")
_SINGLE = frozenset({"authorization", "x-purpose", "x-purpose-ref"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What a server applies to all its methods. `hot` methods start a trace with the chance `hot_ratio` only."""

    authenticators: Sequence[Authenticator] = ()
    hot: frozenset[str] = frozenset()
    hot_ratio: float = 0.01


def metadata_of(context: Any) -> dict[str, str]:
    """A call's text metadata. What decides about access may be said only once; a repeat is refused."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            if name in found and name in _SINGLE:
                raise DomainError(Kind.INVALID, "AMBIGUOUS_METADATA", "A header was sent twice.")
            found[name] = value
    return found


async def authenticate(authenticators: Sequence[Authenticator], metadata: Mapping[str, str]) -> Caller:
    """The caller by the first authenticator that knows the credentials; raises UNAUTHENTICATED on bad ones."""
    for authenticator in authenticators:
        caller = await authenticator(metadata)
        if caller is not None:
            return caller
    if "authorization" in metadata:
        raise refused()  # credentials that nobody here understands are bad credentials
    return ANONYMOUS


async def admit(
    policy: Policy, rule: access.Rule, method: str, metadata: Mapping[str, str], seconds: float | None, *, streams: bool
) -> access.CallState:
    """Everything that can be decided without the request; binds the call's state to the running task.

    `seconds` is the time left, None without a deadline: refused for unary calls, allowed for streams.
    """
    if seconds is None and not streams:
        raise DomainError(Kind.INVALID, "DEADLINE_REQUIRED", "Every call needs a deadline.")
    caller = await authenticate(policy.authenticators, metadata)
    purpose, reference = metadata.get("x-purpose", ""), metadata.get("x-purpose-ref", "")
    state = access.CallState(admitted(rule, caller, purpose, reference), method)
    access.begin(state)
    deadline = None if seconds is None else time.monotonic() + seconds
    outgoing.bind(outgoing.Incoming(deadline, metadata.get("authorization", ""), purpose, reference))
    return state


def admitted(rule: access.Rule, caller: Caller, purpose: str, reference: str) -> Caller:
    """The caller with the call's purpose, if the rule admits both; the gateway's routes use it too.

    Raises UNAUTHENTICATED for nobody, DENIED for the wrong kind or role, INVALID for a missing or odd purpose.
    """
    if not rule.admits(caller):
        if caller.kind == "anonymous":
            raise refused("CREDENTIALS_REQUIRED")
        raise DomainError(Kind.DENIED, "NOT_ALLOWED", "Your role does not allow this.")
    if not purpose and not reference:
        if rule.purpose:
            raise DomainError(
                Kind.INVALID, "PURPOSE_REQUIRED", "Say why: a purpose and the case or task that it serves are required."
            )
        return caller
    if _PURPOSE.fullmatch(purpose) is None or _REFERENCE.fullmatch(reference) is None:
        raise DomainError(Kind.INVALID, "PURPOSE_MALFORMED", "The purpose or its reference is malformed.")
    return replace(caller, purpose=purpose, purpose_ref=reference)


def check_request(rule: access.Rule, caller: Caller, request: Any) -> None:
    """Refuse a request that breaks its contract, or that names an area the caller is not responsible for."""
    validate(readable(request))
    access.check_request_area(rule, caller, request)


async def validated(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A request stream whose messages are validated as they come."""
    async for request in requests:
        validate(readable(request))
        yield request


async def all_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A request stream that ends with a refusal at the first message that does not decode."""
    async for request in requests:
        yield readable(request)


def check_answered(rule: access.Rule, state: access.CallState) -> None:
    """Refuse to answer for a handler that should have called `require_area` and did not."""
    if rule.area is access.RESOURCE and not state.area_checked and state.caller.kind != "workload":
        raise access.AccessError(f"{state.method} answered without require_area")
