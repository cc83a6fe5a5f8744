"""The loop as a drill: actors meet, one falls ill, two approve, and the reference scanner stops who was near, with proof."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devstack import gates, measure, scene
from devstack.api import ApiError
from devstack.district import District, DistrictError
from devstack.phone import Phone
from devstack.teller import Teller
from scanner.client import Scanner
from verdicts.model import Verdict

from rehearsal.settings import SettingsError

NOT_FOUND: Final = 404
ACTORS: Final = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What it saw. loop_ms: from the second approval's sending until the last contact was refused with proof."""

    drill_id: str
    contacts: int
    approval_ms: int
    first_ms: int
    loop_ms: int


async def rehearse(
    district: District, teller: Teller, folder: Path, *, start_policy: bool, venue_account: str = ""
) -> Result:
    """Plays it once and takes back what can be taken back.

    Args:
        district: on the release.
        teller: told what happens.
        folder: for the scanner's state; empty.
        venue_account: who runs the venue; somebody new unless given.
        start_policy: whether to make a policy when none is in force.

    Raises:
        ApiError, DistrictError, NotRefusedError: the loop did not close; the text says where.

    """
    await _policy(district, teller, start=start_policy)
    drill_id = await scene.drill(district)
    teller.say(f"a drill of the district has begun: {drill_id}")
    try:
        return await _play(district, teller, folder, drill_id, venue_account)
    finally:
        await district.api("command").post(f"/drills/{drill_id}/end")
        teller.say("the drill has ended, and with it everything that it restricted")


async def _policy(district: District, teller: Teller, *, start: bool) -> None:
    try:
        policy = await district.api("approver", "approver-1").get("/policies/active")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        if not start:
            raise SettingsError(
                "no policy is in force, so nothing can be confirmed; approve one, or set REHEARSAL_START_POLICY=true"
            ) from None
        policy = await district.start_policy()
    teller.say(f"policy version {policy['version']} is in force")


async def _play(district: District, teller: Teller, folder: Path, drill_id: str, venue_account: str) -> Result:
    place = await scene.venue(district, drill_id=drill_id, operator=venue_account)
    index, *contacts = await scene.people(district, 1 + ACTORS, drill_id=drill_id)
    answers = await scene.visit(district, place, [index, *contacts])
    if any(answer["outcome"] != "admitted" for answer in answers):
        raise DistrictError(f"a check-in was not admitted: {[answer['outcome'] for answer in answers]}")
    teller.say(f"{1 + ACTORS} actors have checked in at one venue, over REST")
    gate = await scene.gate(district)
    try:
        async with gates.connected(district, folder, gate) as scanner:
            before = await measure.scan(scanner, district, contacts[0])
            if before.verdict is not Verdict.ALLOW:
                raise DistrictError(f"an actor whom nothing restricts was shown {before.verdict.name}")
            teller.say("a scanner is enrolled, its list is current; an actor passes")
            result = await _close(district, scanner, index, contacts, drill_id)
            teller.say(
                f"both approvals are given; the last of {len(contacts)} contacts is refused after {result.loop_ms} ms"
            )
    finally:
        await district.api("checkpoint_lead").post(f"/devices/{gate.device_id}/revocation")
    return result


async def _close(district: District, scanner: Scanner, index: Phone, contacts: list[Phone], drill_id: str) -> Result:
    case_id, result_id = await district.suspect(index.resident_id)
    await district.approve(case_id, result_id, "approver-1")
    impact = await district.impact(case_id)
    if impact["people_to_restrict"] != 1 + len(contacts):
        raise DistrictError(f"{1 + len(contacts)} people were near; the preview says {impact['people_to_restrict']}")
    began = time.perf_counter()
    await district.approve(case_id, result_id, "approver-2")
    approved = time.perf_counter()
    moments = []
    for contact in contacts:
        shown = await measure.until(scanner, district, contact, Verdict.DENY, drill_id)
        if not shown.denials:
            raise DistrictError("the scanner refused without a proof of its own")
        moments.append(time.perf_counter())
    first, last = ((moment - began) * 1000 for moment in (moments[0], moments[-1]))
    return Result(drill_id, len(contacts), round((approved - began) * 1000), round(first), round(last))
