"""An inspection and the end of its venue at once: whichever comes first, the other knows of it."""

import asyncio
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from chassis.access import calling
from chassis.errors import DomainError
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import duplicate_pb2, enforcement_pb2, venue_pb2
from venue.enforcement.inspections import store as inspection_store
from venue.register import change_store
from venue.register.duplicates.rpc import DuplicateServicer

from .conftest import count, failed, person

pytestmark = [pytest.mark.connected, pytest.mark.feature("V6", "V1"), pytest.mark.case("concurrency")]
OFFICER = person("officer-1", "venue_officer")


class Ending:
    """How a venue ends: closed, or merged into another."""

    def __init__(self, street):
        async def changed():
            await street.house.zones.announce()

        self.street = street
        self.duplicates = DuplicateServicer(street.house.pool, street.house.clock, unsealed, changed)

    async def closed(self, venue):
        with calling(OFFICER):
            request = venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=venue.venue_id, reason="歇业")
            await self.street.house.venues.CloseVenue(request, None)

    async def merged(self, venue):
        kept = await self.street.venue()
        candidate = uuid4()
        await self.street.house.owner.execute(
            """
            INSERT INTO merge_candidates (candidate_id, first_id, second_id, area, second_area, score, reasons, found_at)
            SELECT $1, least($2::uuid, $3), greatest($2, $3), $4, $4, 90, '{name}', now()
            """,
            candidate,
            UUID(venue.venue_id),
            UUID(kept.venue_id),
            venue.area,
        )
        request = duplicate_pb2.DecideMergeCandidateRequest(
            request_id=str(uuid4()), candidate_id=str(candidate), decision=1, kept_venue_id=kept.venue_id
        )
        with calling(OFFICER):
            await self.duplicates.DecideMergeCandidate(request, None)


@asynccontextmanager
async def halted(monkeypatch, module, name):
    """The function stands still once it is done, its transaction open, until this block is left; yields when it stands."""
    stands, go, real = asyncio.Event(), asyncio.Event(), getattr(module, name)

    async def slow(*given, **more):
        found = await real(*given, **more)
        stands.set()
        await go.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(module, name, slow)
        yield stands
        go.set()


async def waits(task):
    """It does not end while the other's transaction is open."""
    done, _ = await asyncio.wait([task], timeout=0.3)
    assert not done


@pytest.mark.parametrize("how", ["closed", "merged"])
async def test_whoever_ends_a_venue_waits_for_an_inspection_that_is_being_recorded(street, monkeypatch, how):
    await street.policies()
    venue = await street.venue()
    async with halted(monkeypatch, inspection_store, "insert") as stands:
        inspecting = asyncio.create_task(street.fail(venue))
        await stands.wait()
        ending = asyncio.create_task(getattr(Ending(street), how)(venue))
        await waits(ending)
    assert (await inspecting).step == 1
    if how == "merged":
        with pytest.raises(DomainError, match="VENUE_INSPECTED"):
            await ending
    else:
        await ending
    closed = await street.house.owner.fetchval("SELECT closed_at FROM venues WHERE venue_id = $1", venue.venue_id)
    assert (closed is not None) == (how == "closed")


@pytest.mark.parametrize("how", ["closed", "merged"])
async def test_an_inspection_waits_for_whoever_is_ending_the_venue_and_is_refused_then(street, monkeypatch, how):
    await street.policies()
    venue = await street.venue()
    async with halted(monkeypatch, change_store, "close") as stands:
        ending = asyncio.create_task(getattr(Ending(street), how)(venue))
        await stands.wait()
        inspecting = asyncio.create_task(street.fail(venue))
        await waits(inspecting)
    await ending
    with pytest.raises(DomainError, match="VENUE_CLOSED"):
        await inspecting
    assert await count(street, "inspections") == 0


async def test_inspections_approvals_and_closings_at_once_never_wait_for_each_other_crosswise(street):
    await street.policies()
    ending = Ending(street)
    for _ in range(5):
        venues = [await street.venue() for _ in range(3)]
        measures = [await failed(street, each) for each in venues]
        answers = await asyncio.gather(
            *(street.suspend(measure) for measure in measures),
            *(street.fail(venue) for venue in venues for _ in range(2)),
            *(ending.closed(venue) for venue in venues),
            *(street.appeal(measure) for measure in measures),
            return_exceptions=True,
        )
        wrong = [each for each in answers if isinstance(each, BaseException) and not isinstance(each, DomainError)]
        assert not wrong
        assert {each.reason for each in answers if isinstance(each, DomainError)} <= {
            "VENUE_CLOSED", "MEASURE_SUPERSEDED", "APPEAL_OPEN", "NOT_CURRENT",
        }  # fmt: skip
        closed = await street.house.owner.fetchval("SELECT count(*) FROM venues WHERE closed_at IS NOT NULL")
        assert closed % 3 == 0
        assert closed > 0


async def test_a_suspension_of_a_venue_that_closes_meanwhile_stands_in_its_ladder(street):
    await street.policies()
    venue = await street.venue()
    measure = await failed(street, venue)
    request = enforcement_pb2.ApproveSuspensionRequest(
        request_id=str(uuid4()), suspension_id=str(uuid4()), measure_id=measure
    )
    await asyncio.gather(street.call(street.lead, request), Ending(street).closed(venue))
    standing = await street.standing(venue)
    assert standing.measures[-1].suspensions[0].suspension_id == request.suspension_id
