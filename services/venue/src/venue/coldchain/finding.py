"""Which venue a call of the cold chain is about, and whether the caller may."""

from collections.abc import Collection
from uuid import UUID

from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from venue.coldchain import recall_store, refusals, store
from venue.enforcement.permission import permitted
from venue.register import store as register_store
from venue.register.model import Venue


async def venue_of(conn: Connection, venue_id: UUID, staff: Collection[str]) -> Venue:
    """A venue, as `permitted` says."""
    return permitted((await register_store.venues(conn, [venue_id])).get(venue_id), staff)


async def premises_of(conn: Connection, lot_id: UUID, staff: Collection[str]) -> Venue:
    """The premises at which the lot arrived: their area decides about it. Raises NOT_FOUND / LOT_UNKNOWN, and as `permitted`."""
    head = await store.head(conn, lot_id)
    if head is None:
        raise refusals.unknown_lot()
    return await venue_of(conn, head.lot.premises_id, staff)


async def sampled_at(conn: Connection, sample_id: UUID, laboratory: str, staff: Collection[str]) -> UUID:
    """The lot of a sample that this laboratory may test. Raises NOT_FOUND / SAMPLE_UNKNOWN, DENIED / OWN_LABORATORY."""
    sample = await store.sample(conn, sample_id)
    if sample is None:
        raise DomainError(Kind.NOT_FOUND, "SAMPLE_UNKNOWN", "There is no such sample.")
    premises = await premises_of(conn, sample.lot_id, staff)
    if laboratory in premises.operators:
        raise DomainError(Kind.DENIED, "OWN_LABORATORY", "The premises' own accounts enter no results of their lots.")
    return sample.lot_id


async def lot_proposed(conn: Connection, proposal_id: UUID, staff: Collection[str]) -> UUID:
    """The lot of a proposal. Raises NOT_FOUND / PROPOSAL_UNKNOWN."""
    lot_id = await recall_store.lot_of(conn, proposal_id)
    if lot_id is None:
        raise DomainError(Kind.NOT_FOUND, "PROPOSAL_UNKNOWN", "There is no such proposal.")
    await premises_of(conn, lot_id, staff)
    return lot_id
