"""Venues, their zones and codes."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import duplicate_pb2, venue_pb2, visit_pb2

from gateway.operations import Batch, Contract, Operation, people

_VENUES = Contract(venue_pb2, "VenueService")
_DUPLICATES = Contract(duplicate_pb2, "DuplicateService")
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
        description="Of one `category` if given, and with `query` those whose name or address has it in it, or whose "
        "licence number it is. Closed ones are among them unless `open_only`. Pages are followed by `next_page_token`, empty "
        "on the last one.",
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
        verb="POST",
        path="/v1/venues/{venue_id}/zones",
        rpc=_VENUES["AddZones"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Add zones to a venue",
        description="Each gets a code of its own.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/venues/{venue_id}/owners",
        rpc=_VENUES["ChangeOwner"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Change a venue's owner",
        description="The new accounts take the place of the former ones; who owned it before stays on record.",
        status=201,
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/owners",
        rpc=_VENUES["GetParticulars"],
        rule=people({"venue_officer", "venue_operator"}, RESOURCE),
        tag="venues",
        summary="Read who owns a venue and answers for it",
        description="The present owner first; the venue's own accounts see no former ones.",
    ),
    Operation(
        verb="POST",
        path="/v1/venues/{venue_id}/closures",
        rpc=_VENUES["CloseVenue"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Close a venue for good",
        description="None of its codes is valid any more, at once. Nothing is deleted.",
        status=201,
    ),
    Operation(
        verb="GET",
        path="/v1/merge-candidates",
        rpc=_DUPLICATES["ListMergeCandidates"],
        rule=people({"venue_officer"}, "area"),
        tag="venues",
        summary="List venues that are likely one and the same",
        description="Pairs that nobody has decided about, the likeliest first. Pages are followed by `next_page_token`, empty "
        "on the last one.",
    ),
    Operation(
        verb="POST",
        path="/v1/merge-candidates/{candidate_id}/decisions",
        rpc=_DUPLICATES["DecideMergeCandidate"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="venues",
        summary="Decide whether two venues are one",
        description="If they are the same, `kept_venue_id` names the one that stays; the other is closed and points to it.",
        status=201,
        example={"decision": "different_venues", "kept_venue_id": ""},
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
