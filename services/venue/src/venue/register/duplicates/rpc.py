"""DuplicateService: likely duplicates and what people decide about them."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pages import Cursor
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from lilitong.venue.v1 import duplicate_pb2 as pb
from lilitong.venue.v1.duplicate_pb2_grpc import DuplicateServiceServicer

from venue.register import changes
from venue.register import store as register_store
from venue.register.duplicates import store
from venue.register.duplicates.store import Candidate
from venue.register.events import encode_venue
from venue.register.model import Venue
from venue.register.permission import require_open

_PAGE: Final = 50
_SAME: Final = pb.MERGE_DECISION_SAME_VENUE


class DuplicateServicer(DuplicateServiceServicer):
    """`changed` is called after a commit that closed a venue."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, seal: Callable[[], bytes], changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._pool, self._clock, self._seal, self._changed = pool, clock, seal, changed
        self._writes = Writes(pool, clock)

    @allow(roles={"venue_officer"}, area="area")
    async def ListMergeCandidates(
        self, request: pb.ListMergeCandidatesRequest, _: Any
    ) -> pb.ListMergeCandidatesResponse:
        after = pages.after(Cursor, request.page_token)
        async with self._pool.acquire() as conn:
            found, more = await store.page(conn, request.area, after, request.page_size or _PAGE)
            ids = [each for one in found for each in (one.first_id, one.second_id)]
            venues = await register_store.venues(conn, ids)
        return pb.ListMergeCandidatesResponse(
            candidates=[_encode(each, venues) for each in found], next_page_token=more.encode() if more else ""
        )

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def DecideMergeCandidate(
        self, request: pb.DecideMergeCandidateRequest, _: Any
    ) -> pb.DecideMergeCandidateResponse:
        candidate_id = UUID(request.candidate_id)

        async def authorise(conn: Connection) -> None:
            await _permitted(conn, candidate_id)

        async def act(conn: Connection) -> pb.DecideMergeCandidateResponse:
            return await self._decide(conn, await _permitted(conn, candidate_id), request)

        answer = await self._writes.once(
            "DecideMergeCandidate", request, pb.DecideMergeCandidateResponse, act, authorise=authorise
        )
        await self._changed()
        return answer

    async def _decide(
        self, conn: Connection, candidate: Candidate, request: pb.DecideMergeCandidateRequest
    ) -> pb.DecideMergeCandidateResponse:
        same, by, now = request.decision == _SAME, current_caller().subject, self._clock.now()
        pair = {str(candidate.first_id): candidate.second_id, str(candidate.second_id): candidate.first_id}
        if same != (request.kept_venue_id in pair):
            raise DomainError(
                Kind.INVALID,
                "INVALID_REQUEST",
                "The venue that stays is one of the two, and of two venues both stay.",
                fields={"kept_venue_id": "one of the two if they are the same venue, else empty"},
            )
        await register_store.lock_register(conn)
        # The register's lock makes decisions follow each other.
        if await store.decided(conn, candidate.candidate_id):
            raise DomainError(Kind.PRECONDITION, "CANDIDATE_DECIDED", "This was decided before.")
        kept = UUID(request.kept_venue_id) if same else None
        await store.decide(conn, candidate.candidate_id, kept, by, now)
        if kept is None:
            first = (await register_store.venues(conn, [candidate.first_id]))[candidate.first_id]
            return pb.DecideMergeCandidateResponse(venue=encode_venue(first))
        # Whoever is just recording an inspection of one of them is waited for.
        venues = await register_store.freeze(conn, [candidate.first_id, candidate.second_id])
        other = venues[pair[str(kept)]]
        require_open(venues[kept])
        if await store.inspected(conn, other.venue_id):
            # Its failed inspections and suspensions would be closed with it, and the door go on under the other's code.
            raise DomainError(Kind.PRECONDITION, "VENUE_INSPECTED", "A venue that was inspected stays; keep that one.")
        await changes.close(conn, other, "与另一登记场所为同一场所", now, by, self._seal, merged_into=kept)
        return pb.DecideMergeCandidateResponse(venue=encode_venue(venues[kept]))


async def _permitted(conn: Any, candidate_id: UUID) -> Candidate:
    candidate = await store.find(conn, candidate_id)
    if candidate is None:
        raise DomainError(Kind.NOT_FOUND, "CANDIDATE_UNKNOWN", "There is no such pair.")
    require_area(candidate.area)
    require_area(candidate.second_area)
    return candidate


def _encode(candidate: Candidate, venues: dict[UUID, Venue]) -> pb.MergeCandidate:
    return pb.MergeCandidate(
        candidate_id=str(candidate.candidate_id),
        first=encode_venue(venues[candidate.first_id]),
        second=encode_venue(venues[candidate.second_id]),
        score=candidate.score,
        reasons=candidate.reasons,
        found_at=stamp(candidate.found_at),
    )
