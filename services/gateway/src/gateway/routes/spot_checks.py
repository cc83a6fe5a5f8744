"""Spot checks: teams, draws that nobody can steer, the door, coverage; `records.py` has what is published, open to all."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import spot_check_pb2

from gateway.operations import Contract, Operation, people

_CHECKS = Contract(spot_check_pb2, "SpotCheckService")
_OVERSEERS = {"enforcement_lead", "command", "auditor"}
_OFFICIALS = _OVERSEERS | {"venue_officer"}
_STAFF = _OFFICIALS | {"inspector"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/supervision-teams",
        rpc=_CHECKS["RegisterSupervisionTeam"],
        rule=people({"enforcement_lead"}, "area"),
        tag="spot-checks",
        summary="Register a supervision team",
        description="The same again changes nothing.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/supervision-teams/{team_id}/inspectors",
        rpc=_CHECKS["AssignInspector"],
        rule=people({"enforcement_lead"}, RESOURCE),
        tag="spot-checks",
        summary="Put an inspector into a team",
        description="With the community where the account is at home: no pair is sent to one of its own. Moving and leaving are "
        "said the same way, under the same `inspector_id`.",
        example={"account": "inspector-1", "home_community": "141102002001"},
    ),
    Operation(
        verb="GET",
        path="/v1/supervision-teams",
        rpc=_CHECKS["ListSupervisionTeams"],
        rule=people(_OFFICIALS, "area"),
        tag="spot-checks",
        summary="List supervision teams",
        description="Of the area and what lies in it, at most 200, with those who are in them now.",
    ),
    Operation(
        verb="POST",
        path="/v1/spot-checks",
        rpc=_CHECKS["CommitSpotCheck"],
        rule=people({"venue_officer"}, "area"),
        tag="spot-checks",
        summary="Commit to a spot check",
        description="Venues, inspectors and counts are frozen, and their hash and that of a secret go into the log. "
        "Nobody can know the outcome yet.",
        status=201,
        location="/v1/spot-checks/{draw_id}",
        seconds=15.0,
        example={"area": "141102001", "area_digits": 12, "per_mille": 100, "team_ids": [], "drill_id": ""},
    ),
    Operation(
        verb="POST",
        path="/v1/spot-checks/{draw_id}/draw",
        rpc=_CHECKS["DrawSpotCheck"],
        rule=people({"enforcement_lead"}, RESOURCE),
        tag="spot-checks",
        summary="Open a commitment and draw",
        description="By somebody else than who committed, with 32 bytes of their own, for instance from dice. "
        "There is one draw for each commitment; after an interruption the same bytes go on.",
        seconds=15.0,
    ),
    Operation(
        verb="GET",
        path="/v1/spot-checks",
        rpc=_CHECKS["ListSpotChecks"],
        rule=people(_STAFF, "area"),
        tag="spot-checks",
        summary="List spot checks of an area",
        description="Those of the area, of what lies in it and of what covers it, the newest first. Pages are followed by "
        "`next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/spot-checks/{draw_id}",
        rpc=_CHECKS["GetSpotCheck"],
        rule=people(_STAFF, RESOURCE),
        tag="spot-checks",
        summary="Read a spot check",
        description="Its state, its places in the log and its strata; not who goes where.",
        etag=True,
    ),
    Operation(
        verb="GET",
        path="/v1/spot-checks/{draw_id}/assignments",
        rpc=_CHECKS["ListSpotCheckAssignments"],
        rule=people(_OVERSEERS | {"inspector"}, RESOURCE),
        tag="spot-checks",
        summary="List who goes where",
        description="By pair and venue; inspectors see their own pair's. Pages are followed by `next_page_token`, empty on the "
        "last one.",
    ),
    Operation(
        verb="POST",
        path="/v1/spot-checks/{draw_id}/venues/{venue_id}/beginning",
        rpc=_CHECKS["BeginSpotCheck"],
        rule=people({"inspector"}, RESOURCE),
        tag="spot-checks",
        summary="Begin at the door",
        description="By one of the pair, with the device's time and, if known, its position. From here on the venue sees it.",
    ),
    Operation(
        verb="POST",
        path="/v1/spot-checks/{draw_id}/venues/{venue_id}/inspection",
        rpc=_CHECKS["LinkSpotCheckInspection"],
        rule=people({"inspector"}, RESOURCE),
        tag="spot-checks",
        summary="Say which inspection came of it",
        description="One of this venue that the two of this pair have recorded, made after the beginning.",
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/spot-checks",
        rpc=_CHECKS["ListVenueSpotChecks"],
        rule=people(_STAFF | {"venue_operator"}, RESOURCE),
        tag="spot-checks",
        summary="List a venue's spot checks",
        description="Those that have begun, whoever asks; for the venue's own accounts too.",
    ),
    Operation(
        verb="GET",
        path="/v1/spot-check-coverage",
        rpc=_CHECKS["GetSpotCheckCoverage"],
        rule=people(_OFFICIALS, "area"),
        tag="spot-checks",
        summary="Coverage and findings per team",
        description="Assigned, begun, inspected, passed, failed and missed, and what was found, of one spot check or of all of "
        "the area.",
        seconds=15.0,
    ),
)
