"""What one route is: the call behind it, who may use it, and what its documentation says.

Everything in the gateway that goes through all routes (serving, OpenAPI, access matrix, tests) reads these records.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from re import compile as compile_pattern
from types import ModuleType
from typing import Any

from buf.validate import validate_pb2
from chassis.access import AreaRule, Rule, allow, rule_of
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_PARAMETER = compile_pattern(r"\{(\w+)\}")
KEY_FIELD = "request_id"
PART_FIELDS = ("offset", "data", "last")


# protobuf's Python and C descriptors have no type in common that its stubs would admit.
Descriptor = Any


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method of a contract."""

    descriptor: Descriptor

    @property
    def path(self) -> str:
        """`/package.Service/Method`, as gRPC and the access matrix name it."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def upstream(self) -> str:
        """The service that serves it: `venue` for `lilitong.venue.v1`."""
        return str(self.descriptor.containing_service.file.package.split(".")[1])

    @property
    def takes(self) -> Descriptor:
        return self.descriptor.input_type

    @property
    def gives(self) -> Descriptor:
        return self.descriptor.output_type

    def request(self) -> Message:
        """An empty request."""
        return GetMessageClass(self.takes)()


@dataclass(frozen=True, slots=True)
class Contract:
    """A service of a generated module; `contract["OpenCase"]` is one of its methods. Raises KeyError at import."""

    module: ModuleType
    service: str

    def __getitem__(self, method: str) -> Rpc:
        return Rpc(self.module.DESCRIPTOR.services_by_name[self.service].methods_by_name[method])


def rules_of(field: Descriptor) -> Any:
    """The contract's rules for a field (`buf.validate.FieldRules`)."""
    rules: Any = validate_pb2
    return field.GetOptions().Extensions[rules.field]


@dataclass(frozen=True, slots=True)
class Batch:
    """How the items of a batch are named: each carries its own key and is answered by its own result.

    `item_key`: the body's field with the item's UUID, `identity`: the result's field that says which item it was.
    """

    item_key: str
    identity: str


def people(roles: Collection[str], area: AreaRule, *, purpose: bool = False) -> Rule:
    """The rule of a route for people's and app backends' accounts; the same that the service behind it declares."""

    @allow(roles=roles, area=area, purpose=purpose)
    def checked() -> None: ...

    rule = rule_of(checked)
    assert rule is not None  # noqa: S101 - `allow` has just set it
    return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route.

    `verb` and `path` name it; parameters of the path are fields of the RPC's request. `rule` is mandatory: there is no route
    without one. `status` answers success. `location`: template of the Location header, filled from the request. `keyed`: an
    Idempotency-Key is required, and becomes the request's `request_id` where it has one. `etag`: the answer carries one, and
    If-None-Match is honoured. `raw`: the answer's `data` is a file of its `media_type`, one of these, and given as such to
    whoever accepts that type, all its pages in one. `upload`: the body is a file, sent on part by part as `offset`, `data`
    and `last`. `seconds`: deadline of the whole. `example`: values that replace the generated ones in the documentation's
    example request.
    """

    verb: str
    path: str
    rpc: Rpc
    rule: Rule
    tag: str
    summary: str
    description: str
    status: int = 200
    location: str = ""
    keyed: bool = True
    etag: bool = False
    raw: tuple[str, ...] = ()
    upload: bool = False
    hot: bool = False
    batch: Batch | None = None
    seconds: float = 5.0
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The documentation's operationId: the RPC's name, lower camel case."""
        name = str(self.rpc.descriptor.name)
        return name[0].lower() + name[1:]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The path's parameters, in order."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def reads(self) -> bool:
        """Whether it is a GET, whose fields come from the query."""
        return self.verb == "GET"

    @property
    def hidden(self) -> frozenset[str]:
        """Fields of the request that neither body nor query may give."""
        return frozenset({*self.parameters, KEY_FIELD, *(PART_FIELDS if self.upload else ())})

    @property
    def unwrapped(self) -> str:
        """The field whose message is the whole answer, "" if the answer is the response as it is.

        A response that consists of one message of ours is that message; a lone time or number stays in its object.
        """
        fields = self.rpc.gives.fields
        only = fields[0] if len(fields) == 1 else None
        if only is None or only.is_repeated or only.message_type is None:
            return ""
        return str(only.name) if only.message_type.file.package.startswith("lilitong.") else ""
