"""The committed description of the API: current, valid, complete, and true."""

import json
from pathlib import Path

import pytest
from chassis.rpc.validation import validate
from gateway import codec
from gateway.documentation.document import document, request_example, text
from gateway.documentation.schemas import Schemas
from gateway.operations import KEY_FIELD, rules_of
from gateway.records import LIST_PATH as PUBLISHED
from gateway.records import PATH as RECORD
from gateway.routes import OPERATIONS
from gateway.verification import PATH as VERIFICATION
from gateway.visits import VISIT_KEY
from jsonschema import Draft202012Validator
from lilitong.venue.v1 import inspection_pb2
from openapi_spec_validator import validate as validate_document

COMMITTED = Path(__file__).resolve().parents[3] / "docs/api/openapi.json"
ALL = [pytest.param(operation, id=operation.id) for operation in OPERATIONS]


@pytest.fixture(scope="module")
def described():
    return document()


def test_the_committed_document_is_current():
    """`python -m gateway.documentation > docs/api/openapi.json` makes it so."""
    assert COMMITTED.read_text() == text()


def test_the_document_is_valid_openapi_3_1(described):
    assert described["openapi"].startswith("3.1")
    validate_document(described)


def test_every_operation_is_named_explained_and_guarded(described):
    ids, guarded = [], {each.path for each in OPERATIONS}
    for path, item in described["paths"].items():
        for operation in item.values():
            ids.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["description"], path
            assert any(status.startswith("4") for status in operation["responses"]), path
            assert operation["security"] == ([{"token": []}] if path in guarded else []), path
    assert len(ids) == len(set(ids))
    assert {path for path in described["paths"] if path.startswith("/v1/")} == guarded | {
        VERIFICATION,
        RECORD,
        PUBLISHED,
    }


def test_every_schema_that_is_referred_to_exists(described):
    names = set(described["components"]["schemas"])
    used = {part.split('"')[0] for part in json.dumps(described).split("#/components/schemas/")[1:]}
    assert used <= names
    assert names <= used


def resolved(described, schema):
    return Draft202012Validator({**schema, "components": described["components"]})


@pytest.mark.parametrize("operation", ALL)
def test_examples_satisfy_the_schemas_beside_them(described, operation):
    found = described["paths"][operation.path][operation.verb.lower()]
    contents = [found["responses"][str(operation.status)]["content"]["application/json"]]
    if "requestBody" in found and not operation.upload:
        contents.append(found["requestBody"]["content"]["application/json"])
    for content in contents:
        resolved(described, content["schema"]).validate(content["example"])


@pytest.mark.parametrize(
    "operation", [each for each in ALL if not each.values[0].reads and each.values[0].batch is None]
)
def test_example_requests_satisfy_the_contract(operation):
    message = operation.rpc.request()
    codec.decode(request_example(operation), message)
    fields = operation.rpc.takes.fields_by_name
    for name in (*operation.parameters, KEY_FIELD):
        if name in fields:
            setattr(
                message,
                name,
                "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
                if name.endswith("_id") and name != "drill_id"
                else 17
                if name == "zone"
                else "drill-1",
            )
    if VISIT_KEY in fields:
        message.visit_key = b"12345678"
    validate(message)


@pytest.mark.parametrize("operation", [each for each in ALL if not each.values[0].reads])
async def test_what_the_schema_calls_required_is_required(door, described, operation):
    if operation.batch is not None or operation.upload:
        return
    body = described["paths"][operation.path]["post" if operation.verb == "POST" else "delete"].get("requestBody")
    required = body["content"]["application/json"]["schema"].get("required", []) if body else []
    headers = door.headers(min(operation.rule.roles), purpose=True)
    path = operation.path.format(
        **{
            name: "17"
            if name == "zone"
            else "drill-1"
            if name == "drill_id"
            else "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
            for name in operation.parameters
        }
    )
    for name in required:
        less = {field: given for field, given in request_example(operation).items() if field != name}
        response = await door.client.post(path, headers=headers, json=less)
        assert response.status_code in {400, 403}, name
    assert not door.peers.asked


@pytest.mark.parametrize(
    "operation", [each for each in ALL if not each.values[0].reads and each.values[0].batch is None]
)
async def test_what_the_schema_lets_be_null_may_be_null(door, described, operation):
    body = None if operation.upload else described["paths"][operation.path][operation.verb.lower()].get("requestBody")
    fields = body["content"]["application/json"]["schema"]["properties"] if body else {}
    nothing = {name: None for name, schema in fields.items() if "null" in str(schema.get("type", schema.get("anyOf")))}
    message = operation.rpc.request()
    codec.decode(request_example(operation) | nothing, message)
    for name in nothing:
        assert not getattr(message, name) or not message.HasField(name)


@pytest.mark.parametrize("operation", [each for each in ALL if each.values[0].raw])
def test_a_file_is_described_by_the_types_that_it_has_there(described, operation):
    content = described["paths"][operation.path]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", *operation.raw}
    tables, sheets = {"text/csv"}, {"application/pdf", "image/svg+xml", "image/png"}
    assert sheets <= set(content) if operation.path.endswith("/sheet") else tables <= set(content)


def test_what_the_contract_lets_be_empty_the_schema_does_too():
    fields = inspection_pb2.RecordInspectionRequest.DESCRIPTOR.fields_by_name
    schema = Schemas().value(fields["reinspects"], rules_of(fields["reinspects"]), given=True)
    formats = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert formats.is_valid("")
    assert formats.is_valid("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    assert not formats.is_valid("6f9619ff")
    assert not formats.is_valid(" ")


async def test_the_gateway_serves_its_description(door, described):
    response = await door.client.get("/openapi.json")
    assert (response.status_code, response.json()) == (200, described)
