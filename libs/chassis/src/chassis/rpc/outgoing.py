"""What a call being served hands on to the calls it makes: the remaining time and the person behind it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incoming:
    """The part of an incoming call that outgoing ones inherit. `deadline` is on `time.monotonic`, None without one."""

    deadline: float | None = None
    authorization: str = ""
    purpose: str = ""
    purpose_ref: str = ""


_NONE = Incoming()
_incoming: ContextVar[Incoming] = ContextVar("chassis_incoming", default=_NONE)


def bind(incoming: Incoming) -> None:
    """Bind to the running task, for its whole life; for the RPC guard and the gateway's middleware."""
    _incoming.set(incoming)


def current() -> Incoming:
    """What the call being served handed on; empty outside a call."""
    return _incoming.get()


@contextmanager
def serving(
    *, seconds: float | None = None, authorization: str = "", purpose: str = "", purpose_ref: str = ""
) -> Iterator[None]:
    """Run a block as if a call with this time left and these credentials were being served."""
    deadline = None if seconds is None else time.monotonic() + seconds
    token = _incoming.set(Incoming(deadline, authorization, purpose, purpose_ref))
    try:
        yield
    finally:
        _incoming.reset(token)


def time_left() -> float | None:
    """Seconds until the served call's deadline, not below 0; None without a deadline."""
    deadline = _incoming.get().deadline
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
