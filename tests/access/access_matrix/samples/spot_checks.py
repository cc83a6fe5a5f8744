"""Requests to venue about spot checks."""

import secrets
from datetime import timedelta

from lilitong.venue.v1 import spot_check_pb2

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now

AWAY = "141109001001"
"""A community where no venue lies: who is at home there may go anywhere."""


def beside(world: World) -> str:
    """The account that the world's inspector is in a pair with."""
    return f"{world.inspector}-beside"


@sample
def team(world: World, role: str) -> spot_check_pb2.RegisterSupervisionTeamRequest:
    team_id = new_id()
    return spot_check_pb2.RegisterSupervisionTeamRequest(
        request_id=new_id(), team_id=team_id, name=f"督导组{team_id}", area=HOME
    )


@sample
def assign(world: World, role: str) -> spot_check_pb2.AssignInspectorRequest:
    return spot_check_pb2.AssignInspectorRequest(
        request_id=new_id(),
        inspector_id=new_id(),
        account=f"account-{new_id()}",
        team_id=world.growing_team_id,
        home_community=AWAY,
    )


@sample
def teams(world: World, role: str) -> spot_check_pb2.ListSupervisionTeamsRequest:
    return spot_check_pb2.ListSupervisionTeamsRequest(area=HOME)


@sample
def commit(world: World, role: str) -> spot_check_pb2.CommitSpotCheckRequest:
    """Of everything in the community, so that the world's venue is drawn."""
    return spot_check_pb2.CommitSpotCheckRequest(
        request_id=new_id(),
        draw_id=new_id(),
        area=HOME,
        title="双随机",
        area_digits=12,
        per_mille=1000,
        team_ids=[world.team_id],
        ends_at=stamp(now() + timedelta(days=7)),
    )


@sample
def draw(world: World, role: str) -> spot_check_pb2.DrawSpotCheckRequest:
    return spot_check_pb2.DrawSpotCheckRequest(
        request_id=new_id(), draw_id=world.drawing_id, contribution=secrets.token_bytes(32)
    )


@sample
def get(world: World, role: str) -> spot_check_pb2.GetSpotCheckRequest:
    return spot_check_pb2.GetSpotCheckRequest(draw_id=world.draw_id)


@sample
def listed(world: World, role: str) -> spot_check_pb2.ListSpotChecksRequest:
    return spot_check_pb2.ListSpotChecksRequest(area=HOME, page_size=5)


@sample
def assignments(world: World, role: str) -> spot_check_pb2.ListSpotCheckAssignmentsRequest:
    return spot_check_pb2.ListSpotCheckAssignmentsRequest(draw_id=world.draw_id, page_size=5)


@sample
def begin(world: World, role: str) -> spot_check_pb2.BeginSpotCheckRequest:
    return spot_check_pb2.BeginSpotCheckRequest(
        request_id=new_id(), draw_id=world.draw_id, venue_id=world.venue_id, begun_at=stamp(now())
    )


@sample
def link(world: World, role: str) -> spot_check_pb2.LinkSpotCheckInspectionRequest:
    return spot_check_pb2.LinkSpotCheckInspectionRequest(
        request_id=new_id(), draw_id=world.draw_id, venue_id=world.venue_id, inspection_id=world.spot_inspection_id
    )


@sample
def of_venue(world: World, role: str) -> spot_check_pb2.ListVenueSpotChecksRequest:
    return spot_check_pb2.ListVenueSpotChecksRequest(venue_id=world.venue_id)


@sample
def coverage(world: World, role: str) -> spot_check_pb2.GetSpotCheckCoverageRequest:
    return spot_check_pb2.GetSpotCheckCoverageRequest(area=HOME, draw_id=world.draw_id)
