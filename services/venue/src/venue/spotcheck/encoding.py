"""Spot checks as the contract says them."""

from collections.abc import Iterable
from datetime import datetime

from chassis.rpc.times import stamp
from lilitong.venue.v1 import spot_check_pb2 as pb

from venue.spotcheck.drawing import Stratum
from venue.spotcheck.model import Assignment, Coverage, Member, SpotCheck, Team


def encode_member(member: Member) -> pb.TeamInspector:
    return pb.TeamInspector(inspector_id=str(member.inspector_id), account=member.account, home_community=member.home)


def encode_team(team: Team) -> pb.SupervisionTeam:
    return pb.SupervisionTeam(
        team_id=str(team.team_id),
        name=team.name,
        area=team.area,
        inspectors=[encode_member(each) for each in team.members],
    )


def encode_check(check: SpotCheck, now: datetime, strata: Iterable[Stratum] = ()) -> pb.SpotCheck:
    return pb.SpotCheck(
        draw_id=str(check.draw_id),
        area=check.area,
        title=check.title,
        state=int(check.state(now)),  # type: ignore[arg-type]  # numbers are the contract's
        committed_at=stamp(check.committed_at),
        ends_at=stamp(check.ends_at),
        frame_sha256=check.frame_hash,
        secret_sha256=check.secret_hash,
        commitment_index=check.commitment_index,
        opening_index=check.opening_index or 0,
        checkpoint=check.checkpoint,
        eligible=check.eligible,
        drawn=check.drawn,
        pairs=check.pairs,
        drill_id=check.drill_id,
        drawn_at=stamp(check.drawn_at),
        strata=[
            pb.SpotCheckStratum(
                area=each.area,
                category=each.category,  # type: ignore[arg-type]  # numbers are the contract's
                eligible=each.eligible,
                drawn=each.drawn,
            )
            for each in strata
        ],
    )


def encode_assignment(assignment: Assignment, now: datetime) -> pb.SpotCheckAssignment:
    return pb.SpotCheckAssignment(
        draw_id=str(assignment.draw_id),
        venue_id=str(assignment.venue_id),
        venue_name=assignment.venue_name,
        address=assignment.address,
        area=assignment.area,
        category=assignment.category,  # type: ignore[arg-type]  # numbers are the contract's
        pair=assignment.pair,
        team_id=str(assignment.team_id),
        first_inspector=assignment.inspectors[0],
        second_inspector=assignment.inspectors[1],
        progress=int(assignment.progress(now)),  # type: ignore[arg-type]
        begun_at=stamp(assignment.begun_at),
        inspection_id=str(assignment.inspection_id or ""),
        ends_at=stamp(assignment.ends_at),
    )


def encode_coverage(coverage: Coverage) -> pb.TeamCoverage:
    return pb.TeamCoverage(
        team_id=str(coverage.team_id),
        team_name=coverage.team_name,
        pairs=coverage.pairs,
        assigned=coverage.assigned,
        begun=coverage.begun,
        inspected=coverage.inspected,
        passed=coverage.passed,
        failed=coverage.failed,
        missed=coverage.missed,
        failed_items=[pb.FailedItem(item=item, times=times) for item, times in coverage.failed_items],
    )
