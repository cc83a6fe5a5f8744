"""A write: authorised, then either answered as before or done, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from chassis import idempotency
from chassis.clock import Clock, local_day
from chassis.pool import Connection

_Answer = TypeVar("_Answer", bound=Message)


class Writes:
    """Runs writes of one service. `authorise` of `once` comes before the answer is looked up: an answer given to one person is
    not read by another who may not.
    """

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def once(
        self,
        method: str,
        request: Message,
        answer: type[_Answer],
        act: Callable[[Connection], Awaitable[_Answer]],
        *,
        authorise: Callable[[Connection], Awaitable[object]] | None = None,
    ) -> _Answer:
        """`act`'s answer, or the first one if `request.request_id` came before with the same content.

        Raises `DomainError`: what `act` refuses, or MISMATCH when the id came with other content.
        """
        request_id = str(UUID(cast("str", getattr(request, "request_id"))))  # noqa: B009 - every write has the field, the type does not say so
        async with self._pool.acquire() as pooled, pooled.transaction():
            conn = cast("asyncpg.Connection", pooled)
            if authorise is not None:
                await authorise(conn)
            given = await idempotency.replay(conn, request_id, method, request)
            if given is not None:
                return answer.FromString(given)
            result = await act(conn)
            await idempotency.remember(conn, request_id, method, request, result, local_day(self._clock.now()))
            return result
