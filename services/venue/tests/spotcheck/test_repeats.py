"""A spot check in which everybody presses four times at once: it comes out as if each had pressed once."""

from uuid import uuid4

import pytest

from .conftest import INSPECTED

pytestmark = [pytest.mark.connected, pytest.mark.feature("V9")]
OTHERS = {
    "RegisterSupervisionTeam": {"name": "别的队"},
    "AssignInspector": {"account": "somebody-else"},
    "CommitSpotCheck": {"title": "别的抽查"},
    "DrawSpotCheck": {"contribution": bytes(32)},
    "BeginSpotCheck": None,
    "RecordInspection": {"second_inspector": "somebody-else"},
    "LinkSpotCheckInspection": {"inspection_id": str(uuid4())},
}


@pytest.mark.case("repeat", "concurrency")
async def test_every_act_sent_four_times_at_once_acts_once_and_other_content_under_its_id_is_refused(squad, insisting):
    await squad.coverage()
    squad.call = pressed = insisting(squad.call, OTHERS)
    await squad.team()
    await squad.venues(4)
    check = await squad.drawn(per_mille=1000)
    one = (await squad.assignments(check.draw_id))[0]
    await squad.begin(one)
    squad.later(minutes=10)
    assert (await squad.link(one, await squad.inspect(one))).progress == INSPECTED
    assert await pressed.again() == OTHERS.keys()
    for table, count in (
        ("supervision_teams", 1), ("supervision_memberships", 2), ("spot_checks", 1), ("spot_check_openings", 1),
        ("spot_check_draws", 1), ("spot_check_assignments", 4), ("spot_check_begins", 1), ("inspections", 1),
    ):  # fmt: skip
        assert (table, await squad.house.owner.fetchval(f"SELECT count(*) FROM {table}")) == (table, count)
    assert [what for what, _ in await squad.events()] == ["committed", "drawn", "begun", "inspected"]
