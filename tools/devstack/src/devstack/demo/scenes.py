"""Scenes of the story that need nothing but a district, a scanner and one person."""

from collections import Counter
from collections.abc import Sequence

from passes.days import date_of
from scanner.client import Scanner
from verdicts.model import Verdict

from devstack import measure, scene
from devstack.api import ApiError, Json
from devstack.demo.places import BINHE, areas, community
from devstack.district import District, DistrictError
from devstack.phone import Phone
from devstack.scene import Place
from devstack.teller import Teller

FEW = 10
"""A venue is named to a contact only if that many people were there."""


def by_area(counts: Sequence[Json]) -> str:
    """People by sub-district, most first."""
    names = {area.code: area.name for area in areas()}
    people: Counter[str] = Counter()
    for item in counts:
        people[names.get(str(item["area"])[:9], str(item["area"])[:9])] += int(item["people"])
    return ", ".join(f"{name} {count}" for name, count in people.most_common())


async def same_reason(district: District, scanner: Scanner, contact: Phone, place: Place) -> tuple[str, str]:
    """The reason in both languages, as the gate and the venue's check-in give it. Raises DistrictError if they differ."""
    at_gate = await measure.until(scanner, district, contact, Verdict.DENY)
    (at_venue,) = await scene.visit(district, place, [contact])
    texts = [(reason["text_zh"], reason["text_en"]) for reason in at_venue["reasons"]]
    if at_venue["outcome"] != "refused" or texts[0] != (at_gate.reasons[0].zh, at_gate.reasons[0].en):
        raise DistrictError(f"the venue says {at_venue['outcome']} {texts}, the gate {at_gate.reasons}")
    return texts[0]


async def explanation(district: District, contact: Phone, index_id: str) -> list[str]:
    """What the contact is told, in lines. Raises DistrictError when it says too much, or proves too little."""
    told = await scene.explained(district, contact.resident_id)
    if index_id in str(told) or not told["proof"]["checkpoint"] or len(told["approver_roles"]) < 2:
        raise DistrictError("the explanation must name two approvers and carry a proof, and nobody else")
    where = f"at {told['venue_name']}" if told["venue_name"] else f"at a place where fewer than {FEW} people were"
    day = date_of(int(told["exposure_day"]))
    return [
        f"the person asks why: {told['reason'].replace('_', ' ')}, {day:%m-%d} in the {told['exposure_half']}, {where}",
        f"until {str(told['ends_at'])[:16]}Z, then it lifts by itself; decided by {len(told['approver_roles'])} approvers",
        f"under policy version {told['policy_version']}; leaf {told['proof']['leaf_index']} of the log 存证日志, proof included",
    ]


async def drill(district: District, teller: Teller, scanner: Scanner, real: Phone) -> str:
    """The same loop with actors, beside the real one. Raises DistrictError when it touches the real person."""
    teller.chapter("A drill beside it 演练")
    drill_id = await scene.drill(district)
    place = await scene.venue(district, area=community(BINHE, 0))  # Fengshan's venues are counted
    actor, contact = await scene.people(district, 2, drill_id=drill_id)
    await scene.visit(district, place, [actor, contact, real])
    await scene.confirm(district, actor)
    await measure.until(scanner, district, contact, Verdict.DENY, drill_id)
    teller.say(f"an actor's contact is refused, marked 演练 DRILL ({drill_id})")
    passed = await measure.scan(scanner, district, real)
    if passed.verdict is not Verdict.ALLOW or passed.drill_id:
        raise DistrictError(f"a drill stopped somebody real: {passed.verdict.name}")
    teller.say("a real visitor of the same place, at the same time, passes 放行")
    await district.api("command").post(f"/drills/{drill_id}/end")
    await measure.until(scanner, district, contact, Verdict.ALLOW, drill_id)
    teller.say("the drill ends, and with it everything that it restricted")
    return drill_id


async def lift(district: District, teller: Teller, scanner: Scanner, case_id: str, contact: Phone) -> None:
    """A contact was a mistake: one proposes to lift, another approves, the gate opens."""
    teller.chapter("A mistake is mended 解除管控")
    contacts = {item["resident_id"]: item["restriction_id"] for item in await district.contacts(case_id)}
    path = f"/restrictions/{contacts[contact.resident_id]}"
    await district.api("approver", "approver-1").post(
        f"{path}/lift-proposals", {"grounds": "演示：误判 (demo: mistaken)"}
    )
    try:
        await district.api("approver", "approver-1").post(f"{path}/lift-approvals")
    except ApiError:
        teller.say("who proposed it cannot approve it too")
    else:
        raise DistrictError("one person alone lifted a restriction")
    await district.api("approver", "approver-2").post(f"{path}/lift-approvals")
    await measure.until(scanner, district, contact, Verdict.ALLOW)
    teller.say("the second approval lifts it; the next scan of this person: 放行 ALLOW")
