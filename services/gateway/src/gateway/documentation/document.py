"""The OpenAPI 3.1 document, made from the operations and the contracts. `python -m gateway.documentation` prints it.

The committed copy lies in docs/api/openapi.json; a test proves it current.
"""

import json
from collections.abc import Sequence
from typing import Any

from gateway.codec import Json
from gateway.documentation.examples import example, sample_id, value
from gateway.documentation.refusals import REFUSALS, problem_schema, refusal, system_paths
from gateway.documentation.schemas import PROBLEM, Schemas, is_required, reference
from gateway.files import MEDIA_TYPES
from gateway.operations import KEY_FIELD, Operation, rules_of
from gateway.records import described as records
from gateway.routes import OPERATIONS
from gateway.verification import described as verification
from gateway.visits import VISIT_KEY

_JSON = "application/json"
_ITEMS = "requests"
_DESCRIPTION = """\
The REST interface of Lilitong (离里通) for app backends and staff tools.

Bytes are base64url without padding, times RFC 3339, enum values lower-case words to which more may be added, integers written
without a fraction. An object names a field once, and no text holds U+0000.
A write needs an `Idempotency-Key` (a fresh UUID); sent again with the same content it changes nothing and gets the first
answer. Refusals are `application/problem+json` (RFC 9457) with a stable `reason`. Reads of personal data name their purpose
and the case or task it serves in `X-Purpose` and `X-Purpose-Ref`. Lists are followed by `next_page_token`."""
_TAGS = {
    "check-ins": "Visitors at the door of a venue.",
    "households": "Who lives where; the only place that knows anybody.",
    "passes": "Passes for phones, paper cards for people without one.",
    "policies": "Measures as versioned data.",
    "cases": "From suspicion to confirmation.",
    "interviews": "What tracers still have to ask.",
    "restrictions": "Limits on people, with evidence, two approvers and an end.",
    "drills": "The same loop with synthetic people.",
    "venues": "Venues, zones and their codes.",
    "documents": "Numbered papers, and whether they hold.",
    "imports": "Venues from files, as jobs.",
    "applications": "A venue's own way into the register.",
    "obligations": "Letters and notices that every venue gets.",
    "spot-checks": "Which pair looks at which venue, drawn so that nobody can steer it.",
    "cold-chain": "Imported lots, where they went, and their recall.",
    "figures": "What an area comes to: figures, crowds, copied codes, tables as files.",
    "checkpoints": "Control posts and scanners.",
    "system": "The gateway itself.",
}


def document(operations: Sequence[Operation] = OPERATIONS) -> Json:
    """The whole document."""
    schemas = Schemas()
    schemas.components[PROBLEM] = problem_schema()
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(operation, schemas)
    paths |= verification() | records(schemas)
    paths |= system_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lilitong",
            "version": "1.0.0",
            "summary": "Epidemic control of a district as one closed loop",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/", "description": "This gateway"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the district's identity provider, with `roles` and `areas`.",
                }
            },
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {f"Problem{status}": refusal(status) for status in REFUSALS},
            "headers": {
                "RateLimit": {"description": "What is left of the caller's limit.", "schema": {"type": "string"}},
                "RateLimit-Policy": {"description": "The caller's limit.", "schema": {"type": "string"}},
            },
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> Json:
    roles = ", ".join(sorted(operation.rule.roles))
    found: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"{operation.description}\n\nRoles: {roles}.",
        "parameters": _parameters(operation, schemas),
        "responses": _responses(operation, schemas),
        "security": [{"token": []}],
    }
    if not operation.reads:
        body = _body(operation, schemas)
        if body is not None:
            found["requestBody"] = body
    return found


def _parameters(operation: Operation, schemas: Schemas) -> list[Json]:
    fields = operation.rpc.takes.fields_by_name
    found: list[Json] = []
    for name in operation.parameters:
        schema = schemas.value(fields[name], rules_of(fields[name]), given=True)
        shown = value(fields[name], rules_of(fields[name]))
        found.append({"name": name, "in": "path", "required": True, "schema": schema, "example": shown})
    if operation.reads:
        for field in operation.rpc.takes.fields:
            if field.name not in operation.parameters:
                schema = schemas.value(field, rules_of(field), given=True)
                found.append({"name": field.name, "in": "query", "required": is_required(field), "schema": schema})
    elif operation.keyed:
        key = {"type": "string", "format": "uuid"}
        text = "A fresh UUID for every new request; the same one to repeat it."
        found.append(_header("Idempotency-Key", text, key, sample_id("key")))
    if operation.rule.purpose:
        word = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_.-]{0,63}$"}
        found.append(_header("X-Purpose", "Why this is read.", word, "tracing"))
        text = "The case or task that it serves."
        found.append(_header("X-Purpose-Ref", text, {"type": "string", "pattern": "^[!-~]{1,128}$"}, sample_id("case")))
    return found


