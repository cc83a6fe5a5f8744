"""Who may call what: a rule beside each RPC, default deny.

    @allow(roles={"tracer"}, area="case.area", purpose=True)
    async def OpenCase(self, request, context): ...

A method without a rule keeps the server from starting (`AccessError`), and `matrix` lists every method with its
rule for the generated test that walks endpoint × role × area prefix.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from chassis.auth import Caller
from chassis.errors import DomainError, Kind

_F = TypeVar("_F", bound=Callable[..., Any])
_ATTRIBUTE = "__access_rule__"


class AccessError(Exception):
    """A rule is missing or contradicts itself; found when a server is put together, never while serving."""


class AreaFrom(Enum):
    """Where the area of a call comes from when it is not in the request."""

    RESOURCE = "resource"  # the handler finds it and calls `require_area` before it writes anything
    NOWHERE = "nowhere"  # the call has no area dimension (own data, a device's own post, reference data)


RESOURCE = AreaFrom.RESOURCE
NOWHERE = AreaFrom.NOWHERE

AreaRule = str | Callable[[Any], str | Iterable[str]] | AreaFrom


@dataclass(frozen=True, slots=True)
class Rule:
    """One method's access rule. A caller passes if any of roles, workloads, devices, anonymous admits it.

    `area` is a dotted field path in the request (repeated fields: every element counts), a function of the request,
    `RESOURCE` or `NOWHERE`. It binds people and devices. Workloads serve a whole cell and are listed one by
    one, so no area binds them. `purpose` demands `x-purpose` and `x-purpose-ref`.
    """

    roles: frozenset[str]
    area: AreaRule
    workloads: frozenset[str] = frozenset()
    devices: bool = False
    anonymous: bool = False
    purpose: bool = False

    def admits(self, caller: Caller) -> bool:
        """Whether this kind of caller may try at all; the area is checked apart."""
        match caller.kind:
            case "person":
                return self.anonymous or not self.roles.isdisjoint(caller.roles)
            case "workload":
                return self.anonymous or caller.subject.removeprefix("workload:") in self.workloads
            case "device":
                return self.anonymous or self.devices
            case _:
                return self.anonymous


def allow(
    *,
    roles: Collection[str] = (),
    area: AreaRule,
    workloads: Collection[str] = (),
    devices: bool = False,
    anonymous: bool = False,
    purpose: bool = False,
) -> Callable[[_F], _F]:
    """Declare the rule of a servicer method. Raises `AccessError` when the rule admits nobody or contradicts itself."""
    if isinstance(roles, str) or isinstance(workloads, str):
        raise AccessError("roles and workloads are collections of names, not one string")
    if not (roles or workloads or devices or anonymous):
        raise AccessError("a rule must admit somebody; delete the method instead")
    if anonymous and area is not NOWHERE:
        raise AccessError("an anonymous caller has no area; use NOWHERE")
    rule = Rule(frozenset(roles), area, frozenset(workloads), devices, anonymous, purpose)

    def mark(method: _F) -> _F:
        setattr(method, _ATTRIBUTE, rule)
        return method

    return mark


def rule_of(method: Callable[..., Any]) -> Rule | None:
    """The rule declared on a function or bound method."""
    rule = getattr(method, _ATTRIBUTE, None)
    return rule if isinstance(rule, Rule) else None


def rules_of(servicer: object) -> dict[str, Rule]:
    """Method name → rule for every method of a servicer (instance or class) that declares one."""
    found: dict[str, Rule] = {}
    for name in dir(servicer):
        rule = rule_of(getattr(servicer, name))
        if rule is not None:
            found[name] = rule
    return found


class HasMethods(Protocol):
    """Anything that knows its methods' rules, such as `chassis.rpc.server.Server`."""

    @property
    def methods(self) -> Mapping[str, Rule]: ...


def matrix(*servers: HasMethods) -> list[tuple[str, Rule]]:
    """Every `/package.Service/Method` of the servers with its rule, sorted."""
    return sorted((pair for server in servers for pair in server.methods.items()), key=lambda pair: pair[0])


@dataclass(slots=True)
class CallState:
    """What is known about the call being served; one per call, shared by the tasks the handler starts."""

    caller: Caller
    method: str = ""
    area_checked: bool = False


_call: ContextVar[CallState | None] = ContextVar("chassis_call", default=None)


def begin(state: CallState) -> None:
    """Bind the state to the running task; for the one RPC guard and the gateway's middleware."""
    _call.set(state)


@contextmanager
def calling(caller: Caller) -> Iterator[CallState]:
    """Run a block as `caller`: for tests of handlers and for work that a stored command asks for."""
    state = CallState(caller)
    token = _call.set(state)
    try:
        yield state
    finally:
        _call.reset(token)


def current_caller() -> Caller:
    """Who is behind the call being served. Raises UNAUTHENTICATED outside a call."""
    state = _call.get()
    if state is None:
        raise DomainError(Kind.UNAUTHENTICATED, "NO_CALLER", "Valid credentials are required.")
    return state.caller


def require_area(area: str) -> None:
    """Refuse unless the caller's area prefixes cover `area`; raises DENIED / OUT_OF_AREA.

    With `area=RESOURCE` a handler calls this after it has read the thing and before it writes: the
    exception then rolls its transaction back. A handler that returns without having called it is answered
    with INTERNAL, but what it had committed by then would stay.
    """
    state = _call.get()
    if state is None:
        raise DomainError(Kind.UNAUTHENTICATED, "NO_CALLER", "Valid credentials are required.")
    if state.caller.kind != "workload" and not state.caller.covers(area):
        raise out_of_area()
    state.area_checked = True


def out_of_area() -> DomainError:
    """The one refusal for a wrong area: it does not say whether the thing exists."""
    return DomainError(Kind.DENIED, "OUT_OF_AREA", "This lies outside the areas you are responsible for.")


def areas_in(rule: Rule, request: Any) -> list[str]:
    """The areas that a request names, by the rule's path or function; empty when it names none."""
    if isinstance(rule.area, AreaFrom):
        return []
    if callable(rule.area):
        named = rule.area(request)
        return [named] if isinstance(named, str) else list(named)
    values: list[Any] = [request]
    for part in rule.area.split("."):
        nested: list[Any] = []
        for value in values:
            attribute = getattr(value, part)
            if isinstance(attribute, str) or not isinstance(attribute, Iterable):
                nested.append(attribute)
            else:
                nested.extend(attribute)
        values = nested
    return [str(value) for value in values]


def check_request_area(rule: Rule, caller: Caller, request: Any) -> None:
    """Refuse a request whose areas are not all covered; naming no area is refused too (default deny)."""
    if isinstance(rule.area, AreaFrom) or caller.kind == "workload":
        return
    areas = areas_in(rule, request)
    if not areas or not all(map(caller.covers, areas)):
        raise out_of_area()
