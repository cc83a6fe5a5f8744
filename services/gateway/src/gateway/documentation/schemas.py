"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of a contract's messages, with the rules that the contract states."""

import re
from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.codec import TIMESTAMP, Field, Json, words
from gateway.operations import Descriptor, rules_of

PROBLEM = "Problem"
_STATUS = "google.rpc.Status"
_UUID = {"type": "string", "format": "uuid"}
_KINDS: dict[int, Json] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    FieldDescriptor.TYPE_UINT64: {"type": "integer", "minimum": 0, "maximum": 2**53},
    FieldDescriptor.TYPE_INT64: {"type": "integer", "minimum": -(2**53), "maximum": 2**53},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64url", "pattern": "^[A-Za-z0-9_-]*={0,2}$"},
}


def reference(name: str) -> Json:
    """A reference to a component's schema."""
    return {"$ref": f"#/components/schemas/{name}"}


class Schemas:
    """Collects the components that the described messages refer to.

    What a client sends and what it gets differ: a request forbids unknown fields and says which are required, an
    answer has every field and may get more, and its enums are open. So a message used both ways has two schemas.
    """

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}
        self._owners: dict[str, str] = {}

    def given(self, message: Descriptor, hidden: Collection[str] = ()) -> Json:
        """The schema of a request's body without its hidden fields."""
        fields = [field for field in message.fields if field.name not in hidden]
        alternatives = [field for field in fields if field.containing_oneof is not None]
        schema: Json = {
            "type": "object",
            "properties": {field.name: self._input(field) for field in fields},
            "additionalProperties": False,
        }
        if required := [field.name for field in fields if is_required(field)]:
            schema["required"] = required
        if alternatives:
            schema["oneOf"] = [{"required": [field.name]} for field in alternatives]
        return schema

    def got(self, message: Descriptor) -> Json:
        """The schema of an answer."""
        always = [field.name for field in message.fields if field.is_repeated or field.message_type is None]
        if any(field.message_type is not None and field.message_type.full_name == _STATUS for field in message.fields):
            del always[1:]  # one item's result: a refused one has its id and the problem, nothing else for sure
        schema: Json = {
            "type": "object",
            "properties": {field.name: self._field(field, given=False) for field in message.fields},
        }
        if always:
            schema["required"] = always
        return schema

    def named(self, message: Descriptor, *, given: bool) -> Json:
        """A reference to the message's schema, which is made when first met."""
        if message.full_name == _STATUS:
            return reference(PROBLEM)
        name = f"{_name(message)}Input" if given else _name(message)
        owner = self._owners.setdefault(name, message.full_name)
        if owner != message.full_name:
            raise ValueError(f"{owner} and {message.full_name} would have the same name in the documentation")
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = self.given(message) if given else self.got(message)
        return reference(name)

    def _input(self, field: Field) -> Json:
        """A field of a request; null says what leaving it out says."""
        schema = self._field(field, given=True)
        if is_required(field) or field.containing_oneof is not None:
            return schema
        if "enum" in schema:
            schema = schema | {"enum": [*schema["enum"], None]}
        if "type" in schema:
            return schema | {"type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}

    def _field(self, field: Field, *, given: bool) -> Json:
        if not field.is_repeated:
            return self.value(field, rules_of(field), given=given)
        rules = rules_of(field).repeated
        schema: Json = {"type": "array", "items": self.value(field, rules.items, given=given)}
        if given:
            schema |= _present(rules, min_items="minItems", max_items="maxItems")
            if rules.unique:
                schema["uniqueItems"] = True
        return schema

    def value(self, field: Field, rules: Any, *, given: bool) -> Json:
        """The schema of one value of a field."""
        schema = self._value(field, rules, given=given)
        if given and rules.ignore and field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
            return {"anyOf": [schema, {"type": "string", "maxLength": 0}]}  # its rules are waived for the empty one
        return schema

    def _value(self, field: Field, rules: Any, *, given: bool) -> Json:
        if field.message_type is not None:
            if field.message_type.full_name == TIMESTAMP:
                return {"type": "string", "format": "date-time"}
            return self.named(field.message_type, given=given)
        if field.enum_type is not None:
            return _enum(field, rules, given=given)
        schema = dict(_KINDS[field.type])
        if field.type == FieldDescriptor.TYPE_STRING:
            return _string(rules.string, given=given) | ({} if not rules.string.uuid else _UUID)
        if given and field.type == FieldDescriptor.TYPE_BYTES:
            schema |= _bytes(rules.bytes)
        if given and field.type == FieldDescriptor.TYPE_UINT32:
            schema |= _present(rules.uint32, gte="minimum", lte="maximum")
            if rules.uint32.HasField("gt"):
                schema["minimum"] = rules.uint32.gt + 1
        return schema


def is_required(field: Field) -> bool:
    """Whether leaving a field of a request out breaks the contract: its zero value does, or it is said so."""
    rules = rules_of(field)
    if (
        field.containing_oneof is not None or rules.ignore
    ):  # a rule that is waived for the zero value allows leaving it out
        return False
    if field.is_repeated:
        return bool(rules.repeated.min_items)
    if field.type == FieldDescriptor.TYPE_STRING:
        text = rules.string
        patterned = bool(text.pattern) and re.search(text.pattern, "") is None
        return bool(rules.required or text.uuid or text.min_len or patterned)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bool(rules.required or rules.bytes.len or rules.bytes.min_len)
    if field.enum_type is not None:
        return 0 in rules.enum.not_in
    return bool(rules.required or rules.uint32.HasField("gt") or rules.uint32.gte)


def _name(message: Descriptor) -> str:
    outer = message.containing_type
    return message.name if outer is None else f"{outer.name}{message.name}"


def _present(rules: Any, **names: str) -> Json:
    return {there: getattr(rules, here) for here, there in names.items() if rules.HasField(here)}


def _string(rules: Any, *, given: bool) -> Json:
    schema: Json = {"type": "string"}
    if given:
        schema |= _present(rules, min_len="minLength", max_len="maxLength", pattern="pattern")
    return schema


def _bytes(rules: Any) -> Json:
    """Lengths of the text: four characters for three bytes, without padding at least."""
    low = rules.len or rules.min_len
    high = rules.len or rules.max_len
    schema: Json = {}
    if low:
        schema["minLength"] = -(-low * 4 // 3)
    if high:
        schema["maxLength"] = -(-high // 3) * 4
    return schema


def _enum(field: Field, rules: Any, *, given: bool) -> Json:
    known = words(field.enum_type)
    if given:
        return {"type": "string", "enum": [word for word, number in known.items() if number not in rules.enum.not_in]}
    # Open: clients must bear values that come later.
    return {"type": "string", "examples": list(known), "description": f"Known: {', '.join(known)}. More may come."}
