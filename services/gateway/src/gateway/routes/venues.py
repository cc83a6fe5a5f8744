"""Venues, their zones and codes."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import venue_pb2, visit_pb2

from gateway.operations import Batch, Contract, Operation, people

_VENUES = Contract(venue_pb2, "VenueService")
_VISITS = Contract(visit_pb2, "VisitService")
_READERS = {"venue_officer", "venue_operator", "app_backend", "command"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/venues",
        rpc=_VENUES["RegisterVenue"],
        rule=people({"venue_officer"}, "area"),
        tag="venues",
        summary="Register a venue",
        description="With its zones, each of which gets a code of its own.",
        status=201,
        location="/v1/venues/{venue_id}",
    ),
    Operation(
        verb="POST",
        path="/v1/venue-batches",
        rpc=_VENUES["BatchRegisterVenues"],
        rule=people({"venue_officer"}, "requests.area"),
        tag="venues",
        summary="Register up to 500 venues",
        description="Each venue is stored or refused on its own; sending the batch again changes nothing.",
        status=207,
        batch=Batch(item_key="request_id", identity="venue_id"),
        seconds=30.0,
    ),
    Operation(
        verb="GET",
        path="/v1/venues",
        rpc=_VENUES["ListVenues"],
        rule=people(_READERS, "area"),
        tag="venues",
        summary="List venues of an area",
        description="Of one `category` if given. Pages are followed by `next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}",
        rpc=_VENUES["GetVenue"],
        rule=people(_READERS, RESOURCE),
        tag="venues",
        summary="Read a venue",
        description="With its zones and the texts of their codes.",
        etag=True,
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/occupancy",
        rpc=_VISITS["GetOccupancy"],
        rule=people({"venue_officer", "venue_operator", "command"}, RESOURCE),
        tag="venues",
        summary="Count the people inside",
        description="By zone, against its capacity.",
    ),
    Operation(
        verb="POST",
        path="/v1/zones/{zone}/codes",
        rpc=_VENUES["ReplaceVenueCode"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Replace a zone's code",
        description="All former codes of the zone stop working.",
        status=201,
    ),
    Operation(
        verb="DELETE",
        path="/v1/zones/{zone}/code",
        rpc=_VENUES["RevokeVenueCode"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Revoke a zone's code",
        description="The zone has no valid code until it gets a new one.",
    ),
    Operation(
        verb="POST",
        path="/v1/zones/{zone}/screen-secrets",
        rpc=_VENUES["IssueScreenSecret"],
        rule=people({"venue_officer", "venue_operator"}, RESOURCE),
        tag="venues",
        summary="Issue a secret for the venue's screen",
        description="The screen then shows a code that changes every 30 s, which proves presence better than paper.",
        status=201,
    ),
)
