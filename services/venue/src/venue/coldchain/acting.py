"""Everything that happens to a lot on its way: one fact each, added under the lot's lock with the rows that it stands on."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection

from venue.coldchain import recall_store, refusals, store, trail
from venue.coldchain.events import Teller
from venue.coldchain.model import (
    CLOCK_SKEW,
    OLDEST,
    Disinfection,
    Distribution,
    Head,
    Lot,
    Outcome,
    Premises,
    Proposal,
    Release,
    Result,
    Sample,
)
from venue.coldchain.model import Kind as Fact
from venue.register import store as register_store
from venue.register.model import Venue
from venue.register.permission import require_open


class Acting:
    """Methods run in the caller's transaction; they raise `DomainError`: a time that cannot be, or as `refusals.ERRORS` says."""

    def __init__(self, clock: Clock, tell: Teller) -> None:
        self._clock, self._tell = clock, tell

    async def register_premises(self, conn: Connection, venue: Venue, licence_number: str, by: str) -> Premises:
        require_open(await register_store.hold(conn, venue.venue_id))
        premises = Premises(venue.venue_id, venue.drill_id, licence_number, by, self._clock.now())
        with constraint_errors(refusals.ERRORS):
            await store.insert_premises(conn, premises, venue.category)
        return premises

    async def register(self, conn: Connection, venue: Venue, lot: Lot, by: str) -> Head:
        require_open(await register_store.hold(conn, venue.venue_id))
        now = self._clock.now()
        _check_time("arrived_at", lot.arrived_at, now, now - OLDEST)
        with constraint_errors(refusals.ERRORS):
            await store.insert_lot(conn, lot, by, now)
        head = await open_lot(conn, lot.lot_id)
        await self._tell.changed(conn, head, "registered", now)
        return head

    async def sample(self, conn: Connection, sample: Sample) -> Sample:
        head, now = await open_lot(conn, sample.lot_id), self._clock.now()
        _check_time("taken_at", sample.taken_at, now, head.lot.arrived_at)
        with constraint_errors(refusals.ERRORS):
            await store.insert_sample(conn, sample, head.ordinal + 1, now)
            await store.add_fact(conn, head, Fact.SAMPLED, sample.sample_id)
        return sample

    async def enter(
        self, conn: Connection, lot_id: UUID, sample_id: UUID, outcome: Outcome, laboratory: str, tested_at: datetime
    ) -> Sample:
        """A positive result proposes a recall, whose id nobody could know and take before."""
        head, now = await open_lot(conn, lot_id), self._clock.now()
        sample = await store.sample(conn, sample_id)
        if sample is None:
            raise RuntimeError("a sample that was found does not go away")
        if sample.result is not None:
            raise refusals.entered_already()
        _check_time("tested_at", tested_at, now, sample.taken_at)
        positive = outcome is Outcome.POSITIVE
        proposal_id = uuid4() if positive else None
        result = Result(outcome, laboratory, tested_at, now, head.ordinal + 1, proposal_id)
        with constraint_errors(refusals.ERRORS):
            await store.insert_result(conn, sample, result)
            if proposal_id is not None:
                proposal = Proposal(
                    proposal_id=proposal_id,
                    lot_id=lot_id,
                    sample_id=sample_id,
                    ordinal=head.ordinal + 1,
                    proposed_by=laboratory,
                    reason="",
                    proposed_at=now,
                )
                await recall_store.insert_proposal(conn, proposal)
            await store.add_fact(conn, head, Fact.POSITIVE if positive else Fact.NEGATIVE, sample_id)
        if positive:
            await self._tell.changed(conn, await open_lot(conn, lot_id), "held", now)
        return replace(sample, result=result)

    async def disinfect(self, conn: Connection, done: Disinfection) -> Disinfection:
        head, now = await open_lot(conn, done.lot_id), self._clock.now()
        _check_time("performed_at", done.performed_at, now, head.lot.arrived_at)
        with constraint_errors(refusals.ERRORS):
            await store.insert_disinfection(conn, done, head.ordinal + 1, now)
            await store.add_fact(conn, head, Fact.DISINFECTED, done.disinfection_id)
        return done

    async def release(self, conn: Connection, lot_id: UUID, release_id: UUID, by: str) -> Release:
        """Rests on the newest negative result of the goods and the newest disinfection."""
        head, now = await open_lot(conn, lot_id), self._clock.now()
        _check_movable(head)
        if head.released:
            raise refusals.released_already()
        negative, disinfection = await store.grounds(conn, lot_id)
        if negative is None or disinfection is None:
            raise refusals.not_free()
        release = Release(release_id, negative[0], disinfection[0], by, now)
        with constraint_errors(refusals.ERRORS):
            await store.insert_release(conn, lot_id, release, head.ordinal + 1, negative[1], disinfection[1])
            after = await store.add_fact(conn, head, Fact.RELEASED, release_id)
        await self._tell.changed(conn, after, "released", now)
        return release

    async def distribute(self, conn: Connection, moved: Distribution, receiver: Venue | None) -> Distribution:
        """`receiver` None: out of the district."""
        head, now = await open_lot(conn, moved.lot_id), self._clock.now()
        _check_movable(head)
        release = await store.release(conn, moved.lot_id)
        if release is None:
            raise refusals.not_released()
        _check_time("distributed_at", moved.distributed_at, now, release.released_at - CLOCK_SKEW)
        if receiver is not None:
            require_open(await register_store.hold(conn, receiver.venue_id))
            if receiver.drill_id != head.lot.drill_id:
                raise DomainError(Kind.PRECONDITION, "OTHER_DRILL", "Goods do not leave their drill, nor enter one.")
        at = await trail.there(conn, moved.lot_id, moved.from_venue)
        if at is None or at[1] < moved.quantity:
            raise refusals.not_enough()
        with constraint_errors(refusals.ERRORS):
            await trail.insert_distribution(conn, head, moved, now)
            await store.add_fact(conn, head, Fact.DISTRIBUTED, moved.distribution_id)
        return replace(moved, remaining=at[1] - moved.quantity)


async def open_lot(conn: Connection, lot_id: UUID) -> Head:
    """The lot as it stands, alone with it to the end of the transaction. Raises NOT_FOUND / LOT_UNKNOWN."""
    await store.lock(conn, lot_id)
    head = await store.head(conn, lot_id)
    if head is None:
        raise refusals.unknown_lot()
    return head


def _check_movable(head: Head) -> None:
    if head.recalled:
        raise refusals.recalled()
    if head.positives:
        raise refusals.held()


def _check_time(field: str, at: datetime, now: datetime, earliest: datetime | None = None) -> None:
    if at > now + CLOCK_SKEW:
        raise DomainError(
            Kind.INVALID, "TIME_IN_FUTURE", "This time lies in the future.", fields={field: "must not lie ahead"}
        )
    if earliest is not None and at < earliest:
        raise DomainError(
            Kind.INVALID,
            "TIME_TOO_EARLY",
            "This time lies before what it follows.",
            fields={field: f"must not lie before {earliest.isoformat()}"},
        )
