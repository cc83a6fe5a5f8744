"""Domain errors: what a caller may be told, typed once.

Code below a handler raises `DomainError`; one interceptor maps it to `google.rpc.Status`
(`chassis.rpc.status`) and the gateway alone to RFC 9457. Nothing else crosses a process border: any
other exception becomes `Kind.INTERNAL` with an opaque id.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from re import compile as compile_pattern
from types import MappingProxyType

import asyncpg

_REASON = compile_pattern(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Kind(Enum):
    """How a caller should react; the transport's code follows from it alone."""

    INVALID = "invalid"  # the request is wrong by itself; sending it again cannot help
    NOT_FOUND = "not_found"  # no such thing, or none that this caller may know of
    EXISTS = "exists"  # another thing holds that name or id
    PRECONDITION = "precondition"  # right request, wrong state; another call has to come first
    MISMATCH = "mismatch"  # this idempotency key was used with other content (REST 422)
    DENIED = "denied"  # the caller is known and may not
    UNAUTHENTICATED = "unauthenticated"  # the caller is not known
    UNAVAILABLE = "unavailable"  # try again later, with back-off
    EXHAUSTED = "exhausted"  # a quota or bound is used up
    ABORTED = "aborted"  # lost a race; read again, then try again
    INTERNAL = "internal"  # our fault; the metadata's `error_id` is in our log


class DomainError(Exception):
    """A refusal with a kind, a stable reason for programs and a public text for people.

    `reason` is UPPER_SNAKE_CASE and never changes once published. `message` is shown to callers:
    it holds no personal data and no internals. `fields` maps a request's field path to what is wrong
    with it; `metadata` holds further machine-readable facts. Raises `ValueError` on a malformed reason,
    because such a reason would become part of the public contract.
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        message: str,
        *,
        fields: Mapping[str, str] = _NOTHING,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        if _REASON.fullmatch(reason) is None:
            raise ValueError(f"reason must be UPPER_SNAKE_CASE: {reason!r}")
        super().__init__(kind, reason, message)
        self.kind = kind
        self.reason = reason
        self.message = message
        self.fields = MappingProxyType(dict(fields))
        self.metadata = MappingProxyType(dict(metadata))

    def __str__(self) -> str:
        return f"{self.kind.value} {self.reason}: {self.message}"


def domain_error_of(error: BaseException, mapping: Mapping[str, Callable[[], DomainError]]) -> DomainError | None:
    """The domain error that `mapping` names for the constraint that `error` broke, else None."""
    if not isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return None
    factory = mapping.get(error.constraint_name or "")
    return None if factory is None else factory()


@contextmanager
def constraint_errors(mapping: Mapping[str, Callable[[], DomainError]]) -> Iterator[None]:
    """Turn a broken, named constraint into its domain error; other errors pass through.

    `mapping` is constraint name → factory. Invariants live in the database, so the constraint's name is the
    only trustworthy statement of which one refused; its text would leak values of the row. The
    transaction is already aborted when the domain error appears.

        with constraint_errors({"venues_name_key": lambda: DomainError(Kind.EXISTS, "VENUE_EXISTS", "…")}):
            await store.insert(connection, venue)
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        translated = domain_error_of(error, mapping)
        if translated is None:
            raise
        # `from None`: asyncpg's detail quotes the row's values, which must not reach a log.
        raise translated from None


def store_error(error: BaseException) -> DomainError | None:
    """The public face of a store that is down, busy, lost a race or holds no such text; None for any other exception.

    A handler does not catch these: the interceptor asks here, so that callers learn to try again instead of
    reading "internal error".
    """
    if isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
        return DomainError(Kind.ABORTED, "STORE_CONFLICT", "Another change came first; try again.")
    if isinstance(error, asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError):
        return DomainError(Kind.UNAVAILABLE, "STORE_BUSY", "The store is busy; try again.")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError):
        # U+0000, which protobuf's strings may hold and Postgres' texts never. Whoever sends it must not try for ever.
        return DomainError(Kind.INVALID, "INVALID_REQUEST", "The request breaks its contract.")
    if isinstance(error, _STORE_GONE):
        return DomainError(Kind.UNAVAILABLE, "STORE_UNAVAILABLE", "The store cannot be reached right now; try again.")
    return None


_STORE_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,  # the pool or the connection is closing
    asyncpg.InternalClientError,  # what the driver says when a connection is cut in the middle of an exchange
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,  # the server is shutting down or starting up
    asyncpg.ReadOnlySQLTransactionError,  # a fail-over has just made this server a standby
    ConnectionError,
    TimeoutError,
)
