"""What supervises, made for a world: spot checks and imported lots."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from lilitong.venue.v1 import spot_check_pb2

from access_matrix.samples import cold_chain, inspections, spot_checks
from access_matrix.world import World, now

if TYPE_CHECKING:
    from access_matrix.making import Maker

SOON = timedelta(seconds=8)


async def draws(maker: Maker, world: World) -> World:
    """A draw in which the world's inspector goes to the world's venue, a commitment that waits to be opened, a draw soon over."""
    team, growing = (spot_checks.team(world, "") for _ in range(2))
    for each in (team, growing):
        await maker.say("enforcement_lead", each)
    world = replace(world, team_id=team.team_id, growing_team_id=growing.team_id)
    for account in (world.inspector, spot_checks.beside(world)):
        member = spot_checks.assign(world, "")
        member.account, member.team_id = account, team.team_id
        await maker.say("enforcement_lead", member)
    drawn, waiting, ending = (spot_checks.commit(world, "") for _ in range(3))
    ending.ends_at.FromDatetime(now() + SOON)
    for each in (ending, drawn, waiting):
        await maker.say("venue_officer", each)
    for each in (ending, drawn):
        await maker.say("enforcement_lead", spot_checks.draw(replace(world, drawing_id=each.draw_id), ""))
    world = replace(world, draw_id=drawn.draw_id, drawing_id=waiting.draw_id, ended_draw_id=ending.draw_id)
    await maker.say("inspector", spot_checks.begin(world, ""), world.inspector)
    seen = inspections.record(world, "inspector")
    seen.second_inspector = spot_checks.beside(world)
    await maker.say("inspector", seen, world.inspector)
    return replace(world, spot_inspection_id=seen.inspection_id)


async def over(maker: Maker, world: World) -> bool:
    """Whether the draw that ends is over, so that anybody may read what is needed to draw again."""
    request = spot_check_pb2.GetSpotCheckRequest(draw_id=world.ended_draw_id)
    check = (await maker.say("command", request)).spot_check
    return bool(check.state == spot_check_pb2.SPOT_CHECK_STATE_PUBLISHED)


async def lots(maker: Maker, world: World) -> World:
    """Premises and a venue that could become some; a lot for each act that changes one."""
    premises, store = cold_chain.cold_store(world), cold_chain.cold_store(world)
    for each in (premises, store):
        await maker.say("venue_officer", each)
    world = replace(world, cold_store_id=store.venue_id, premises_id=premises.venue_id)
    here = replace(world, cold_store_id=premises.venue_id)
    await maker.say("venue_officer", cold_chain.register_premises(here, ""))
    lots = []
    for _ in range(5):
        lot = cold_chain.register_lot(world, "")
        await maker.say("venue_operator", lot, world.operator)
        lots.append(replace(world, lot_id=lot.lot_id, releasing_lot_id=lot.lot_id))
    plain, releasing, released, recalling, recalled = lots
    for lot in (releasing, released):
        sample = cold_chain.record_sample(lot, "")
        await maker.say("inspector", sample)
        await maker.say("laboratory", cold_chain.enter_result(replace(lot, lot_sample_id=sample.sample_id), ""))
        await maker.say("venue_operator", cold_chain.disinfect(lot, ""), world.operator)
    await maker.say("venue_officer", cold_chain.release(released, ""))
    pending = cold_chain.record_sample(plain, "")
    await maker.say("inspector", pending)
    proposals = [cold_chain.propose(lot, "") for lot in (recalling, recalled)]
    for proposal in proposals:
        await maker.say("inspector", proposal)
    decision = cold_chain.decide(replace(world, recall_proposal_id=proposals[1].proposal_id), "")
    await maker.say("enforcement_lead", decision)
    return replace(
        world,
        lot_id=plain.lot_id,
        lot_sample_id=pending.sample_id,
        releasing_lot_id=releasing.lot_id,
        released_lot_id=released.lot_id,
        recall_proposal_id=proposals[0].proposal_id,
        recall_id=decision.decision_id,
    )
