"""Writes about something that is stored already, and many of them in one call."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import asyncpg
from chassis.errors import DomainError, Kind, store_error
from chassis.pool import Connection
from chassis.rpc.status import to_proto
from chassis.writes import Writes
from google.protobuf.message import Message

_Request = TypeVar("_Request", bound=Message)
_Found = TypeVar("_Found")
_Answer = TypeVar("_Answer", bound=Message)

_NEVER_ENTERED: Final = {Kind.NOT_FOUND, Kind.DENIED, Kind.INVALID}


async def once_about(
    writes: Writes,
    request: Any,
    answer: type[_Answer],
    find: Callable[[Connection], Awaitable[_Found]],
    act: Callable[[Connection, _Found], Awaitable[_Answer]],
) -> _Answer:
    """`find` what the request is about, which raises if the caller may not, then act once; see `Writes.once`."""
    found: list[_Found] = []

    async def authorise(conn: Connection) -> None:
        found.append(await find(conn))

    async def run(conn: Connection) -> _Answer:
        return await act(conn, found[-1])

    method = str(request.DESCRIPTOR.name).removesuffix("Request")
    return await writes.once(method, request, answer, run, authorise=authorise)


async def each_alone(
    requests: Iterable[_Request], act: Callable[[_Request], Awaitable[Message]], results: Any, named: str
) -> None:
    """Act on every request; into `results` of the batch's answer come, in their order, its field `named` and how it went.

    Raises the first refusal if nothing in the batch was the caller's to do: it is refused as a whole, as a single call would be.
    """
    refused: list[DomainError] = []
    for request in requests:
        result, given = results.add(**{named: getattr(request, named)}), await _given(act, request)
        if isinstance(given, DomainError):
            result.error.CopyFrom(to_proto(given))
            refused.append(given)
        else:
            result.response.CopyFrom(given)
    if refused and len(refused) == len(results) and {each.kind for each in refused} <= _NEVER_ENTERED:
        raise refused[0]


async def _given(act: Callable[[_Request], Awaitable[Message]], request: _Request) -> Message | DomainError:
    try:
        return await act(request)
    except DomainError as error:
        return error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        known = store_error(error)
        if known is None:
            raise
        return known
