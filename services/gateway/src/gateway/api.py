"""The FastAPI application: one route per operation, each with its access rule, none without."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import orjson
from chassis.access import NOWHERE, AccessError, Rule, allow, rule_of
from chassis.errors import DomainError, Kind
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from gateway.documentation.document import document
from gateway.door import headers_of
from gateway.front import visit_of
from gateway.hot import CheckIns
from gateway.operations import Operation
from gateway.problems import HttpError
from gateway.readiness import Readiness
from gateway.records import LIST_PATH as PUBLISHED
from gateway.records import PATH as RECORD
from gateway.records import Records
from gateway.routes import OPERATIONS
from gateway.serving import Parts, refuse, serve
from gateway.verification import PATH as VERIFICATION
from gateway.verification import Verifications

Endpoint = Callable[[Request], Awaitable[Response]]
_JSON = "application/json"
_WRONG_METHOD = 405


@dataclass(frozen=True, slots=True)
class Opened:
    """What is served to everybody."""

    verifications: Verifications
    records: Records


def build_api(parts: Parts, readiness: Readiness, check_ins: CheckIns, opened: Opened) -> FastAPI:
    """All routes. Raises `AccessError` when one has no rule: a gateway with an open door does not start."""
    # Its own telemetry would put addresses, which hold people's ids, into spans; ours names route templates.
    api = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for operation in OPERATIONS:
        if operation.hot:
            # Requests reach it by the front's short cut; it stands here to be found by whoever walks the routes.
            api.router.routes.append(Route(operation.path, check_ins, methods=[operation.verb], name=operation.id))
        else:
            api.add_api_route(
                operation.path,
                _endpoint(operation, parts),
                methods=[operation.verb],
                name=operation.id,
                operation_id=operation.id,
            )
    api.add_api_route(VERIFICATION, opened.verifications.serve, methods=["GET"], name="verifyDocument")
    api.add_api_route(RECORD, opened.records.serve, methods=["GET"], name="getSpotCheckRecord")
    api.add_api_route(PUBLISHED, opened.records.serve_list, methods=["GET"], name="listPublishedSpotChecks")
    _system_routes(api, readiness)
    api.add_exception_handler(HTTPException, _no_such_route)
    rules(api)
    return api


def rules(api: FastAPI) -> Mapping[str, Rule]:
    """`VERB /path` → rule of every route, for the access matrix. Raises `AccessError` when one has none."""
    found: dict[str, Rule] = {}
    for route in api.routes:
        # A function carries its rule itself, the hot route's application on what answers a call.
        endpoint = getattr(route, "endpoint", None)
        rule = rule_of(endpoint) or rule_of(type(endpoint).__call__) if callable(endpoint) else None
        if not isinstance(route, Route) or rule is None:
            raise AccessError(f"{getattr(route, 'path', route)} has no access rule")
        for method in sorted((route.methods or set()) - {"HEAD"}):
            found[f"{method} {route.path}"] = rule
    return MappingProxyType(found)


def methods_of(api: FastAPI, scope: Scope) -> set[str]:
    """The methods that an address takes; empty when there is no such address."""
    found: set[str] = set()
    for route in api.routes:
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return found | ({"OPTIONS"} if found else set()) | ({"HEAD"} if "GET" in found else set())


def _endpoint(operation: Operation, parts: Parts) -> Endpoint:
    @_ruled(operation)
    async def endpoint(request: Request) -> Response:
        visit_of(request.scope).route = operation.path
        return await serve(operation, parts, request)

    return endpoint


def _ruled(operation: Operation) -> Callable[[Endpoint], Endpoint]:
    rule = operation.rule
    return allow(roles=rule.roles, area=rule.area, purpose=rule.purpose)


def _system_routes(api: FastAPI, readiness: Readiness) -> None:
    description = cache(lambda: orjson.dumps(document(OPERATIONS)))

    @allow(anonymous=True, area=NOWHERE)
    async def healthz(request: Request) -> Response:
        visit_of(request.scope).route = "/healthz"
        return Response(b'{"status":"alive"}', 200, None, _JSON)

    @allow(anonymous=True, area=NOWHERE)
    async def readyz(request: Request) -> Response:
        visit_of(request.scope).route = "/readyz"
        ready, report = await readiness.look()
        headers = {} if ready else {"retry-after": "1"}
        return Response(orjson.dumps(report), 200 if ready else 503, headers, _JSON)

    @allow(anonymous=True, area=NOWHERE)
    async def described(request: Request) -> Response:
        visit_of(request.scope).route = "/openapi.json"
        return Response(description(), 200, None, _JSON)

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/openapi.json", described)):
        api.add_api_route(path, endpoint, methods=["GET"], name=endpoint.__name__)


async def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405 of the router, as problems."""
    try:
        headers = headers_of(request.scope)
    except DomainError as ambiguous:
        return refuse(ambiguous, {})
    api = request.scope["app"]
    allowed = methods_of(api, request.scope)
    if allowed and isinstance(error, HTTPException) and error.status_code == _WRONG_METHOD:
        wrong = HttpError(
            _WRONG_METHOD,
            Kind.INVALID,
            "METHOD_NOT_ALLOWED",
            "This address does not take that method.",
            headers={"allow": ", ".join(sorted(allowed))},
        )
        return refuse(wrong, headers)
    return refuse(DomainError(Kind.NOT_FOUND, "NO_SUCH_ROUTE", "There is nothing at this address."), headers)
