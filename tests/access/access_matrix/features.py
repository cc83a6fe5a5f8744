"""Which product feature an endpoint belongs to, so that its refusals are counted for it."""

from collections.abc import Mapping
from typing import Final

VENUE: Final[Mapping[str, str]] = {
    "ApplicationService": "V1",
    "CodeTaskService": "V3",
    "ColdChainService": "V10",
    "DocumentService": "V8",
    "DuplicateService": "V1",
    "EnforcementService": "V7",
    "ExportService": "X8",
    "ImportService": "V1",
    "InspectionService": "V6",
    "ObligationService": "V2",
    "OccupancyService": "V5",
    "SpotCheckService": "V9",
    "SummaryService": "X6",
    "VenueService": "V1",
    "VisitService": "V4",
}
"""By gRPC service of the package `lilitong.venue.v1`."""

METHODS: Final[Mapping[str, str]] = {
    "VenueService/ReplaceVenueCode": "V3",
    "VenueService/RevokeVenueCode": "V3",
    "VenueService/IssueScreenSecret": "V3",
    "DocumentService/IssuePoster": "V3",
    "VisitService/GetOccupancy": "V5",
}
"""Methods that belong to another feature than the rest of their service."""


def feature_of(path: str) -> str | None:
    """Of `/lilitong.venue.v1.VenueService/GetVenue` "V1"; None for another package. KeyError for a service not listed here."""
    package, _, call = path.lstrip("/").rpartition(".")
    if package != "lilitong.venue.v1":
        return None
    return METHODS.get(call) or VENUE[call.partition("/")[0]]
