"""Two sub-districts' ten days on the running system, in small: what the summary says is what was issued and what the plan has."""

import io
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from devstack import scene
from devstack.demo.places import FENGSHAN, LIANHUACHI
from devstack.district import District
from devstack.stack import Stack
from devstack.story import BrokenPromiseError
from devstack.teller import Teller
from devstack.work import ladders, registering
from devstack.work.ladders import BOTH
from devstack.work.play import Work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.feature("V1", "V2", "V3", "V6", "V7", "V8", "V9", "X6"),
]
PART = 10
PLANS = [plan.scaled(PART) for plan in BOTH]


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="district")
async def _district(state_dir):
    stack = await Stack.start(state_dir / "work", database_settings={"autovacuum_naptime": "1s"})
    district = District(stack)
    yield district
    await district.close()
    await stack.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="played")
async def _played(district):
    """The work, its result and everything that was told."""
    said = io.StringIO()
    work = Work(district, Teller(said), PLANS)
    await work.register()
    return work, await work.play(), said.getvalue()


async def test_every_figure_of_the_summary_is_that_of_the_plan(played):
    _, result, _ = played
    for plan in PLANS:
        told = result.figures[plan.area]
        assert told["registered"] == told["on_code"] == plan.venues
        assert told["notices"] == plan.papers[ladders.NOTICE]
        assert told["yellow_cards"] == plan.papers[ladders.YELLOW]
        assert told["red_cards"] == plan.papers[ladders.RED]
        assert told["suspensions"] == plan.papers[ladders.DECISION] == told["suspended"] + told["reopened"]
    assert result.figures[FENGSHAN]["yellow_cards"] == result.figures[FENGSHAN]["red_cards"] == 0
    assert [result.figures[plan.area]["letter_served"] for plan in PLANS] == [plan.venues for plan in PLANS]


async def test_a_figure_that_does_not_hold_ends_the_work(played, district):
    work, _, _ = played
    fengshan = work.offices[0]
    first, second, third = fengshan.work.failing
    fengshan.work = replace(fengshan.work, failing=(first + 1, second, third))
    try:
        with pytest.raises(BrokenPromiseError, match=r"notices: .* expected"):
            await work.count()
    finally:
        fengshan.work = PLANS[0]


async def test_seven_teams_went_where_they_were_sent(played, district):
    _, _, said = played
    (check,) = (await district.api("command").get("/spot-checks", area=FENGSHAN))["spot_checks"]
    teams = (await district.api("command").get("/spot-check-coverage", area=FENGSHAN))["teams"]
    assert check["state"] == "published"
    assert len(teams) == 7
    assert sum(team["assigned"] for team in teams) == check["drawn"] == sum(team["inspected"] for team in teams)
    assert sum(team["failed"] for team in teams) > 0
    assert [team["failed"] for team in teams if team["failed"] and not team["failed_items"]] == []
    assert said.count("督导组: ") == 7


async def test_the_exported_measures_are_the_failed_inspections(played, district):
    officer = district.api("venue_officer", purpose=("reporting", "morning-meeting-1"))
    body = {"export_id": scene.new_id(), "area": LIANHUACHI, "table": "measures", "format": "csv"}
    made = await officer.post("/exports", body)
    assert made["rows"] == sum(PLANS[1].failing)


async def test_a_papers_code_leads_to_the_page_of_the_running_system(played, district):
    address = district.stack.children["venue"].env["VENUE_VERIFICATION_URL"]
    (paper, *_) = (await district.api("command").get("/documents", area=FENGSHAN, kind="seal"))["documents"]
    async with httpx.AsyncClient(trust_env=False) as anybody:
        page = await anybody.get(address.replace("{verification_id}", paper["verification_id"]))
    assert (page.json()["genuine"], page.json()["number"]) == (True, paper["number"])


async def test_the_same_files_again_change_nothing(played, district):
    before = (await district.api("command").get("/venue-summary", area="141102"))["rows"]
    for plan in PLANS:
        job = await registering.load(district, plan, "utf-8")
        assert (job["created"], job["unchanged"], job["rejected"]) == (0, plan.venues, 0)
    assert (await district.api("command").get("/venue-summary", area="141102"))["rows"] == before
