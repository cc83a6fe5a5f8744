"""Patience with a server that starts beside us, for a bounded time, and one sentence when it was not enough."""

import asyncio
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

_T = TypeVar("_T")
_PAUSE: Final = 1.0
_SAY_EVERY: Final = 10.0
# What a server answers while it starts, or while somebody else still makes the role or the database.
_NOT_YET = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
)


class NotYetError(Exception):
    """Something that is still to come; the text says what is missing."""


class NotInTimeError(Exception):
    """One sentence for the operator: what did not come, how long it was waited for, and why."""


async def patiently(what: str, attempt: Callable[[], Awaitable[_T]], seconds: float) -> _T:
    """The first result of `attempt` that works, tried once a second for `seconds`; says on standard error what it waits for.

    Raises `NotInTimeError`; what waiting cannot mend is raised as it came.
    """
    began = time.monotonic()
    say_at = began
    while True:
        left = began + seconds - time.monotonic()
        try:
            async with asyncio.timeout(max(left, 0.1)):
                return await attempt()
        except ssl.SSLCertVerificationError as error:
            raise NotInTimeError(f"{what} shows a certificate that is not trusted: {error.verify_message}.") from None
        except (NotYetError, *_NOT_YET) as error:
            why = str(error) or type(error).__name__
        now = time.monotonic()
        if now + _PAUSE >= began + seconds:
            raise NotInTimeError(f"{what} was not ready within {seconds:g} s: {why}.")
        if now >= say_at:
            print(f"Waiting for {what}: {why}", file=sys.stderr, flush=True)  # noqa: T201 - for a person
            say_at = now + _SAY_EVERY
        await asyncio.sleep(_PAUSE)
