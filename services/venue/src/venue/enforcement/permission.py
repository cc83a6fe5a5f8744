"""Who may do something about a venue's measures: its area decides, and for operators that it is theirs."""

from collections.abc import Collection

from chassis.access import current_caller, require_area
from chassis.errors import DomainError, Kind

from venue.register.model import Venue

STAFF = frozenset(
    {"inspector", "enforcement_lead", "venue_officer", "grid_worker", "command", "auditor", "app_backend"}
)


def permitted(venue: Venue | None, staff: Collection[str] = STAFF) -> Venue:
    """The venue, if the caller's area covers it and the caller is of `staff` or operates it.

    Raises NOT_FOUND / VENUE_UNKNOWN, DENIED / OUT_OF_AREA or NOT_AN_OPERATOR.
    """
    if venue is None:
        raise DomainError(Kind.NOT_FOUND, "VENUE_UNKNOWN", "No such venue is registered.")
    require_area(venue.area)
    caller = current_caller()
    if caller.roles.isdisjoint(staff) and caller.subject not in venue.operators:
        raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the venue's own accounts may do this.")
    return venue
