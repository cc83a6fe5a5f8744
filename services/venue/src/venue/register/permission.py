"""Who may see a venue: its area decides, and for operators that it is theirs."""

from datetime import datetime

from chassis.access import current_caller, require_area
from chassis.errors import DomainError, Kind

from venue.register.model import Venue


def only_operator() -> bool:
    """Whether the caller's one business here is the venues it operates itself."""
    return current_caller().roles.isdisjoint({"venue_officer", "app_backend", "command"})


def permitted(venue: Venue | None) -> Venue:
    """The venue, if the caller may see it. Raises NOT_FOUND / VENUE_UNKNOWN, DENIED / OUT_OF_AREA or NOT_AN_OPERATOR."""
    if venue is None:
        raise DomainError(Kind.NOT_FOUND, "VENUE_UNKNOWN", "No such venue is registered.")
    require_area(venue.area)
    if only_operator() and current_caller().subject not in venue.operators:
        raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the venue's own accounts may do this.")
    return venue


def require_open(venue: Venue, at: datetime | None = None) -> None:
    """Raises PRECONDITION / VENUE_CLOSED.

    `at`: when it was, for what is told afterwards; what happened before the closing may still be told.
    """
    if venue.closed_at is not None and (at is None or at >= venue.closed_at):
        raise DomainError(Kind.PRECONDITION, "VENUE_CLOSED", "This venue is closed for good.")
