"""Anybody draws a published spot check again from what the open address gives, with the command of docs/spot-checks.md."""

import subprocess
import sys
from datetime import timedelta
from secrets import token_bytes
from uuid import uuid4

import httpx
import pytest
from devstack import scene
from devstack.api import encode
from devstack.demo.places import DISTRICT

AREA, AWAY = "141102011001", "141109001001"


@pytest.mark.feature("V9")
async def test_a_stranger_draws_again_what_was_published(district, stack, tmp_path):
    places = [await scene.venue(district, area=AREA) for _ in range(3)]
    lead, officer = district.api("enforcement_lead"), district.api("venue_officer")
    team_id, pair = str(uuid4()), [f"inspector-{uuid4().hex[:8]}" for _ in range(2)]
    await lead.post("/supervision-teams", {"team_id": team_id, "name": f"督导组{team_id[:8]}", "area": DISTRICT})
    for account in pair:
        member = {"inspector_id": str(uuid4()), "account": account, "home_community": AWAY}
        await lead.post(f"/supervision-teams/{team_id}/inspectors", member)
    draw_id = str(uuid4())
    commitment = {
        "draw_id": draw_id, "area": AREA, "title": "抽查", "area_digits": 12, "per_mille": 1000, "team_ids": [team_id],
        "ends_at": (district.now() + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    await officer.post("/spot-checks", commitment)
    await lead.post(f"/spot-checks/{draw_id}/draw", {"contribution": encode(token_bytes(32))})
    inspector = district.api("inspector", pair[0])
    async with httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False) as anybody:
        early = await anybody.get(f"/v1/spot-checks/{draw_id}/record")
        assert (early.status_code, early.json()["reason"]) == (409, "NOT_YET_PUBLISHED")
        for place in places:
            begun = {"begun_at": district.now().isoformat()}
            await inspector.post(f"/spot-checks/{draw_id}/venues/{place.venue_id}/beginning", begun)
        found = await anybody.get(f"/v1/spot-checks/{draw_id}/record")
    assert found.status_code == 200
    assert not [name for name in (*pair, *(place.name for place in places)) if name in found.text]
    record = tmp_path / "record.json"
    record.write_bytes(found.content)
    command = [sys.executable, "-m", "venue.spotcheck.recompute", str(record)]
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221
    assert (again.returncode, again.stdout[:21]) == (0, "SAME. 3 venues, 1 pai")
