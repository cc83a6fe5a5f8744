"""How many venues have to fail how often, so that a ladder hands out exactly the papers of the published accounts. Pure.

The figures are the district's own of March 2022: Fengshan 338 rectification notices and 19 suspended of 3,801 venues, no cards;
Lianhuachi 2,599 notices, 107 yellow and 24 red cards. How many venues Lianhuachi has is not published; 2,700 is made up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from devstack.api import Json
from devstack.demo.places import FENGSHAN, FENGSHAN_VENUES, LIANHUACHI

FORM, NOTICE, YELLOW, RED = "inspection_form", "rectification_notice", "yellow_card", "red_card"
DECISION, SEAL = "suspension_decision", "seal"
SUSPENSION_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Step:
    """What the n-th failed inspection of a venue leads to. `suspends` is a proposal that a second person approves."""

    papers: tuple[str, ...]
    suspends: bool = False
    rectify_hours: int = 48

    def as_json(self) -> Json:
        """As the API takes it."""
        days = SUSPENSION_DAYS if self.suspends else 0
        return {"papers": list(self.papers), "suspension_days": days, "rectify_hours": self.rectify_hours}


Ladder = tuple[Step, Step, Step]
Failing = tuple[int, int, int]
"""Venues that fail at least once, at least twice, three times."""

WITHOUT_CARDS: Final[Ladder] = (
    Step((FORM, NOTICE)),
    Step((FORM, NOTICE)),
    Step((FORM, DECISION, SEAL), suspends=True, rectify_hours=72),
)
WITH_CARDS: Final[Ladder] = (
    Step((FORM, NOTICE)),
    Step((FORM, NOTICE, YELLOW)),
    Step((FORM, RED, DECISION, SEAL), suspends=True, rectify_hours=72),
)


def issued(ladder: Ladder, failing: Failing) -> Counter[str]:
    """Papers by kind, once every suspension is approved. The n-th failed inspection of a venue is step n."""
    found: Counter[str] = Counter()
    for step, venues in zip(ladder, failing, strict=True):
        for paper in step.papers:
            found[paper] += venues
    return found


def failings(ladder: Ladder, published: Mapping[str, int]) -> Iterator[Failing]:
    """Every way in which venues can fail so that exactly these papers are issued; papers that are not named do not matter."""
    most = max(published.values(), default=0)
    for third in range(min(most, published.get(SEAL, most)) + 1):
        for second in range(third, most + 1):
            # The form is handed out at each failure, the notice at the first two of them.
            first = published[NOTICE] - (second if NOTICE in ladder[1].papers else 0)
            if first < second:
                break
            found = issued(ladder, (first, second, third))
            if all(found[paper] == count for paper, count in published.items()):
                yield first, second, third


@dataclass(frozen=True, slots=True)
class SubDistrict:
    """One of the two and what its office is to do.

    failing: venues that fail once, twice, three times at least. passing: others, inspected and found in order. mended: of those
    that fail once only, how many rectify and pass; unbarred, reopened: of those that fail twice and three times, how many pass
    and are lifted by a second person where a card or a suspension is.
    """

    area: str
    name: str
    venues: int
    ladder: Ladder
    failing: Failing
    passing: int
    mended: int
    unbarred: int
    reopened: int

    @property
    def issuing_body(self) -> str:
        return f"{self.name}疫情防控办公室"

    @property
    def papers(self) -> Counter[str]:
        """What the ladder issues in the end."""
        return issued(self.ladder, self.failing)

    def scaled(self, part: int) -> "SubDistrict":
        """The same work for one venue in `part`; every kind of thing still happens."""
        third = max(3, self.failing[2] // part)
        second = max(third + 3, self.failing[1] // part)
        first = max(second + 3, self.failing[0] // part)
        passing = max(2, self.passing // part)
        return replace(
            self,
            venues=max(first + passing, self.venues // part),
            failing=(first, second, third),
            passing=passing,
            mended=min(first - second, max(2, self.mended // part)),
            unbarred=min(second - third, max(2, self.unbarred // part)),
            reopened=min(third - 1, max(2, self.reopened // part)),
        )


PUBLISHED: Final[Mapping[str, Mapping[str, int]]] = {
    FENGSHAN: {NOTICE: 338, YELLOW: 0, RED: 0, DECISION: 19, SEAL: 19},
    LIANHUACHI: {NOTICE: 2599, YELLOW: 107, RED: 24, DECISION: 24, SEAL: 24},
}
# Without cards the accounts leave open how many of the 338 notices were second ones; 57 is made up.
FENGSHAN_WORK: Final = SubDistrict(
    area=FENGSHAN,
    name="凤山街道",
    venues=FENGSHAN_VENUES,
    ladder=WITHOUT_CARDS,
    failing=(281, 57, 19),
    passing=120,
    mended=150,
    unbarred=20,
    reopened=6,
)
# 2,599 notices less the 107 that came with a yellow card: 2,492 first failures. Nothing else gives these three figures.
LIANHUACHI_WORK: Final = SubDistrict(
    area=LIANHUACHI,
    name="莲花池街道",
    venues=2700,
    ladder=WITH_CARDS,
    failing=(2492, 107, 24),
    passing=80,
    mended=500,
    unbarred=30,
    reopened=8,
)
BOTH: Final = (FENGSHAN_WORK, LIANHUACHI_WORK)
