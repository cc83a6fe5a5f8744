"""Serving one operation: admit the caller, decode, call the service, encode."""

import asyncio
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import structlog
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.rpc import outgoing
from chassis.rpc.admission import check_request
from google.protobuf.message import Message
from opentelemetry import trace
from starlette.requests import Request
from starlette.responses import Response

from gateway import batches, codec, files, problems
from gateway.bodies import parse, read
from gateway.clients import Upstreams
from gateway.door import Door, Headers, headers_of, idempotency_key
from gateway.limits import Buckets
from gateway.operations import KEY_FIELD, Operation
from gateway.tags import tagged

_log = structlog.get_logger("gateway")
_JSON = "application/json"
FILES_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """What serving needs. Limits in bytes; `file_turns`: for files that are read at the same time."""

    door: Door
    buckets: Buckets
    upstreams: Upstreams
    body_limit: int
    batch_body_limit: int
    file_turns: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, FILES_AT_ONCE))


async def serve(operation: Operation, parts: Parts, request: Request) -> Response:
    """The answer to a request for an operation; refusals are answers too."""
    headers: Headers = {}
    rate: Mapping[str, str] = {}
    try:
        headers = headers_of(request.scope)
        entry = await parts.door.admit(operation.rule, headers, parts.buckets)
        rate = entry.rate_headers
        bind(operation, headers, entry.caller)
        response = await _answer(operation, parts, request, headers, entry.caller)
    except Exception as error:  # noqa: BLE001 - every failure has a public face
        response = refuse(error, headers, parameters=_parameters(operation, error))
    response.headers.update(rate)
    return response


def bind(operation: Operation, headers: Headers, caller: Caller) -> None:
    """Hand the caller's credentials and the operation's deadline on to the calls made for this request."""
    outgoing.bind(
        outgoing.Incoming(
            time.monotonic() + operation.seconds, headers["authorization"], caller.purpose, caller.purpose_ref
        )
    )


async def _answer(operation: Operation, parts: Parts, request: Request, headers: Headers, caller: Caller) -> Response:
    message = operation.rpc.request()
    # The key is looked at before the body: it is what makes a repeat safe.
    key = idempotency_key(headers) if operation.keyed and not operation.reads else ""
    _from_path(message, operation, request.path_params)
    call = parts.upstreams.call(operation.rpc)
    if operation.batch is not None:
        data = parse(await read(request.receive, headers, parts.batch_body_limit), headers)
        batch = batches.take(operation, operation.batch, data, caller)
        lang = problems.language(headers.get("accept-language", ""))
        return Response(await batch.send(call, seconds=operation.seconds, lang=lang), operation.status, None, _JSON)
    if operation.upload:
        reply = await files.upload(
            call,
            message,
            request,
            headers,
            check=partial(check_request, operation.rule, caller),
            turns=parts.file_turns,
            seconds=operation.seconds,
        )
        return _encode(operation, message, reply, headers)
    if operation.reads:
        codec.from_query(message, query_of(request), hidden=operation.hidden)
    else:
        data = parse(await read(request.receive, headers, parts.body_limit), headers)
        try:
            codec.decode(data, message, hidden=operation.hidden)
        except DomainError as error:
            return refuse(error, headers)  # all of this stands in the body, whatever the fields are called
    if key and KEY_FIELD in operation.rpc.takes.fields_by_name:
        setattr(message, KEY_FIELD, key)
    check_request(operation.rule, caller, message)
    reply = await call(message, timeout=operation.seconds)
    if operation.raw and getattr(reply, "next_page_token", None) and _accepts(headers, reply.media_type):
        return files.download(call, message, reply, seconds=operation.seconds, status=operation.status)
    return _encode(operation, message, reply, headers)


def _encode(operation: Operation, message: Message, reply: Message, headers: Headers) -> Response:
    if operation.raw and _accepts(headers, getattr(reply, "media_type")):  # noqa: B009 - the type of a reply does not say it
        extra = files.disposition(getattr(reply, "media_type"))  # noqa: B009
        return Response(getattr(reply, "data"), operation.status, extra, getattr(reply, "media_type"))  # noqa: B009
    whole = getattr(reply, operation.unwrapped) if operation.unwrapped else reply
    body = orjson.dumps(codec.encode(whole))
    response = Response(body, operation.status, None, _JSON)
    if operation.location:
        fields = {name: getattr(message, name) for name in operation.rpc.takes.fields_by_name}
        response.headers["location"] = operation.location.format_map(fields)
    return tagged(response, headers, cache="private, no-cache") if operation.etag else response


def _accepts(headers: Headers, media_type: str) -> bool:
    """Whether the type is named; what accepts anything gets JSON like everywhere else."""
    named = (part.partition(";")[0].strip().lower() for part in headers.get("accept", "").split(","))
    return media_type in named


def _from_path(message: Message, operation: Operation, values: dict[str, Any]) -> None:
    codec.from_query(message, {name: str(values[name]) for name in operation.parameters})


def query_of(request: Request) -> dict[str, str]:
    """The query's parameters. Raises INVALID for one that is given twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise DomainError(
                Kind.INVALID,
                "INVALID_REQUEST",
                "The request breaks its contract.",
                fields={name: "may be given only once"},
            )
        found[name] = value
    return found


def _parameters(operation: Operation, error: Exception) -> Collection[str]:
    """Which of a refusal's fields stand in the address: those of the path, and all of a read without a body."""
    return error.fields if operation.reads and isinstance(error, DomainError) else operation.parameters


def refuse(error: Exception, headers: Headers, *, parameters: Collection[str] = ()) -> Response:
    """The answer that an exception becomes. Only domain errors speak; others get an id that stands in the log."""
    status, found, body = problems.answer(
        public(error),
        lang=problems.language(headers.get("accept-language", "")),
        instance=instance(),
        parameters=parameters,
    )
    return Response(body, status, found)


def public(error: Exception) -> DomainError:
    """The public face of an exception."""
    if isinstance(error, DomainError):
        return error
    error_id = secrets.token_hex(8)
    _log.error("request_failed", error_id=error_id, exc_info=error)
    return DomainError(Kind.INTERNAL, "INTERNAL", "Something failed on our side.", metadata={"error_id": error_id})


def instance() -> str:
    """What names this one occurrence: its trace, so that an operator finds it; "" outside a trace."""
    context = trace.get_current_span().get_span_context()
    return f"urn:lilitong:trace:{context.trace_id:032x}" if context.is_valid else ""
