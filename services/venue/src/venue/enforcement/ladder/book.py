"""A venue's facts, held under its lock while one more is added."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.pool import Connection

from venue.enforcement.ladder import model, store
from venue.enforcement.ladder.facts import Fact
from venue.enforcement.ladder.standing import Standing
from venue.enforcement.ladder.store import NewFact
from venue.enforcement.policies import store as policy_store
from venue.enforcement.policies.model import Policy, in_force
from venue.register.model import Venue


@dataclass(slots=True)
class Book:
    """`now` never lies before the last fact: a replica whose clock is behind must not write into another's past."""

    venue: Venue
    facts: list[Fact]
    policies: list[Policy]
    now: datetime

    @property
    def policy(self) -> Policy | None:
        return in_force(self.policies, self.venue.area, self.now)

    @property
    def next_ordinal(self) -> int:
        return len(self.facts) + 1

    def standing(self) -> Standing:
        return model.standing(self.facts, self.policies, self.venue.area, self.now)

    async def add(self, conn: Connection, new: NewFact) -> None:
        """Write a fact. What refers to it (a measure, a suspension) is written after it."""
        await store.insert_fact(conn, self.venue.venue_id, new)
        self.facts.append(new.fact)

    async def close(self, conn: Connection) -> Standing:
        """Repeat the outcome for lists; the last thing that a writer does. Returns the standing after it."""
        after = self.standing()
        pending = after.current is not None and after.current.suspension_pending
        await store.save_head(conn, self.venue.venue_id, after.current, pending=pending)
        return after


async def open_book(conn: Connection, venue: Venue, clock: Clock) -> Book:
    """The venue's facts, locked against others until the transaction ends."""
    await store.lock_head(conn, venue.venue_id, venue.area, venue.drill_id)
    facts = await store.facts(conn, venue.venue_id)
    policies = await policy_store.approved(conn, venue.area)
    now = clock.now()
    return Book(venue, facts, policies, max(now, facts[-1].recorded_at) if facts else now)


async def read_standing(conn: Connection, venue: Venue, at: datetime) -> Standing:
    """Without a lock, for reading."""
    return (await read_standings(conn, {venue.venue_id: venue.area}, at))[venue.venue_id]


async def read_standings(conn: Connection, areas: Mapping[UUID, str], at: datetime) -> dict[UUID, Standing]:
    """Of many venues, given with their areas, by as many statements as of one."""
    facts = await store.facts_of(conn, areas.keys())
    policies = await policy_store.approved(conn, *set(areas.values()))
    return {venue_id: model.standing(facts.get(venue_id, ()), policies, area, at) for venue_id, area in areas.items()}
