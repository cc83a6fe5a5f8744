"""The summary beside a district with ladders and letters, and a count of the facts that knows nothing of kept counts."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.events.outbox import unsealed
from chassis.partitions import ensure
from lilitong.venue.v1 import summary_pb2 as pb
from passes.days import local_day
from venue.obligations.rpc import ObligationServicer
from venue.summary.rpc import SummaryServicer

from ..enforcement.conftest import make_street  # noqa: TID252 - tests are in no package that has a name
from ..obligations.conftest import Desk  # noqa: TID252


@dataclass
class Figures:
    house: object
    street: object
    servicer: SummaryServicer

    command = Caller("command-1", frozenset({"command"}), ("141102",))

    async def rows(self, area="141102", caller=None, **given):
        with calling(caller or self.command):
            return (await self.servicer.GetVenueSummary(pb.GetVenueSummaryRequest(area=area, **given), None)).rows

    async def of(self, area="141102", **given):
        (row,) = await self.rows(area, **given)
        return row

    async def counted(self, area, first, last, *, category=0, drill_id=""):
        """(stock, flow) of an area from the facts alone, row by row."""
        venues = {
            row["venue_id"]: row
            for row in await self.house.rows("SELECT * FROM venues")
            if row["area"].startswith(area) and row["drill_id"] == drill_id and category in (0, row["category"])
        }
        rows = await self.house.rows("SELECT * FROM inspections")
        inspections = {row["inspection_id"]: row for row in rows if row["venue_id"] in venues}
        rows = await self.house.rows("SELECT * FROM ladder_facts ORDER BY ordinal")
        facts = [row for row in rows if row["venue_id"] in venues]
        days = [*await self._inspected(inspections, facts), *decided(facts)]
        flow = Counter(name for name, at in days if first <= local_day(at) <= last)
        return await self._stock(venues, inspections, facts), flow

    async def _stock(self, venues, inspections, facts):
        found = Counter()
        coded = {row["venue_id"] for row in await self.house.rows("SELECT venue_id, code FROM zones") if row["code"]}
        inspected = {row["venue_id"] for row in inspections.values()}
        open_ones = {key for key, row in venues.items() if row["closed_at"] is None}
        for key in open_ones:
            found["registered"] += 1
            found["on_code"] += key in coded
            found["inspected"] += key in inspected
            if key in {fact["venue_id"] for fact in facts}:
                found["suspended"] += (await self.street.standing(SimpleNamespace(venue_id=str(key)))).suspended
        for name, table in (("served", "obligation_services"), ("acknowledged", "obligation_acknowledgements")):
            for row in await self.house.rows(
                f"SELECT DISTINCT o.venue_id, t.kind FROM {table} JOIN obligations o USING (obligation_id)"
                " JOIN obligation_templates t USING (template_id)"
            ):
                found[("letter_", "notice_")[row["kind"] - 1] + name] += row["venue_id"] in open_ones
        return found

    async def _inspected(self, inspections, facts):
        annulled = {row["measure_id"] for row in facts if row["kind"] == 8 and row["upheld"]}
        papers = {2: "notices", 3: "yellow_cards", 4: "red_cards"}
        days = [("inspections", row["inspected_at"]) for row in inspections.values()]
        days += [
            ("failed", row["inspected_at"])
            for key, row in inspections.items()
            if not row["passed"] and key not in annulled
        ]
        days += [
            (papers[row["paper"]], inspections[row["measure_id"]]["recorded_at"])
            for row in await self.house.rows("SELECT * FROM measure_papers")
            if row["measure_id"] in inspections.keys() - annulled and row["paper"] in papers
        ]
        return days

    async def agrees(self, area, first, last, **given):
        """The summary says what the facts say."""
        row = await self.of(area, first_day=str(first), last_day=str(last), **given)
        stock, flow = await self.counted(area, first, last, **given)
        told = {
            field.name: getattr(row.now, field.name)
            for field in pb.VenueStock.DESCRIPTOR.fields
            if field.name not in {"overdue", "overdue_by_level", "occupancy"}
        }
        assert told == {name: stock[name] for name in told}
        told = {field.name: getattr(row.period, field.name) for field in pb.VenueFlow.DESCRIPTOR.fields}
        assert told == {name: flow[name] for name in told}

    @property
    def today(self):
        return local_day(self.house.clock.now())

    def days(self, back, ahead=0):
        return self.today - timedelta(days=back), self.today + timedelta(days=ahead)


def decided(facts):
    """Decisions with their moments, in the order of each venue's facts."""
    annulled = {row["measure_id"] for row in facts if row["kind"] == 8 and row["upheld"]}
    suspended = set()
    for row in facts:
        if row["kind"] == 3:
            suspended.add(row["venue_id"])
            if row["refers_to"] == row["measure_id"] and row["measure_id"] not in annulled:
                yield "suspensions", row["recorded_at"]
        if row["kind"] == 6:
            yield "lifts", row["recorded_at"]
            if row["venue_id"] in suspended:
                suspended.remove(row["venue_id"])
                yield "reopened", row["recorded_at"]
        if row["kind"] == 8 and row["upheld"]:
            yield "annulled", row["recorded_at"]


@pytest.fixture
async def street(house, tmp_path):
    return make_street(house, tmp_path)


@pytest.fixture
def desk(house):
    return Desk(house, ObligationServicer(house.pool, house.clock, unsealed, lambda: None), SimpleNamespace(relay=0))


@pytest.fixture
async def figures(house, street):
    today = local_day(house.clock.now())
    await ensure(house.owner, today, today + timedelta(days=40))
    await house.owner.execute("TRUNCATE summary_changes, summary_days, area_occupancy, obligation_templates CASCADE")
    return Figures(house, street, SummaryServicer(house.pool, house.clock))
