"""Domain errors on the wire: `google.rpc.Status` with ErrorInfo always, BadRequest for fields (AIP-193)."""

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from chassis.errors import DomainError, Kind

DOMAIN = "lilitong"
_DETAILS_KEY = "grpc-status-details-bin"

CODES: dict[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    # A key used twice is the state's fault as seen by gRPC clients; ErrorInfo's `kind` keeps the two apart.
    Kind.MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.ABORTED: grpc.StatusCode.ABORTED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}

# What a peer or the library answers without our details: (kind, reason, public text).
_BARE: dict[grpc.StatusCode, tuple[Kind, str, str]] = {
    grpc.StatusCode.UNAVAILABLE: (Kind.UNAVAILABLE, "PEER_UNAVAILABLE", "The service cannot be reached right now."),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Kind.UNAVAILABLE, "DEADLINE_EXCEEDED", "The answer took too long."),
    grpc.StatusCode.CANCELLED: (Kind.UNAVAILABLE, "CANCELLED", "The call was cancelled."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Kind.EXHAUSTED, "TOO_LARGE_OR_TOO_MANY", "A bound of the service was met."),
    grpc.StatusCode.INVALID_ARGUMENT: (Kind.INVALID, "INVALID_ARGUMENT", "The request is malformed."),
    grpc.StatusCode.NOT_FOUND: (Kind.NOT_FOUND, "NOT_FOUND", "There is no such thing."),
    grpc.StatusCode.ALREADY_EXISTS: (Kind.EXISTS, "ALREADY_EXISTS", "That exists already."),
    grpc.StatusCode.PERMISSION_DENIED: (Kind.DENIED, "PERMISSION_DENIED", "This is not allowed."),
    grpc.StatusCode.UNAUTHENTICATED: (Kind.UNAUTHENTICATED, "UNAUTHENTICATED", "Valid credentials are required."),
    grpc.StatusCode.FAILED_PRECONDITION: (Kind.PRECONDITION, "FAILED_PRECONDITION", "The state does not allow this."),
    grpc.StatusCode.ABORTED: (Kind.ABORTED, "ABORTED", "Another change came first; try again."),
    grpc.StatusCode.OUT_OF_RANGE: (Kind.INVALID, "OUT_OF_RANGE", "A value is out of range."),
    grpc.StatusCode.UNIMPLEMENTED: (Kind.INTERNAL, "UNIMPLEMENTED", "The service does not know this call."),
}
_INTERNAL = (Kind.INTERNAL, "PEER_FAILED", "Something failed inside the service.")


@dataclass(frozen=True, slots=True)
class WireStatus:
    """What `ServicerContext.abort` takes: code, public text, trailing metadata with the encoded status."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def to_proto(error: DomainError) -> status_pb2.Status:
    """The `google.rpc.Status` of a domain error."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(error.metadata))
    if error.kind is Kind.MISMATCH:
        info.metadata["kind"] = error.kind.value
    details = [_packed(info)]
    if error.fields:
        bad = error_details_pb2.BadRequest()
        for field, description in error.fields.items():
            bad.field_violations.add(field=field, description=description)
        details.append(_packed(bad))
    return status_pb2.Status(code=CODES[error.kind].value[0], message=error.message, details=details)


def to_wire(error: DomainError) -> WireStatus:
    """A domain error as gRPC sends it."""
    status = to_proto(error)
    return WireStatus(CODES[error.kind], error.message, ((_DETAILS_KEY, status.SerializeToString()),))


def from_proto(status: status_pb2.Status) -> DomainError | None:
    """The domain error inside a status of ours; None when it carries no ErrorInfo of our domain."""
    info: error_details_pb2.ErrorInfo | None = None
    fields: dict[str, str] = {}
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = {violation.field: violation.description for violation in bad.field_violations}
    if info is None or info.domain != DOMAIN:
        return None
    metadata = dict(info.metadata)
    named = metadata.pop("kind", "") if status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0] else ""
    kind = Kind.MISMATCH if named == Kind.MISMATCH.value else _kind_of(status.code)
    try:
        return DomainError(kind, info.reason, status.message, fields=fields, metadata=metadata)
    except ValueError:
        return None


def from_rpc_error(error: grpc.RpcError) -> DomainError:
    """The domain error that a failed call stands for; works for `grpc` and `grpc.aio` errors.

    Answers without our details (connection refused, deadline, foreign servers) get a stable reason of their own
    and a neutral text: the library's details name hosts and ports, which are not for callers.
    """
    encoded = _encoded_status(error)
    if encoded is not None:
        try:
            ours = from_proto(status_pb2.Status.FromString(encoded))
        except DecodeError:
            ours = None
        if ours is not None:
            return ours
    code = error.code() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else grpc.StatusCode.UNKNOWN
    kind, reason, text = _BARE.get(code, _INTERNAL)
    return DomainError(kind, reason, text)


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _kind_of(code: int) -> Kind:
    for kind, status_code in CODES.items():
        if status_code.value[0] == code:
            return kind
    return Kind.INTERNAL


def _encoded_status(error: grpc.RpcError) -> bytes | None:
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return None
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return value
    return None
