"""The closed loop as a story: a district lives two days, somebody falls ill, and whoever was near is stopped at the next gate.

Every number it tells is counted or measured while it runs. A promise that is not kept ends it with BrokenPromiseError.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path

from passes.days import local_day
from scanner.client import Scanner
from verdicts.model import Verdict

from devstack import gates, measure
from devstack.api import Json
from devstack.demo.cast import HOURS_AGO, cast
from devstack.demo.days import Town
from devstack.demo.places import areas
from devstack.demo.scenes import by_area, drill, explanation, lift, same_reason
from devstack.district import District
from devstack.teller import Teller

CONTACTS = 200
PASSERS_BY = 20
GOAL_LOOP_MS, GOAL_FIRST_MS = 2000, 500
LOCAL = timezone(timedelta(hours=8))  # Asia/Shanghai, which has no summer time


class BrokenPromiseError(Exception):
    """The story did not go as the product promises; the text says what was seen."""


def promise(kept: object, text: str) -> None:
    """Ends the story unless it is kept."""
    if not kept:
        raise BrokenPromiseError(text)


@dataclass(frozen=True, slots=True)
class Result:
    """What the story saw. Times in milliseconds from the sending of the second approval.

    contacts: people restricted because of the case; refused: those refused by the scanner with verified proof, the case
    included; allowed: others scanned and let through; tasks: questions left to tracers; visits: check-ins admitted.
    """

    loop_ms: int
    first_ms: int
    median_ms: int
    approval_ms: int
    contacts: int
    visits: int
    refused: int
    allowed: int
    tasks: int
    search_ms: int
    case_id: str


Register = Callable[[Sequence[Json]], Awaitable[list[Json]]]
"""Registers venues; the stored ones in the same order."""


class Story:
    """Plays and tells it on a running system. `register`: how its venues come into the register, in batches unless given."""

    def __init__(
        self,
        district: District,
        teller: Teller,
        folder: Path,
        contacts: int = CONTACTS,
        register: Register | None = None,
    ) -> None:
        self._district, self._teller, self._folder = district, teller, folder
        self._register = register or district.register_venues
        self.town = Town(district, cast(contacts))
        self._search_ms = 0
        self._result_id = ""
        self.case_id = ""

    async def play(self) -> Result:
        """The whole story. Raises BrokenPromiseError or DistrictError."""
        await self._people()
        await self._days_before()
        await self._suspicion()
        async with (
            gates.connected(self._district, self._folder / "compound") as scanner,
            gates.connected(self._district, self._folder / "road", level="road") as other,
        ):
            closing = await self._confirmation(scanner)
            allowed = await self._everybody_else(other)
            await self._what_they_see(scanner)
            tasks = await self._questions()
            await drill(self._district, self._teller, other, self.town.cast.unrelated)
            await lift(self._district, self._teller, scanner, self.case_id, self.town.cast.close_contacts()[-1])
        return Result(
            loop_ms=round(closing.loop_ms),
            first_ms=round(closing.first_ms),
            median_ms=round(closing.median_ms),
            approval_ms=round(closing.answered_ms),
            contacts=closing.refused - 1,
            visits=self.town.visits,
            refused=closing.refused,
            allowed=allowed,
            tasks=tasks,
            search_ms=self._search_ms,
            case_id=self.case_id,
        )

    async def _people(self) -> None:
        teller, town = self._teller, self.town
        names = {area.level: area.name for area in areas() if area.code in {"14", "1411", "141102"}}
        teller.chapter("The district 演示区")
        teller.say(
            f"{names['province']} {names['city']} {names['county']} (141102): real area codes; people and venues are made up"
        )
        await town.travel(HOURS_AGO[0])
        categories = len({venue["category"] for venue in town.cast.venues})
        with teller.step(
            f"{len(town.cast.venues):,} venues 场所 of {categories} categories in Fengshan 凤山街道, each with its code 场所码"
        ):
            town.venues = await self._register(town.cast.venues)
        residents = sum(len(home["residents"]) for home in town.cast.households)
        with teller.step(
            f"{len(town.cast.households)} households 户, {residents:,} residents 居民, each encrypted under a key of their own"
        ):
            await self._district.register_households(town.cast.households)
        policy = await self._district.start_policy()
        teller.say(f"policy 防控方案 version {policy['version']}: drafted by one, approved by two others")
        phones = len(town.cast.phones())
        with teller.step(
            f"passes 离里通码 for {phones} phones, one key for each day, so that no two days can be linked"
        ):
            await town.issue()

    async def _days_before(self) -> None:
        teller, town = self._teller, self.town
        teller.chapter("Two ordinary days 平常的两天")
        for number, outing in enumerate(town.cast.outings):
            before = town.visits
            began = time.monotonic()
            await town.go_out(number)
            if number == len(HOURS_AGO) - 1:
                await town.pass_a_gate()
            at = self._district.now().astimezone(LOCAL)
            said = f"{at:%m-%d %H:%M}  {town.visits - before} check-ins 扫码登记, one of them at {town.place(outing.place).name}"
            teller.say(said, time.monotonic() - began)
        await town.travel(0)

    async def _suspicion(self) -> None:
        district, teller = self._district, self._teller
        teller.chapter("A laboratory reports 检测阳性")
        self.case_id, self._result_id = await district.suspect(self.town.cast.index.resident_id)
        teller.say("positive result, case 病例 opened; nobody is restricted by a suspicion")
        began = time.perf_counter()
        await district.approve(self.case_id, self._result_id, "approver-1")
        impact = await district.impact(self.case_id)
        self._search_ms = round((time.perf_counter() - began) * 1000)
        teller.say(
            f"first approval: {impact['searches']} searches of venues and checkpoints, all answered",
            self._search_ms / 1000,
        )
        third = "yes" if impact["third_approval_needed"] else "no"
        teller.say(f"a second approval would restrict {impact['people_to_restrict']} and ask {impact['people_to_ask']}")
        teller.say(f"does it take a third approver? {third}; where they live: {by_area(impact['areas'])}")
        met = {phone.resident_id for phone in (*self.town.cast.close_contacts(), *self.town.cast.family)}
        promise(
            impact["people_to_restrict"] == len(met) + 1,
            f"{len(met) + 1} people were to be restricted, the preview says {impact['people_to_restrict']}",
        )
        passing = await self._district.api("tracer").get(f"/cases/{self.case_id}")
        promise(passing["state"] == "searching", "one approval alone must not confirm a case")

    async def _confirmation(self, scanner: Scanner) -> measure.Closing:
        teller, players = self._teller, self.town.cast
        teller.chapter("The second approval 第二人批准")
        phones = [*players.close_contacts(), *players.family, players.index]
        before = await measure.scan(scanner, self._district, phones[0])
        promise(before.verdict is Verdict.ALLOW, "a contact was stopped before the second approval")
        closing = await measure.close_loop(
            scanner, self._district, phones, lambda: self._district.approve(self.case_id, self._result_id, "approver-2")
        )
        teller.say(f"approver-2 approves; answered after {closing.answered_ms:.0f} ms")
        teller.say(f"first of them refused by the scanner at a compound gate 小区卡口 after {closing.first_ms:.0f} ms")
        teller.say(
            f"the last of all {closing.refused} after {closing.loop_ms:.0f} ms: fresh passes, each proof verified there"
        )
        if closing.loop_ms > GOAL_LOOP_MS or closing.first_ms > GOAL_FIRST_MS:
            teller.warn(f"slower than the goal of {GOAL_FIRST_MS} ms and {GOAL_LOOP_MS} ms; is this machine busy?")
        contacts = {
            item["resident_id"] for item in await self._district.contacts(self.case_id) if item["restriction_id"]
        }
        expected = {phone.resident_id for phone in phones[:-1]}
        promise(
            contacts == expected, f"{len(contacts)} contacts are restricted where {len(expected)} were near with proof"
        )
        return closing

    async def _everybody_else(self, scanner: Scanner) -> int:
        """At another post: whoever passes where the case was stopped a minute ago is a lead for tracers."""
        teller, players = self._teller, self.town.cast
        free = [players.unrelated, *players.others[:PASSERS_BY], *players.by_poster, players.passer]
        for phone in free:
            shown = await measure.scan(scanner, self._district, phone)
            promise(
                shown.verdict is Verdict.ALLOW,
                f"somebody who is not restricted was shown {shown.verdict.name}: {shown.reasons}",
            )
        asked = len(players.by_poster) + 1
        teller.say(f"{len(free)} others pass 放行 at a road checkpoint 公路卡口; {asked} of them are still to be asked")
        return len(free)

    async def _what_they_see(self, scanner: Scanner) -> None:
        teller, contact = self._teller, self.town.cast.outings[0].contacts[0]
        teller.chapter("What people see 看得见的理由")
        place = self.town.place(self.town.cast.outings[0].place)
        zh, en = await same_reason(self._district, scanner, contact, place)
        teller.say(f"at the gate and at {place.name} alike: {zh} / {en}")
        for line in await explanation(self._district, contact, self.town.cast.index.resident_id):
            teller.say(line)

    async def _questions(self) -> int:
        district, teller, players = self._district, self._teller, self.town.cast
        teller.chapter("Questions, not restrictions 只问不限")
        outing = players.outings[-1]
        place, then = self.town.place(outing.place), district.now() - timedelta(hours=outing.hours_ago)
        if local_day(then) in players.late.passes:
            answer = await district.check_in(players.late.show(then), place.code, operator=place.operator, late=True)
            promise(answer["outcome"] == "admitted", f"a late upload was not taken: {answer}")
            self.town.visits += len(answer["visit_ids"])
        expected = len(players.by_poster) + 3
        tasks = await district.settled_tasks(self.case_id, expected)
        reasons = Counter(str(task["reason"]) for task in tasks)
        for reason, count in sorted(reasons.items()):
            teller.say(f"{count} × {reason.replace('_', ' ')}: a tracer 流调员 asks within a day")
        asked = {str(task["resident_id"]) for task in tasks}
        unproven = {phone.resident_id for phone in (*players.by_poster, players.late, players.passer)}
        promise(
            asked == unproven | {players.card_holder},
            f"tracers have {len(tasks)} questions ({dict(reasons)}), {expected} were due",
        )
        return len(tasks)
