"""Whether a request that was drawn as a bad one is a good one after all, going by the description of the API alone."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from rest_attack.calls import Call
from rest_attack.drafts import DESCRIPTION

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FORMATS = Draft202012Validator.FORMAT_CHECKER


@cache
def _described() -> Any:
    return json.loads(DESCRIPTION.read_text())


def sound(call: Call) -> bool:
    """Whether nothing is wrong with it. Headers that nothing is said about change nothing."""
    verb, _, path = call.draft.about.partition(" ")
    if call.target in _described()["paths"] and call.target != path:
        return True  # what was put into the path names another operation
    operation = _described()["paths"][path][verb.lower()]
    # An empty value in a query says what leaving it out says; an empty list is not even sent.
    sent = {name: value for name, value in call.draft.query.items() if value not in ([], {})}
    query = {name: value for name, value in sent.items() if value not in (None, "")}
    given: dict[str, Mapping[str, Any]] = {
        "path": call.draft.path,
        "query": query,
        "header": call.draft.headers,
    }
    known = {(one["in"], one["name"].lower()): one for one in operation["parameters"]}
    if any(("query", name.lower()) not in known for name in sent):
        return False
    for (place, _), parameter in known.items():
        values = {name.lower(): value for name, value in given[place].items()}
        value = values.get(parameter["name"].lower())
        if value is None:
            if parameter.get("required"):
                return False
        elif not _fits(parameter["schema"], _read(parameter["schema"], str(value))):
            return False
    return _body_fits(operation, call.body)


def _body_fits(operation: Any, body: Any) -> bool:
    described = operation.get("requestBody")
    if described is None or "application/json" not in described["content"]:
        return True  # any bytes are a file
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return False
    return _fits(described["content"]["application/json"]["schema"], body)


def _fits(schema: Any, value: Any) -> bool:
    if schema.get("format") == "uuid":
        return isinstance(value, str) and _UUID.fullmatch(value) is not None
    whole = {**schema, "components": _described()["components"]}
    return bool(Draft202012Validator(whole, format_checker=_FORMATS).is_valid(value))


def _read(schema: Any, text: str) -> Any:
    """A value as it stands in an address."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text
