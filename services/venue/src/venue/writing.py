"""Writes about something that is stored already, and many of them in one call."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import asyncpg
from chassis.errors import DomainError, Kind, store_error
from chassis.pool import Connection
from chassis.writes import Writes
from google.protobuf.message import Message

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")
_Given = TypeVar("_Given")
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
    items: Iterable[_Item], act: Callable[[_Item], Awaitable[_Given]]
) -> list[tuple[_Item, _Given | DomainError]]:
    """Every item with its answer or its refusal, in their order.

    Raises the first refusal if nothing in the batch was the caller's to do: it is refused as a whole, as a single call would be.
    """
    found: list[tuple[_Item, _Given | DomainError]] = []
    for item in items:
        try:
            found.append((item, await act(item)))
        except DomainError as error:
            found.append((item, error))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            known = store_error(error)
            if known is None:
                raise
            found.append((item, known))
    refused = [given for _, given in found if isinstance(given, DomainError) and given.kind in _NEVER_ENTERED]
    if refused and len(refused) == len(found):
        raise refused[0]
    return found
