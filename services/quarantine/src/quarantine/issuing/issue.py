"""Orders for passes: who may have one, what was asked before, and the passes themselves.

A repeated request is answered as the first time without anything of the answer being stored: the moment of the first
answer is kept, and the same passes follow from it again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg
from chassis.access import require_area
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from quarantine.issuing import store
from quarantine.issuing.model import Holder, Order, companions_problem, days_problem
from quarantine.issuing.signing import Accepted, NoKeyError, PassMaker
from quarantine.issuing.store import Asked

Passes = list[tuple[date, bytes]]


@dataclass(frozen=True, slots=True)
class Request:
    """An order with the SHA-256 of the request that it came in, and what was wrong with reading it."""

    order: Order
    digest: bytes
    malformed: DomainError | None = None


class Issuing:
    def __init__(self, pool: asyncpg.Pool, clock: Clock, maker: PassMaker) -> None:
        self._pool = pool
        self._clock = clock
        self._maker = maker

    async def issue(self, requests: Sequence[Request]) -> list[Passes | DomainError]:
        """For each request its passes or why there are none. The caller's area is checked for each holder.

        Raises UNAVAILABLE when a key is missing, which is nobody's fault who asks.
        """
        now = self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            decided = await _decide(conn, requests, now)
        accepted = [one for one in decided if isinstance(one, Accepted)]
        try:
            made = iter(await asyncio.to_thread(self._maker.make, accepted) if accepted else [])
        except NoKeyError:
            raise DomainError(
                Kind.UNAVAILABLE, "KEY_MISSING", "A key that is needed is not there; try later."
            ) from None
        return [one if isinstance(one, DomainError) else next(made) for one in decided]


async def _decide(conn: Connection, requests: Sequence[Request], now: datetime) -> list[Accepted | DomainError]:
    orders = [request.order for request in requests]
    people = await store.holders(
        conn, list({one for order in orders for one in (order.resident_id, *order.companion_ids)})
    )
    ids = [order.request_id for order in orders]
    before = await store.asked(conn, ids)
    first: dict[UUID, Asked] = {}
    answers: dict[int, DomainError] = {}
    for place, request in enumerate(requests):
        problem = _problem(request, people, before.get(request.order.request_id), now)
        if problem is not None:
            answers[place] = problem
        elif request.order.request_id not in before:
            first.setdefault(request.order.request_id, Asked(request.digest, now))
    if first:
        await store.remember(conn, first, local_day(now))
        before = await store.asked(conn, ids)
    decided: list[Accepted | DomainError] = []
    for place, request in enumerate(requests):
        if place in answers:
            decided.append(answers[place])
            continue
        asked = before[request.order.request_id]
        if asked.digest != request.digest:  # the id came with other content, in this very batch or in a call beside it
            decided.append(_mismatch())
        else:
            drill_id = people[request.order.resident_id].drill_id
            decided.append(Accepted(request.order, asked.issued_at, drill_id))
    return decided


def _problem(request: Request, people: dict[UUID, Holder], asked: Asked | None, now: datetime) -> DomainError | None:
    holder = people.get(request.order.resident_id)
    if holder is None or holder.erased:
        return DomainError(Kind.NOT_FOUND, "NO_RESIDENT", "There is no such resident.")
    try:
        require_area(holder.area)
    except DomainError as refused:
        return refused
    if asked is not None and asked.digest != request.digest:
        return _mismatch()
    if request.malformed is not None:
        return request.malformed
    return days_problem(request.order, asked.issued_at if asked else now) or companions_problem(request.order, people)


def _mismatch() -> DomainError:
    return DomainError(Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "this request id was used before with other content")
