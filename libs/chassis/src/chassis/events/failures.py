"""Which failures are the event's own, and what may be said about them."""

import asyncpg
import nats.errors

from chassis.errors import DomainError, Kind
from chassis.events.bus import BusUnavailableError
from chassis.events.model import PoisonError

# Connection lost, resources exhausted, server stopping or a time-out, serialization and deadlock, lock not available.
_TRANSIENT_CLASSES = ("08", "53", "57", "58", "40")
_TRANSIENT_CODES = ("55P03", "25P03", "25P04")
_TRANSIENT_KINDS = (Kind.UNAVAILABLE, Kind.ABORTED, Kind.EXHAUSTED)


def transient(error: BaseException) -> bool:
    """Whether `error` says nothing about the event: the same event may well succeed when a dependency is back.

    Such failures are never counted, so that an outage of any length makes no dead letters.
    """
    if isinstance(error, DomainError):
        return error.kind in _TRANSIENT_KINDS
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code[:2] in _TRANSIENT_CLASSES or code in _TRANSIENT_CODES
    if isinstance(error, asyncpg.InterfaceError):
        # The driver uses one class for a connection that went away and for wrong arguments; only its text tells them
        # apart.
        return "clos" in str(error)
    # The driver's internal error is what it says when a connection is cut in the middle of an exchange.
    return isinstance(error, BusUnavailableError | nats.errors.Error | OSError | asyncpg.InternalClientError)


def reason(error: BaseException) -> str:
    """What the dead letter says: kinds and names only. An exception's own text may quote values, so it is left out."""
    if isinstance(error, PoisonError):
        return error.reason
    if isinstance(error, DomainError):
        return f"{error.kind.value} {error.reason}"
    text = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        text = " ".join(part for part in (text, error.sqlstate, getattr(error, "constraint_name", None)) if part)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return text if frame is None else f"{text} in {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}"