def _header(name: str, description: str, schema: Json, shown: str) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": schema,
        "example": shown,
    }


def _body(operation: Operation, schemas: Schemas) -> Json | None:
    if operation.upload:
        file: Json = {"schema": {"type": "string", "contentMediaType": "text/csv"}}
        return {"required": True, "content": dict.fromkeys(MEDIA_TYPES, file)}
    schema, shown = request_schema(operation, schemas), request_example(operation)
    if not schema["properties"]:
        return None
    required = bool(schema.get("required") or schema.get("oneOf"))
    return {"required": required, "content": {_JSON: {"schema": schema, "example": shown}}}


def request_schema(operation: Operation, schemas: Schemas) -> Json:
    """The schema of an operation's body."""
    hidden = operation.hidden | ({VISIT_KEY} if operation.hot else set())
    if operation.batch is None or operation.batch.item_key == KEY_FIELD:
        return schemas.given(operation.rpc.takes, hidden)
    # The key of an item is no field of the contract: the visit key is made from it.
    items = schemas.given(_item(operation), {VISIT_KEY})
    items["properties"] = {operation.batch.item_key: {"type": "string", "format": "uuid"}, **items["properties"]}
    items["required"] = [operation.batch.item_key, *items["required"]]
    schema = schemas.given(operation.rpc.takes, {_ITEMS})
    limits = rules_of(operation.rpc.takes.fields_by_name[_ITEMS]).repeated
    bounds = {"minItems": limits.min_items, "maxItems": limits.max_items}
    schema["properties"][_ITEMS] = {"type": "array", "items": items, **bounds}
    schema["required"] = [_ITEMS]
    return schema


def request_example(operation: Operation) -> Json:
    """An example of an operation's body; it satisfies the contract."""
    hidden = operation.hidden | ({VISIT_KEY} if operation.hot else set())
    shown = example(operation.rpc.takes, hidden)
    if operation.batch is not None:
        item = example(_item(operation), {VISIT_KEY})
        shown = {_ITEMS: [{operation.batch.item_key: sample_id("key"), **item}]}
    return {name: given for name, given in {**shown, **operation.example}.items() if given is not None}


def _item(operation: Operation) -> Any:
    return operation.rpc.takes.fields_by_name[_ITEMS].message_type


def _responses(operation: Operation, schemas: Schemas) -> Json:
    gives = operation.rpc.gives
    whole = gives.fields_by_name[operation.unwrapped].message_type if operation.unwrapped else gives
    if operation.batch is None or operation.batch.item_key == KEY_FIELD:
        schema, shown = schemas.named(whole, given=False), example(whole)
    else:
        answer = gives.fields_by_name["results"].message_type.fields_by_name["response"].message_type
        schema = _own_results(operation.batch.identity, schemas.named(answer, given=False))
        shown = {"results": [{operation.batch.identity: sample_id("key"), "response": example(answer)}]}
    headers: Json = {name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit", "RateLimit-Policy")}
    if operation.location:
        headers["Location"] = {"description": "Where it can be read.", "schema": {"type": "string"}}
    if operation.etag:
        headers["ETag"] = {"description": "For If-None-Match.", "schema": {"type": "string"}}
    found: Json = {
        str(operation.status): {
            "description": "Every item answered on its own." if operation.batch else "Done.",
            "headers": headers,
            "content": {_JSON: {"schema": schema, "example": shown}},
        }
    }
    if operation.raw:
        file: Json = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
        found[str(operation.status)]["content"] |= dict.fromkeys(operation.raw, file)
    if operation.etag:
        found["304"] = {"description": "Unchanged since the ETag given."}
    bodiless = {408, 413, 415, 422} if operation.reads else set()
    return found | {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(REFUSALS.keys() - bodiless)
    }


def _own_results(identity: str, answer: Json) -> Json:
    result: Json = {
        "type": "object",
        "description": "Either `response` or `error`.",
        "required": [identity],
        "properties": {identity: {"type": "string"}, "response": answer, "error": reference(PROBLEM)},
    }
    return {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": result}},
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), ensure_ascii=False, indent=1, sort_keys=False) + "\n"
