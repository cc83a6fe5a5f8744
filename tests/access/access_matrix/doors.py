"""Calling one endpoint over gRPC or REST, with the answers of both in the same words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import grpc
import httpx
from access_table import Endpoint
from chassis.errors import DomainError, Kind
from chassis.rpc.status import from_proto, from_rpc_error
from gateway import codec
from gateway.operations import Operation
from google.protobuf.message import Message

from access_matrix.callers import Headers

SECONDS = 15.0
OK = "ok"


# A look-up by what the caller knows of a person does not tell a stranger of another area from nobody.
LOOK_UPS = ("FindResident", "resident-searches")
NOBODY = "not_found NO_RESIDENT"


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind`: "ok" or what `chassis.errors.Kind` says; `reason`: the stable reason of a refusal."""

    kind: str
    reason: str = ""
    reply: Any = None

    def __str__(self) -> str:
        return f"{self.kind} {self.reason}".strip()


class Door(Protocol):
    """One way to call."""

    async def call(self, endpoint: Endpoint, request: Message, headers: Headers) -> Answer: ...


def _refusal(error: DomainError) -> Answer:
    return Answer(error.kind.value, error.reason)


class Rpcs:
    """gRPC, straight to the services. `channels`: by service."""

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels

    async def call(self, endpoint: Endpoint, request: Message, headers: Headers) -> Answer:
        """Of a stream, the first message is the answer, or its clean end."""
        channel = self._channels[endpoint.service]
        connect = channel.unary_stream if endpoint.method.server_streaming else channel.unary_unary
        method = connect(endpoint.path, type(request).SerializeToString, endpoint.response.FromString)
        started = method(request, timeout=SECONDS, metadata=tuple(headers.items()))
        try:
            if not endpoint.method.server_streaming:
                return _of_items(await started)
            first = await started.read()
            started.cancel()
        except grpc.aio.AioRpcError as error:
            return _refusal(from_rpc_error(error))
        return Answer(OK, reply=first)


def _of_items(reply: Message) -> Answer:
    """A batch of one is answered as its item is."""
    results = getattr(reply, "results", ())
    if len(results) == 1:
        (item,) = results
        names = item.DESCRIPTOR.fields_by_name
        if "error" in names and item.HasField("error"):
            error = from_proto(item.error)
            return Answer(Kind.INTERNAL.value) if error is None else _refusal(error)
        if "error_reason" in names and item.error_reason:
            kind = Kind.DENIED if item.error_reason == "NOT_AN_OPERATOR" else Kind.INVALID
            return Answer(kind.value, item.error_reason)
    return Answer(OK, reply=reply)


_STATUS = {
    400: Kind.INVALID,
    401: Kind.UNAUTHENTICATED,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    409: Kind.PRECONDITION,
    422: Kind.MISMATCH,
    429: Kind.EXHAUSTED,
    503: Kind.UNAVAILABLE,
}


def written(operation: Operation, request: Message) -> dict[str, Any]:
    """The request's fields as the route takes them in its body or query."""
    fields = codec.encode(request)
    body = {name: value for name, value in fields.items() if name not in operation.hidden and name != "visit_key"}
    if operation.batch is not None and operation.batch.item_key != "request_id":
        for item in body["requests"]:
            item.pop("visit_key")
            item[operation.batch.item_key] = str(uuid4())
    for choice in request.DESCRIPTOR.oneofs:
        for field in choice.fields:
            if field.name != request.WhichOneof(choice.name):
                body.pop(field.name, None)
    if operation.reads:
        texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in body.items()}
        return {name: value for name, value in texts.items() if value not in ("", "unspecified")}
    return body


class Rest:
    """The gateway's REST."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(self, endpoint: Endpoint, request: Message, headers: Headers) -> Answer:
        """The request as the route takes it: path and query or body, `request_id` as Idempotency-Key."""
        operation = endpoint.operation
        assert operation is not None, f"{endpoint.path} has no route"
        fields, body = codec.encode(request), written(operation, request)
        path = operation.path.format_map(fields)
        key = fields.get("request_id") or str(uuid4())
        sent = headers | ({} if operation.reads else {"idempotency-key": key})
        if operation.reads:
            response = await self._client.request(operation.verb, path, params=body, headers=sent)
        elif operation.upload:
            file = headers | {"content-type": "text/csv"}
            response = await self._client.request(
                operation.verb, path, content=codec.unbase64(fields["data"]), headers=file
            )
        elif operation.verb == "DELETE":
            response = await self._client.request(operation.verb, path, headers=sent)
        else:
            response = await self._client.request(operation.verb, path, json=body, headers=sent)
        return _of_response(response)


def _of_response(response: httpx.Response) -> Answer:
    data = json.loads(response.content) if response.content else {}
    problem, status = data, response.status_code
    if status == 207 and len(data["results"]) == 1 and data["results"][0].get("error"):
        problem = data["results"][0]["error"]
        status = problem["status"]
    if status < 300:
        return Answer(OK, reply=data)
    kind = _STATUS.get(status, Kind.INTERNAL)
    return Answer(kind.value, problem.get("reason", ""))
