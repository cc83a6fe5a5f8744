"""Who may use which route: every route × every role, area, purpose and kind of credentials."""

from importlib import import_module

import pytest
from chassis.access import NOWHERE, AccessError, rules_of
from gateway.api import rules
from gateway.documentation.document import request_example
from gateway.documentation.examples import value
from gateway.operations import rules_of as field_rules
from gateway.routes import OPERATIONS

ROLES = (
    "app_backend", "grid_worker", "volunteer", "registrar", "tracer", "approver", "laboratory", "policy_editor",
    "command", "venue_officer", "venue_operator", "inspector", "checkpoint_lead", "auditor", "unknown_role",
)  # fmt: skip
SERVICERS = {
    "RegisterService": "quarantine.register.rpc:RegisterRpc",
    "PassService": "quarantine.issuing.rpc:PassRpc",
    "PolicyService": "quarantine.policy.rpc:PolicyRpc",
    "CaseService": "quarantine.cases.rpc:CaseRpc",
    "ContactService": "quarantine.cases.contact_rpc:ContactRpc",
    "RestrictionService": "quarantine.restrictions.rpc:RestrictionRpc",
    "DrillService": "quarantine.drills.rpc:DrillRpc",
    "VenueService": "venue.register.rpc:VenueServicer",
    "VisitService": "venue.visits.rpc:VisitServicer",
    "InspectionService": "venue.enforcement.inspections.rpc:InspectionServicer",
    "EnforcementService": "venue.enforcement.ladder.rpc:EnforcementServicer",
    "DocumentService": "venue.documents.rpc:DocumentServicer",
    "ObligationService": "venue.obligations.rpc:ObligationServicer",
    "ColdChainService": "venue.coldchain.rpc:ColdChainServicer",
    "ApplicationService": "venue.register.applications.rpc:ApplicationServicer",
    "ImportService": "venue.register.imports.rpc:ImportServicer",
    "DuplicateService": "venue.register.duplicates.rpc:DuplicateServicer",
    "SpotCheckService": "venue.spotcheck.rpc:SpotCheckServicer",
    "SummaryService": "venue.summary.rpc:SummaryServicer",
    "OccupancyService": "venue.watch.rpc:OccupancyServicer",
    "CodeTaskService": "venue.watch.rpc:CodeTaskServicer",
    "ExportService": "venue.exports.rpc:ExportServicer",
    "PostService": "checkpoint.posts.rpc:PostRpc",
}
ALL = [pytest.param(operation, id=operation.id) for operation in OPERATIONS]
pytestmark = pytest.mark.feature("X2")


def request(door, operation, headers):
    fields = operation.rpc.takes.fields_by_name
    path = operation.path.format(**{
        name: value(fields[name], field_rules(fields[name])) for name in operation.parameters
    })  # fmt: skip
    if operation.reads:
        query = {"area": "141102001001"} if "area" in fields else None
        return door.client.request(operation.verb, path, headers=headers, params=query)
    if operation.upload:
        return door.client.request(operation.verb, path, headers=headers | {"Content-Type": "text/csv"}, content=b"a,b")
    return door.client.request(operation.verb, path, headers=headers, json=request_example(operation))


@pytest.mark.parametrize("operation", ALL)
async def test_only_the_roles_of_a_route_pass_and_nobody_else_reaches_a_service(door, operation):
    for role in ROLES:
        before = len(door.peers.asked)
        response = await request(door, operation, door.headers(role, purpose=True))
        if role in operation.rule.roles:
            assert response.status_code == operation.status, (role, response.text)
        else:
            assert (response.status_code, response.json()["reason"]) == (403, "NOT_ALLOWED"), role
            assert len(door.peers.asked) == before


@pytest.mark.parametrize("operation", ALL)
async def test_without_a_good_token_nobody_passes(door, operation):
    role = min(operation.rule.roles)
    good = door.token(role)
    stranger = {"Idempotency-Key": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"}
    assert (await request(door, operation, stranger)).status_code == 401
    head, body, signature = good.split(".")
    for bad in ("", "x", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}."):
        response = await request(door, operation, stranger | {"Authorization": f"Bearer {bad}"})
        assert (response.status_code, response.json()["reason"]) == (401, "TOKEN_REFUSED")
        assert response.headers["www-authenticate"].endswith('error="invalid_token"')
    response = await request(door, operation, stranger | {"Authorization": f"Basic {good}"})
    assert response.status_code == 401
    workload = door.minter.workload("venue", now=door.clock.now().timestamp())
    assert (await request(door, operation, stranger | {"Authorization": f"Bearer {workload}"})).status_code == 403
    assert not door.peers.asked


@pytest.mark.feature("X1")
@pytest.mark.parametrize("operation", [
    pytest.param(each, id=each.id) for each in OPERATIONS if isinstance(each.rule.area, str) and each.batch is None
])  # fmt: skip
async def test_an_area_named_in_the_request_must_be_one_of_the_callers(door, operation):
    role = min(operation.rule.roles)
    response = await request(door, operation, door.headers(role, purpose=True, areas=("141181",)))
    assert (response.status_code, response.json()["reason"]) == (403, "OUT_OF_AREA")
    response = await request(door, operation, door.headers(role, purpose=True, areas=()))
    assert response.status_code == 403
    assert not door.peers.asked


@pytest.mark.feature("X4")
@pytest.mark.parametrize("operation", [pytest.param(each, id=each.id) for each in OPERATIONS if each.rule.purpose])
async def test_a_read_of_personal_data_says_what_for(door, operation):
    headers = door.headers(min(operation.rule.roles))
    response = await request(door, operation, headers)
    assert (response.status_code, response.json()["reason"]) == (400, "PURPOSE_REQUIRED")
    response = await request(door, operation, headers | {"X-Purpose": "Because I can!", "X-Purpose-Ref": "case-1"})
    assert (response.status_code, response.json()["reason"]) == (400, "PURPOSE_MALFORMED")
    assert not door.peers.asked


@pytest.mark.parametrize("operation", ALL)
def test_the_gateways_rule_is_the_rule_of_the_service_behind(operation):
    """Two lists of rules agree, or one of them is wrong."""
    service = operation.rpc.descriptor.containing_service.name
    module, _, name = SERVICERS[service].partition(":")
    behind = rules_of(getattr(import_module(module), name))[operation.rpc.descriptor.name]
    assert operation.rule.roles == behind.roles
    assert operation.rule.area == behind.area
    assert operation.rule.purpose == behind.purpose


def test_every_route_has_a_rule(door):
    found = rules(door.gateway.api)
    assert {f"{each.verb} {each.path}" for each in OPERATIONS} < found.keys()
    open_to_all = {name for name, rule in found.items() if rule.anonymous}
    assert open_to_all == {
        "GET /healthz",
        "GET /readyz",
        "GET /openapi.json",
        "GET /v1/document-verifications/{verification_id}",
        "GET /v1/spot-checks/{draw_id}/record",
        "GET /v1/published-spot-checks",
    }
    assert all(found[name].area is NOWHERE for name in open_to_all)


def test_a_route_without_a_rule_keeps_the_gateway_from_starting(door):
    async def unruled() -> None: ...

    door.gateway.api.add_api_route("/v1/back-door", unruled, methods=["GET"])
    with pytest.raises(AccessError, match="back-door"):
        rules(door.gateway.api)
