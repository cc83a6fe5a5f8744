"""Every route against its contract: what it asks of the service behind, what it makes of the answer."""

import pytest
from gateway import codec
from gateway.documentation.document import request_example
from gateway.documentation.examples import example, value
from gateway.operations import Operation, rules_of
from gateway.routes import OPERATIONS
from gateway.visits import visit_key

KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
NORMAL = [
    operation for operation in OPERATIONS if not operation.hot and operation.batch is None and not operation.upload
]
FEATURES = {
    "households": "Q1", "passes": "Q2", "policies": "Q4", "cases": "Q5", "interviews": "Q6", "restrictions": "Q10",
    "drills": "X10", "inspections": "V6",
    "enforcement": "V7",
    "documents": "V8",
    "obligations": "V2",
    "cold-chain": "V10",
    "spot-checks": "V9",
    "figures": "X6",
    "venues": "V1", "imports": "V1", "applications": "V1", "check-ins": "V4", "checkpoints": "C1",
}  # fmt: skip


def named(operations):
    return [
        pytest.param(operation, id=operation.id, marks=pytest.mark.feature(FEATURES[operation.tag]))
        for operation in operations
    ]


def address(operation: Operation) -> str:
    fields = operation.rpc.takes.fields_by_name
    return operation.path.format(**{name: value(fields[name], rules_of(fields[name])) for name in operation.parameters})


def expected(operation: Operation):
    """The request that the service should see: the example's fields, the path's, and the key as the request id."""
    message = operation.rpc.request()
    fields = operation.rpc.takes.fields_by_name
    for name in operation.parameters:
        setattr(message, name, value(fields[name], rules_of(fields[name])))
    codec.decode(request_example(operation), message)
    if "request_id" in fields:
        message.request_id = KEY
    return message


async def send(door, operation, *, body=None, query=None, key=KEY, **who):
    headers = door.headers(*sorted(operation.rule.roles)[:1], purpose=operation.rule.purpose, key=key, **who)
    given = None if operation.reads else body if body is not None else request_example(operation)
    return await door.client.request(operation.verb, address(operation), headers=headers, json=given, params=query)


@pytest.mark.parametrize("operation", named(NORMAL))
async def test_a_route_asks_its_service_for_what_the_body_the_path_and_the_key_say(door, operation):
    query = {"area": "141102001001"} if operation.reads and "area" in operation.rpc.takes.fields_by_name else None
    response = await send(door, operation, query=query)
    assert response.status_code == operation.status, response.text
    asked = door.peers.last
    assert asked.rpc.path == operation.rpc.path
    if operation.reads:
        wanted = operation.rpc.request()
        for name, given in (
            {name: getattr(expected(operation), name) for name in operation.parameters} | (query or {})
        ).items():
            setattr(wanted, name, given)
        assert asked.request == wanted
    else:
        assert asked.request == expected(operation)


@pytest.mark.parametrize("operation", named(NORMAL))
async def test_a_route_answers_with_the_services_answer_in_the_documented_shape(door, operation):
    query = {"area": "141102001001"} if operation.reads and "area" in operation.rpc.takes.fields_by_name else None
    response = await send(door, operation, query=query)
    gives = operation.rpc.gives
    whole = gives.fields_by_name[operation.unwrapped].message_type if operation.unwrapped else gives
    assert response.json() == example(whole)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "ratelimit" in response.headers
    if operation.location:
        ids = {name: getattr(door.peers.last.request, name) for name in operation.rpc.takes.fields_by_name}
        assert response.headers["location"] == operation.location.format_map(ids)


@pytest.mark.parametrize("operation", named(NORMAL))
async def test_a_route_hands_on_credentials_purpose_and_deadline(door, operation):
    query = {"area": "141102001001"} if operation.reads and "area" in operation.rpc.takes.fields_by_name else None
    response = await send(door, operation, query=query)
    assert response.is_success
    asked = door.peers.last
    assert asked.incoming.authorization == response.request.headers["authorization"]
    assert (asked.incoming.purpose, asked.incoming.purpose_ref) == (
        ("tracing", "case-1") if operation.rule.purpose else ("", "")
    )
    assert asked.timeout == operation.seconds
    assert asked.incoming.deadline is not None


@pytest.mark.parametrize("operation", named([each for each in NORMAL if not each.reads and each.keyed]))
@pytest.mark.case("bad input")
async def test_a_write_without_an_idempotency_key_is_refused_and_reaches_nobody(door, operation):
    response = await send(door, operation, key=None)
    assert (response.status_code, response.json()["reason"]) == (400, "IDEMPOTENCY_KEY_REQUIRED")
    response = await send(door, operation, key="not-a-uuid")
    assert (response.status_code, response.json()["reason"]) == (400, "IDEMPOTENCY_KEY_MALFORMED")
    assert not door.peers.asked


@pytest.mark.parametrize("operation", named([each for each in NORMAL if not each.reads and not each.keyed]))
async def test_a_read_by_post_needs_no_idempotency_key(door, operation):
    assert (await send(door, operation, key=None)).is_success


@pytest.mark.parametrize("operation", named([each for each in NORMAL if not each.reads]))
@pytest.mark.case("bad input")
async def test_a_body_cannot_give_what_the_path_or_a_header_gives(door, operation):
    for name in operation.hidden:
        response = await send(door, operation, body=request_example(operation) | {name: KEY})
        assert response.status_code == 400
        assert response.json()["errors"] == [{"pointer": f"/{name}", "detail": "is not a field of this request"}]
    assert not door.peers.asked


def test_every_rpc_meant_for_people_has_a_route_and_none_meant_for_machines():
    from gateway.clients import _MODULES
    from gateway.records import LIST, RECORD
    from gateway.routes.documents import DOCUMENTS

    served = {operation.rpc.path for operation in OPERATIONS}
    offered = {
        f"/{service.full_name}/{method.name}"
        for modules in _MODULES.values()
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    # What anybody may look up is served apart, see gateway.opened.
    assert served | {DOCUMENTS["VerifyDocument"].path, RECORD.path, LIST.path} == offered
    assert len(OPERATIONS) == len(served)


@pytest.mark.feature("V4")
def test_the_visit_key_is_the_head_of_the_idempotency_keys_hash():
    assert visit_key(KEY).hex() == "46bba93296e0a7d8"
