"""A restriction lifts at its end on a connected scanner and on one without network, without anybody's doing."""

import asyncio
from datetime import datetime, time, timedelta
from uuid import UUID

import pytest
from chassis.clock import DISTRICT_ZONE
from devstack import gates, scene
from devstack.district import District, days_around
from devstack.stack import Stack
from passes.days import local_day
from scanner.client import Scanner
from verdicts.model import Verdict

NOWHERE = "127.0.0.1:1"


def offset_to(days: int, at: time) -> timedelta:
    """From the machine's clock to a local time of day, some days from today."""
    now = datetime.now(DISTRICT_ZONE)
    wanted = datetime.combine(now.date() + timedelta(days=days), at, DISTRICT_ZONE)
    return wanted - now


async def verdict_of(scanner, district, phone, wanted, seconds=20.0):
    """The verdict once it is the wanted one, or the last one seen."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        shown = await scanner.scan(phone.show(district.now()), gates.HEALTHY)
        if shown.verdict is wanted or asyncio.get_running_loop().time() > deadline:
            return shown
        await asyncio.sleep(1.05)  # the same second would be the same statement, which counts as a replay


async def fresh(scanner, seconds=30.0):
    """Waits until the scanner has heard that its list is current, at its new time."""
    for _ in range(int(seconds / 0.2)):
        if (scanner.status().list_age_seconds or 10**9) < 60:
            return
        await asyncio.sleep(0.2)
    raise TimeoutError


@pytest.mark.feature("Q10", "C4")
async def test_a_restriction_ends_at_midnight_on_line_and_off(state_dir, tmp_path):
    start = offset_to(0, time(14, 0))
    stack = await Stack.start(
        state_dir / "ending",
        clock_offset=start.total_seconds(),
        extra_env={"QUARANTINE_FUTURE_FLUSH_SECONDS": "0.5"},
    )
    district = District(stack, patience=20.0)
    try:
        district.travel(start)
        await district.start_policy(close_contact_days=1)
        place, gate, other = await scene.venue(district), await scene.gate(district), await scene.gate(district)
        index, contact = await scene.people(district, 2)
        await district.issue_phones([contact], days_around(district.now(), before=0, after=3))
        first_day = local_day(district.now())
        await scene.visit(district, place, [index, contact])
        await scene.confirm(district, index)
        async with gates.connected(district, tmp_path / "connected", gate, clock=district) as connected:
            async with gates.connected(district, tmp_path / "offline", other, clock=district) as carried:
                assert (await verdict_of(connected, district, contact, Verdict.DENY)).verdict is Verdict.DENY
                assert (await verdict_of(carried, district, contact, Verdict.DENY)).verdict is Verdict.DENY
                await asyncio.sleep(2)
                district.travel(offset_to(1, time(20, 0)))
                await fresh(carried)
                assert (await verdict_of(carried, district, contact, Verdict.DENY)).verdict is Verdict.DENY
            async with Scanner(
                tmp_path / "offline", NOWHERE, UUID(other.device_id), other.key, log_keys=None, clock=district
            ) as offline:
                district.travel(offset_to(1, time(23, 57)))
                before = await verdict_of(offline, district, contact, Verdict.DENY)
                assert (before.verdict, before.online) == (Verdict.DENY, False)
                assert before.list_age_seconds > 3 * 3600
                assert (await verdict_of(connected, district, contact, Verdict.DENY)).verdict is Verdict.DENY
                district.travel(offset_to(2, time(0, 3)))
                assert local_day(district.now()) == first_day + timedelta(days=2)
                after = await verdict_of(offline, district, contact, Verdict.ALLOW)
                assert (after.verdict, after.online) == (Verdict.ALLOW, False)
                assert (await verdict_of(connected, district, contact, Verdict.ALLOW)).verdict is Verdict.ALLOW
    finally:
        await district.close()
        await stack.stop()
