"""Who may call what: every RPC and every route with its rule, read from the code.

python tools/access/access_table.py write   write docs/access.md
python tools/access/access_table.py check   fail unless every endpoint has a rule and docs/access.md is current

tests/access walks the same list over gRPC and REST.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, Final

from chassis.access import NOWHERE, RESOURCE, Rule, rule_of
from gateway.operations import Operation
from gateway.routes import OPERATIONS
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

PAGE: Final = Path(__file__).parents[2] / "docs/access.md"
SERVICES: Final = ("venue", "checkpoint", "quarantine")
WORKLOADS: Final = (*SERVICES, "gateway")
ROLES: Final = (
    "app_backend",
    "grid_worker",
    "volunteer",
    "registrar",
    "tracer",
    "approver",
    "laboratory",
    "policy_editor",
    "command",
    "venue_officer",
    "venue_operator",
    "inspector",
    "enforcement_lead",
    "checkpoint_lead",
    "auditor",
)

_PRESENTED = "Authorised by what the visitor presents; residents go where they like."
_POLICY = "A policy is the whole district's."
_DEVICE = "A device acts for the post it is enrolled for, and only that post's number is written."
NO_AREA: Final[Mapping[str, str]] = {
    "/lilitong.venue.v1.VisitService/CheckIn": _PRESENTED,
    "/lilitong.venue.v1.VisitService/BatchCheckIn": _PRESENTED,
    "/lilitong.venue.v1.VisitService/CheckOut": "Whoever holds the random visit id of a check-in is who checked in.",
    "/lilitong.venue.v1.InspectionService/GetChecklist": "A checklist is the same everywhere, and says nothing about anybody.",
    "/lilitong.checkpoint.v1.ScanService/Scan": _DEVICE,
    "/lilitong.checkpoint.v1.ScanService/RecordScans": _DEVICE,
    "/lilitong.checkpoint.v1.ScanService/Sync": "The list is the whole district's, and the same for every scanner.",
    "/lilitong.quarantine.v1.PolicyService/DraftPolicy": _POLICY,
    "/lilitong.quarantine.v1.PolicyService/ApprovePolicy": _POLICY,
    "/lilitong.quarantine.v1.PolicyService/GetPolicy": _POLICY,
    "/lilitong.quarantine.v1.PolicyService/GetActivePolicy": _POLICY,
    "/lilitong.quarantine.v1.DaySetService/ListDaySetSegments": "The list is the whole district's.",
    "/lilitong.quarantine.v1.KeyService/ListVerificationKeys": "Public keys, the same for everybody.",
}
"""Why a call has no area. A rule with NOWHERE and no reason here is a fault."""

_VERIFIED = "Whoever stands before a door checks what hangs there; the answer names nobody."
_PUBLISHED = (
    "Whoever wants to draw again must be able to. Before it is published it is for nobody; it holds ids and no names."
)
_OVER = "Nobody draws again what they cannot find; only spot checks that are over are listed, without venues or people."
OPEN: Final[Mapping[str, str]] = {
    "/grpc.health.v1.Health": "Probes carry no credentials; the answer is one word.",
    "/grpc.reflection.v1alpha.ServerReflection": "Contracts are public.",
    "GET /healthz": "Probes carry no credentials; the answer is one word.",
    "GET /readyz": "Probes carry no credentials; the answer names the parts that do not work.",
    "GET /openapi.json": "Contracts are public.",
    "/lilitong.venue.v1.DocumentService/VerifyDocument": _VERIFIED,
    "GET /v1/document-verifications/{verification_id}": _VERIFIED,
    "/lilitong.venue.v1.SpotCheckService/GetSpotCheckRecord": _PUBLISHED,
    "GET /v1/spot-checks/{draw_id}/record": _PUBLISHED,
    "/lilitong.venue.v1.SpotCheckService/ListPublishedSpotChecks": _OVER,
    "GET /v1/published-spot-checks": _OVER,
}
"""What anybody may call, beside the RPCs and routes with rules."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One RPC with its rule, and its route if the gateway has one."""

    path: str
    rule: Rule
    method: MethodDescriptor
    operation: Operation | None

    @property
    def service(self) -> str:
        """The process that serves it: `venue` for `lilitong.venue.v1`."""
        return self.path.split(".")[1]

    @property
    def request(self) -> type[Message]:
        return GetMessageClass(self.method.input_type)

    @property
    def response(self) -> type[Message]:
        return GetMessageClass(self.method.output_type)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every endpoint by its full name, and what is wrong, in sentences."""

    endpoints: Mapping[str, Endpoint]
    faults: tuple[str, ...]


def collect() -> Catalog:
    """Read the rules of everything that the contracts promise."""
    faults: list[str] = []
    routes = _routes(faults)
    endpoints: dict[str, Endpoint] = {}
    open_to_all: set[str] = set()
    for contract, base, served_by in _contracts():
        if len(served_by) != 1:
            names = ", ".join(sorted(one.__qualname__ for one in served_by)) or "nothing"
            faults.append(f"{contract.full_name} is to be served by one class of its service, and is by {names}.")
            continue
        for method in contract.methods:
            path = f"/{contract.full_name}/{method.name}"
            function = getattr(served_by[0], method.name)
            if function is getattr(base, method.name):
                faults.append(f"{path} is in the contract but nothing implements it.")
            elif (rule := rule_of(function)) is None:
                faults.append(f"{path} has no access rule: put @allow(…) on it.")
            elif rule.anonymous:
                open_to_all.add(path)
            else:
                endpoints[path] = Endpoint(path, rule, method, routes.pop(path, None))
    faults += [f"{path} is open to anybody and OPEN does not say why." for path in open_to_all if path not in OPEN]
    faults += [f"{one.verb} {one.path} leads to {path}, which has no rule." for path, one in routes.items()]
    faults += [fault for one in endpoints.values() for fault in _rule_faults(one)]
    faults += [
        f"NO_AREA gives a reason for {path}, which has an area or is gone."
        for path in NO_AREA
        if path not in endpoints or endpoints[path].rule.area is not NOWHERE
    ]
    return Catalog(dict(sorted(endpoints.items())), tuple(sorted(faults)))


def _rule_faults(endpoint: Endpoint) -> Iterator[str]:
    rule = endpoint.rule
    for role in sorted(rule.roles.difference(ROLES)):
        yield f"{endpoint.path} admits the role {role}, which nobody has."
    for workload in sorted(rule.workloads.difference(WORKLOADS)):
        yield f"{endpoint.path} admits the service {workload}, which does not exist."
    if rule.area is NOWHERE and endpoint.path not in NO_AREA:
        yield f"{endpoint.path} has no area and NO_AREA does not say why."
    if endpoint.operation is not None:
        route = endpoint.operation.rule
        if (route.roles, route.area, route.purpose) != (rule.roles, rule.area, rule.purpose):
            yield f"{endpoint.operation.verb} {endpoint.operation.path} has another rule than {endpoint.path}."
        if route.workloads or route.devices or route.anonymous:
            yield f"{endpoint.operation.verb} {endpoint.operation.path} admits others than people."


def _routes(faults: list[str]) -> dict[str, Operation]:
    routes: dict[str, Operation] = {}
    for operation in OPERATIONS:
        if operation.rpc.path in routes:
            faults.append(f"{operation.rpc.path} has two routes; tests/access walks one route of each.")
        routes[operation.rpc.path] = operation
    return routes


def _contracts() -> Iterator[tuple[ServiceDescriptor, type, list[type]]]:
    """Every service of our contracts: descriptor, generated base class, classes of the right package that derive from it."""
    for service in SERVICES:
        for name in _modules(service):
            import_module(name)
        for name in _modules(f"lilitong.{service}.v1"):
            if not name.endswith("_pb2_grpc"):
                continue
            generated = import_module(name)
            messages: Any = import_module(name.removesuffix("_grpc"))
            for contract in messages.DESCRIPTOR.services_by_name.values():
                base: type = getattr(generated, f"{contract.name}Servicer")
                found = [one for one in _derived(base) if one.__module__.split(".")[0] == service]
                yield contract, base, found


def _modules(package: str) -> list[str]:
    """Names of the modules of a package; what is run as a program is not imported."""
    root: ModuleType = import_module(package)
    found = [module.name for module in walk_packages(root.__path__, f"{package}.")]
    return [name for name in found if not name.endswith("__main__")]


def _derived(base: type) -> list[type]:
    """The classes at the ends of the tree below a class."""
    children: list[type] = base.__subclasses__()
    return [leaf for child in children for leaf in (_derived(child) or [child])]


def render(catalog: Catalog) -> str:
    """docs/access.md."""
    lines = [
        "# Who may call what",
        "",
        "Made by `python tools/access/access_table.py write` from the rules beside each RPC and route; do not edit.",
        "What is not listed is refused. A person's token carries roles and area prefixes; an area covers every area that",
        "begins with it. Services name themselves by their own tokens, scanners sign theirs with the key they are",
        "enrolled with. The gateway holds the same rule against a call as the service behind it, which checks again.",
        "",
        "*Area*: where the call's area comes from. **field**: the request names it. **thing**: the stored thing that the",
        "call is about lies in it. **none**: see below the tables why. *Purpose*: the call must say why and for which case",
        "or task, and the person concerned can read that.",
    ]
    for service in SERVICES:
        lines += ["", f"## {service}", "", "| RPC | route | who | area | purpose |", "|---|---|---|---|---|"]
        lines += [_row(one) for one in catalog.endpoints.values() if one.service == service]
    lines += ["", "## Calls without an area", "", "| RPC | why |", "|---|---|"]
    lines += [f"| `{_short(path)}` | {NO_AREA[path]} |" for path in catalog.endpoints if path in NO_AREA]
    lines += ["", "## Open to anybody", "", "| what | why |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in OPEN.items()]
    return "\n".join(lines) + "\n"


def _row(endpoint: Endpoint) -> str:
    rule, operation = endpoint.rule, endpoint.operation
    who = [f"`{role}`" for role in ROLES if role in rule.roles]
    who += [f"service `{name}`" for name in WORKLOADS if name in rule.workloads]
    who += ["enrolled scanner"] if rule.devices else []
    who += ["anybody"] if rule.anonymous else []
    area = "thing" if rule.area is RESOURCE else "none" if rule.area is NOWHERE else f"field `{rule.area}`"
    route = "" if operation is None else f"`{operation.verb} {operation.path}`"
    return f"| `{_short(endpoint.path)}` | {route} | {', '.join(who)} | {area} | {'yes' if rule.purpose else ''} |"


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def main(arguments: list[str]) -> int:
    """Exit code: 0 when all is well, 1 with what is wrong, 2 for a wrong command."""
    if arguments not in (["write"], ["check"]):
        print(__doc__)
        return 2
    catalog = collect()
    for fault in catalog.faults:
        print(fault)
    if catalog.faults:
        return 1
    if arguments == ["write"]:
        PAGE.write_text(render(catalog), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != render(catalog):
        print("docs/access.md is not current: run `python tools/access/access_table.py write`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
