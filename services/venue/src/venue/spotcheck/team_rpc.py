"""SpotCheckService, teams: which there are, and who is in them and at home where."""

# ruff: noqa: N802 - methods are named by the contract

from typing import Any
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import spot_check_pb2 as pb

from venue.spotcheck import team_store
from venue.spotcheck.encoding import encode_member, encode_team
from venue.spotcheck.model import Member, Team
from venue.spotcheck.refusals import inspector_exists, team_exists


class TeamMethods:
    """Part of the servicer, which gives it these."""

    pool: asyncpg.Pool
    clock: Clock
    writes: Writes

    @allow(roles={"enforcement_lead"}, area="area")
    async def RegisterSupervisionTeam(
        self, request: pb.RegisterSupervisionTeamRequest, _: Any
    ) -> pb.RegisterSupervisionTeamResponse:
        team = Team(UUID(request.team_id), request.name, request.area)

        async def act(conn: Connection) -> pb.RegisterSupervisionTeamResponse:
            await team_store.lock_teams(conn)
            known = await team_store.team(conn, team.team_id)
            if known is None:
                with constraint_errors(team_store.ERRORS):
                    await team_store.insert_team(conn, team, current_caller().subject, self.clock.now())
            elif (known.name, known.area) != (team.name, team.area):
                raise team_exists()
            return pb.RegisterSupervisionTeamResponse(team=encode_team(known or team))

        return await self.writes.once("RegisterSupervisionTeam", request, pb.RegisterSupervisionTeamResponse, act)

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def AssignInspector(self, request: pb.AssignInspectorRequest, _: Any) -> pb.AssignInspectorResponse:
        new = Member(UUID(request.inspector_id), request.account, UUID(request.team_id), request.home_community)

        async def authorise(conn: Connection) -> None:
            """Who moves somebody answers for both teams."""
            team = await team_store.team(conn, new.team_id)
            if team is None:
                raise DomainError(Kind.NOT_FOUND, "TEAM_UNKNOWN", "There is no such team.")
            require_area(team.area)
            former = await team_store.member(conn, new.inspector_id)
            old = None if former is None else await team_store.team(conn, former.team_id)
            if old is not None:
                require_area(old.area)

        async def act(conn: Connection) -> pb.AssignInspectorResponse:
            await team_store.lock_teams(conn)
            account = await team_store.account_of(conn, new.inspector_id)
            if account is not None and account != new.account:
                raise inspector_exists()
            if account is None:
                with constraint_errors(team_store.ERRORS):
                    await team_store.insert_inspector(conn, new.inspector_id, new.account)
            if await team_store.member(conn, new.inspector_id) != (None if request.leaves else new):
                by = current_caller().subject
                await team_store.add_membership(conn, new, by, self.clock.now(), leaves=request.leaves)
            return pb.AssignInspectorResponse(inspector=encode_member(new))

        return await self.writes.once("AssignInspector", request, pb.AssignInspectorResponse, act, authorise=authorise)

    @allow(roles={"enforcement_lead", "venue_officer", "command", "auditor"}, area="area")
    async def ListSupervisionTeams(
        self, request: pb.ListSupervisionTeamsRequest, _: Any
    ) -> pb.ListSupervisionTeamsResponse:
        async with self.pool.acquire() as conn:
            found = await team_store.teams(conn, request.area)
        return pb.ListSupervisionTeamsResponse(teams=[encode_team(each) for each in found])
