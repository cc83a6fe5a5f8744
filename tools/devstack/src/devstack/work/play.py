"""Ten days of two sub-districts in fast motion, told as they go, and then counted twice: by the summary and in the lists.

Only the clocks of the venue service and the gateway go back; the others stay in the present. A figure that does not hold
ends it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock_time
from typing import Final

from devstack.api import Json
from devstack.demo.days import SETTLE_SECONDS
from devstack.demo.places import FENGSHAN
from devstack.district import District
from devstack.story import LOCAL, promise
from devstack.teller import Teller, duration
from devstack.work import figures, registering, serving
from devstack.work.checks import TEAMS, SpotCheck
from devstack.work.ladders import BOTH, SubDistrict
from devstack.work.office import Office

REGISTERED, INSPECTED, MENDED, SECOND, THIRD, REOPENED = 9, 8, 6, 5, 3, 2
"""Days before today."""
CLOSING_TIME: Final = clock_time(17)
ENCODINGS: Final = ("utf-8-sig", "gb18030")
"""Of the two offices' files, as spreadsheets save them."""
TRAVELLERS: Final = ("venue", "gateway")


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What the work came to: the figures of each sub-district, by area and name, and the seconds that it took."""

    figures: dict[str, dict[str, int]]
    inspections: int
    work_seconds: float


class Work:
    """Plays it on a running system. `plans`: the sub-districts, Fengshan first; `offices`: theirs, once registered."""

    def __init__(self, district: District, teller: Teller, plans: Sequence[SubDistrict] = BOTH) -> None:
        self._district, self._teller, self._plans = district, teller, plans
        self.offices: list[Office] = []
        self._seconds = 0.0

    async def register(self, _: Sequence[Json] = ()) -> list[Json]:
        """Imports both offices' files, nine days ago; Fengshan's venues in the order of its file."""
        began, former = time.monotonic(), self._district.offset
        await self._day(REGISTERED)
        for plan, encoding in zip(self._plans, ENCODINGS, strict=True):
            stored = await registering.register(self._district, plan, encoding)
            self.offices.append(Office(self._district, plan, stored))
        self._district.travel(former)
        await asyncio.sleep(SETTLE_SECONDS)
        self._seconds += time.monotonic() - began
        return list(self.offices[0].venues)

    async def play(self) -> WorkResult:
        """From the letters to the figures. Raises BrokenPromiseError when a figure does not hold, DistrictError, ApiError."""
        began = time.monotonic()
        self._teller.chapter("Ten days of two sub-districts, in fast motion 两个街道的十天")
        check = SpotCheck(self.offices[0])
        await self._papers(check)
        await self._inspections(check)
        await self._consequences()
        self._district.travel(timedelta())
        await asyncio.sleep(SETTLE_SECONDS)
        self._teller.chapter("Seven supervision teams 督导组, sent by the draw 双随机")
        for team in await check.coverage():
            self._teller.say(_team(team))
        told = await self.count()
        self._seconds += time.monotonic() - began
        self._teller.say(f"played in {duration(self._seconds)}, through the public API alone")
        return WorkResult(
            {each.work.area: {figure.name: figure.summary for figure in each.figures} for each in told},
            sum(office.recorded for office in self.offices),
            round(self._seconds, 1),
        )

    async def _papers(self, check: SpotCheck) -> None:
        teller, fengshan = self._teller, self.offices[0]
        day = await self._day(REGISTERED)
        for office in self.offices:
            teller.say(
                f"{day}  {office.work.name}: {len(office.venues):,} venues 场所 imported from the office's CSV file"
            )
            await office.prepare()
        for office in self.offices:
            with teller.step(f"{day}  {office.work.name}: letter 责任书 and notice 告知书 issued to every venue"):
                await serving.issue(self._district, office.work)
            with teller.step(
                f"{day}  … and served 送达 door by door: in person, in the app, by post, left where refused"
            ):
                await serving.serve(self._district, office.work)
        await check.teams()
        await check.draw()
        teller.say(
            f"{day}  {len(TEAMS)} supervision teams 督导组; {len(check.assigned)} venues drawn 双随机, nobody knows yet"
        )
        fengshan.choose(check.wanting())
        for office in self.offices[1:]:
            office.choose([])

    async def _inspections(self, check: SpotCheck) -> None:
        day = await self._day(INSPECTED)
        with self._teller.step(f"{day}  the teams stand at {len(check.assigned)} doors"):
            done = await check.visit()
        for office in self.offices:
            first = office.work.failing[0]
            with self._teller.step(
                f"{day}  {office.work.name}: {first:,} venues fail their first inspection 首次不合格"
            ):
                await office.first_round(done if office.work.area == FENGSHAN else ())

    async def _consequences(self) -> None:
        teller = self._teller
        day = await self._day(MENDED)
        for office in self.offices:
            with teller.step(f"{day}  {office.work.name}: {office.work.mended} have rectified 整改 and pass 复查合格"):
                await office.mend()
        day = await self._day(SECOND)
        for office in self.offices:
            with teller.step(f"{day}  {office.work.name}: {office.work.failing[1]} fail a second time"):
                await office.again(2)
        day = await self._day(THIRD)
        for office in self.offices:
            third = office.work.failing[2]
            said = f"{day}  {office.work.name}: {third} a third time; suspended 停业整顿 and sealed 封条 once a lead approves"
            with teller.step(said):
                await office.again(3)
                await office.suspend()
        day = await self._day(REOPENED)
        for office in self.offices:
            said = (
                f"{day}  {office.work.name}: {office.work.reopened} pass, one proposes, another lifts 解除: open again"
            )
            with teller.step(said):
                await office.reopen()

    async def count(self) -> list[figures.Told]:
        """Reads and tells every figure. Raises BrokenPromiseError when one does not hold."""
        teller = self._teller
        teller.chapter("The figures 统计, from the summary and counted in the lists of documents")
        found = []
        for office in self.offices:
            told = await figures.read(self._district, office.work, office.recorded)
            found.append(told)
            teller.say(f"{office.work.name} ({office.work.area})    summary   listed")
            for each in told.figures:
                mark = "=" if each.holds else "≠"
                teller.say(f"  {each.summary:>25,} {mark} {each.listed:>6,}   {figures.TEXTS[each.name]}")
            late = [int(count) for count in told.now["overdue_by_level"]]
            teller.say(f"  late 逾期 now {told.now['overdue']:,}, {late[-1]:,} of them with the district by now")
        wrong = [sentence for told in found for sentence in told.wrong]
        promise(not wrong, "; ".join(wrong))
        return found

    async def _day(self, days_ago: int) -> str:
        """Moves the two services to the end of a working day; that day as it is written."""
        now = datetime.now(LOCAL)
        at = datetime.combine(now.date() - timedelta(days=days_ago), CLOSING_TIME, LOCAL)
        self._district.travel(at - now, TRAVELLERS)
        await asyncio.sleep(SETTLE_SECONDS)
        return f"{at:%m-%d}"


def _team(team: Json) -> str:
    """A team's line: how many it was sent to, what it found, and what most often."""
    worst = ", ".join(f"{each['item']} ×{each['times']}" for each in team["failed_items"][:2])
    return (
        f"{team['team_name']}: {team['assigned']} drawn, {team['inspected']} inspected, "
        f"{team['failed']} failed{f'; most often {worst}' if worst else ''}"
    )
