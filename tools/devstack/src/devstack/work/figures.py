"""The figures of a sub-district as its summary tells them, beside what the API lists one by one. They have to be equal."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from re import compile as compile_pattern
from typing import Final

from passes.days import local_day

from devstack.api import Json
from devstack.district import District
from devstack.work.ladders import DECISION, FORM, NOTICE, RED, SEAL, YELLOW, SubDistrict
from devstack.work.pace import pages

PERIOD: Final = timedelta(days=14)
PAGE: Final = 500
INSPECTIONS_PAGE: Final = 200
LETTER, REQUIREMENTS = "letter_of_responsibility", "notice_of_requirements"
NUMBER: Final = compile_pattern(r"(.+)〔(\d{4})〕(\d+)号")
PAPERS: Final = {"failed": FORM, "notices": NOTICE, "yellow_cards": YELLOW, "red_cards": RED, "suspensions": DECISION}
"""What the summary counts of a period, and the document that was issued each time."""
TEXTS: Final = {
    "registered": "venues registered 场所",
    "on_code": "of them on the venue code 场所码",
    "inspections": "inspections 检查",
    "failed": "of them failed, each with its form 检查表",
    "notices": "rectification notices 整改通知书",
    "yellow_cards": "yellow cards 黄牌",
    "red_cards": "red cards 红牌",
    "suspensions": "suspended 停业整顿, by decision and seal",
    "suspended": "still suspended, the seal 封条 in force",
    "reopened": "open again 恢复营业",
    "letter_served": "letters of responsibility 责任书 served",
    "notice_served": "notices of requirements 告知书 served",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: as the plan of the work has it, as the summary says it, and counted one by one in the API's lists.

    listed: documents of that kind, or venues and inspections, page by page.
    """

    name: str
    expected: int
    summary: int
    listed: int

    @property
    def holds(self) -> bool:
        return self.expected == self.summary == self.listed


@dataclass(frozen=True, slots=True)
class Told:
    """All of a sub-district. `now`, `period`: the summary's own words; `wrong`: what does not agree, in sentences."""

    work: SubDistrict
    figures: tuple[Figure, ...]
    now: Json
    period: Json
    wrong: tuple[str, ...]

    def of(self, name: str) -> Figure:
        return next(each for each in self.figures if each.name == name)


def gaps(numbers: Iterable[str]) -> list[str]:
    """Series of numbers as printed that do not run from 1 without a gap or a repeat, e.g. 离防整〔2022〕338号."""
    series: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in numbers:
        found = NUMBER.fullmatch(number)
        if found is None:
            return [f"{number!r} is no number"]
        series[found[1], found[2]].append(int(found[3]))
    return [
        f"{name}〔{year}〕 has {len(taken)} numbers up to {max(taken)}"
        for (name, year), taken in series.items()
        if sorted(taken) != list(range(1, len(taken) + 1))
    ]


async def read(district: District, work: SubDistrict, inspections: int) -> Told:
    """Asks the summary, and lists every venue, document and inspection. `inspections`: how many were sent."""
    command = district.api("command")
    today = local_day(district.now())
    days = {"first_day": str(today - PERIOD), "last_day": str(today)}
    (row,) = (await command.get("/venue-summary", area=work.area, **days))["rows"]
    now, period = row["now"], row["period"]
    listed = {
        kind: await pages(command, "/documents", "documents", area=work.area, kind=kind, page_size=PAGE)
        for kind in (*PAPERS.values(), SEAL, LETTER, REQUIREMENTS)
    }
    venues = await pages(command, "/venues", "venues", area=work.area, page_size=PAGE)
    made = await pages(command, "/inspections", "inspections", area=work.area, page_size=INSPECTIONS_PAGE)
    sealed = sum(each["standing"] == "in_force" for each in listed[SEAL])
    with_code = sum(any(zone["code"] for zone in each["zones"]) for each in venues)
    expected = work.papers
    figures = [
        Figure("registered", work.venues, int(now["registered"]), len(venues)),
        Figure("on_code", work.venues, int(now["on_code"]), with_code),
        Figure("inspections", inspections, int(period["inspections"]), len(made)),
        *(Figure(name, expected[kind], int(period[name]), len(listed[kind])) for name, kind in PAPERS.items()),
        Figure("suspended", expected[SEAL] - work.reopened, int(now["suspended"]), sealed),
        Figure("reopened", work.reopened, int(period["reopened"]), len(listed[SEAL]) - sealed),
        Figure("letter_served", work.venues, int(now["letter_served"]), len(listed[LETTER])),
        Figure("notice_served", work.venues, int(now["notice_served"]), len(listed[REQUIREMENTS])),
    ]
    wrong = [
        f"{work.name} {each.name}: {each.expected} expected, {each.summary} in the summary, {each.listed} listed"
        for each in figures
        if not each.holds
    ]
    for documents in listed.values():
        wrong += [f"{work.name}: {gap}" for gap in gaps(each["number"] for each in documents)]
    return Told(work, tuple(figures), now, period, tuple(wrong))
