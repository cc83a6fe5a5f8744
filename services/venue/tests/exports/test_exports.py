"""Exports as officers make and read them: complete, counted, marked, recorded, for those who may."""

import asyncio
import csv
import io
import threading
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import openpyxl
import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from lilitong.venue.v1 import export_pb2 as pb
from lilitong.venue.v1 import venue_pb2
from venue.exports.rpc import ExportServicer

from ..enforcement.conftest import make_street  # noqa: TID252 - tests are in no package that has a name

pytestmark = [pytest.mark.connected, pytest.mark.feature("X8"), pytest.mark.feature("S6")]

OFFICER = Caller(
    "officer-1", frozenset({"venue_officer"}), ("141102",), purpose="daily-brief", purpose_ref="2022-03-10"
)
AUDITOR = Caller("auditor-1", frozenset({"auditor"}), ("141102",))
VENUES, OBLIGATIONS, INSPECTIONS, MEASURES = 1, 2, 3, 4
CSV, XLSX = 1, 2


@pytest.fixture
async def office(house):
    await house.owner.execute("TRUNCATE exports CASCADE")
    return Office(house, ExportServicer(house.pool, house.clock))


class Office:
    def __init__(self, house, servicer):
        self.house, self.servicer = house, servicer

    async def call(self, request, caller=OFFICER):
        with calling(caller):
            return await getattr(self.servicer, type(request).__name__.removesuffix("Request"))(request, None)

    def wanted(self, table=VENUES, form=CSV, area="141102", **given):
        fields = {"request_id": str(uuid4()), "export_id": str(uuid4()), "table": table, "format": form, "area": area}
        return pb.CreateExportRequest(**fields | given)

    async def file(self, export, caller=OFFICER):
        data, offset = b"", 0
        while True:
            part = await self.call(pb.ReadExportRequest(export_id=export.export_id, offset=offset), caller)
            data += part.data
            offset = part.next_offset
            if not offset:
                return data

    async def export(self, *args, **given):
        export = (await self.call(self.wanted(*args, **given))).export
        data = await self.file(export)
        assert (len(data), sha256(data).digest()) == (export.bytes, export.sha256)
        return export, data


def table(data):
    if data.startswith(b"PK"):
        return [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows()]
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("form", [CSV, XLSX])
async def test_the_register_is_complete_counted_and_says_who_took_it_when_and_what_for(office, house, form):
    venues = [await house.register(zones=2) for _ in range(7)]
    await house.register(area="110101001001")
    await house.register(drill_id="drill-1")
    export, data = await office.export(VENUES, form)
    rows = table(data)
    assert {row[0] for row in rows[2:-1]} == {venue.venue_id for venue in venues}
    assert (export.rows, rows[-1][0]) == (7, "共 7 行，完")
    for part in ("officer-1", "2022-03-10 12:00:00", "daily-brief / 2022-03-10", "141102"):
        assert part in rows[0][0]
    assert (export.exported_by, export.purpose, export.purpose_ref) == ("officer-1", "daily-brief", "2022-03-10")
    assert export.file_name == f"venues-141102-20220310-1200.{'csv' if form == CSV else 'xlsx'}"
    assert [str(cell) for cell in rows[2][8:11]] == ["2", "2", "200"]


async def test_a_shop_named_like_a_formula_is_a_text_in_both_files(office, house, who):
    name = '=HYPERLINK("http://evil.example";"点我")'
    request = venue_pb2.RegisterVenueRequest(
        request_id=str(uuid4()), venue_id=str(uuid4()), name=name, category=3, area=who.area, address="@SUM(1+1)",
        zones=[venue_pb2.NewZone(name="店", capacity=5)],
    )  # fmt: skip
    with calling(who.officer):
        await house.venues.RegisterVenue(request, None)
    _, data = await office.export(VENUES, CSV)
    assert table(data)[2][1:5:3] == ["'" + name, "'@SUM(1+1)"]
    _, data = await office.export(VENUES, XLSX)
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    live = [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f" or cell.hyperlink]
    assert (live, sheet["B3"].value) == ([], name)


@pytest.mark.feature("V7")
async def test_inspections_and_what_followed_from_them_are_exported_with_their_numbers(office, house, tmp_path):
    street = make_street(house, tmp_path)
    await street.policies()
    venue = await street.venue()
    measure, suspension = await street.climb_to_suspension(venue)
    _, data = await office.export(INSPECTIONS)
    rows = table(data)[2:-1]
    assert ([row[7] for row in rows], [row[8] for row in rows]) == (["不合格"] * 3, ["1"] * 3)
    export, data = await office.export(MEASURES, XLSX)
    last = table(data)[-2]
    assert (export.rows, last[0], last[5], last[11]) == (3, measure, 3, suspension.seal_number)
    assert "红" in last[6]


@pytest.mark.feature("V2")
async def test_venues_to_which_nothing_was_issued_stand_in_the_coverage(office, house):
    venue = await house.register()
    _, data = await office.export(OBLIGATIONS)
    (row,) = table(data)[2:-1]
    assert (row[0], row[4], row[8]) == (venue.venue_id, "未签发", "未送达")


async def test_a_large_file_is_read_in_parts_that_make_the_whole(office, house, monkeypatch):
    monkeypatch.setattr("venue.exports.rpc.PART_BYTES", 500)
    for _ in range(12):
        await house.register()
    export, data = await office.export()
    assert (export.bytes > 1000, len(table(data))) == (True, 15)
    for offset in (1, 499, export.bytes):
        with pytest.raises(DomainError) as refused:
            await office.call(pb.ReadExportRequest(export_id=export.export_id, offset=offset))
        assert refused.value.reason == "EXPORT_PART_GONE"


async def test_the_same_request_makes_one_export_and_another_cannot_take_its_id(office, house):
    await house.register()
    request = office.wanted()
    first = (await office.call(request)).export
    house.clock.advance(timedelta(minutes=5))
    assert (await office.call(request)).export == first
    both = office.wanted()
    answers = await asyncio.gather(office.call(both), office.call(both))
    assert answers[0] == answers[1]
    other = office.wanted(export_id=first.export_id)
    with pytest.raises(DomainError) as refused:
        await office.call(other)
    assert refused.value.reason == "EXPORT_EXISTS"
    changed = pb.CreateExportRequest()
    changed.CopyFrom(request)
    changed.format = XLSX
    with pytest.raises(DomainError) as refused:
        await office.call(changed)
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"
    assert len((await office.call(pb.ListExportsRequest(area="141102"), AUDITOR)).exports) == 2


@pytest.mark.feature("X2")
async def test_only_who_made_a_file_reads_it_and_everybody_in_charge_sees_that_it_was_made(office, house):
    await house.register()
    export, _ = await office.export()
    colleague = replace(OFFICER, subject="officer-2")
    elsewhere = replace(OFFICER, areas=("110101",))
    for caller, reason in ((colleague, "NOT_YOUR_EXPORT"), (elsewhere, "OUT_OF_AREA")):
        with pytest.raises(DomainError) as refused:
            await office.file(export, caller)
        assert refused.value.reason == reason
    with pytest.raises(DomainError) as refused:
        await office.call(pb.ReadExportRequest(export_id=str(uuid4())))
    assert refused.value.reason == "EXPORT_UNKNOWN"
    assert list((await office.call(pb.ListExportsRequest(area="141102001"), AUDITOR)).exports) == []
    assert (await office.call(pb.ListExportsRequest(area="141102"), AUDITOR)).exports == [export]


async def test_a_table_that_is_too_large_is_refused_and_not_cut_off(office, house):
    for _ in range(4):
        await house.register()
    office.servicer = ExportServicer(house.pool, house.clock, most_rows=3)
    with pytest.raises(DomainError) as refused:
        await office.call(office.wanted())
    assert refused.value.reason == "EXPORT_TOO_LARGE"
    assert not await house.rows("SELECT FROM exports")


async def test_files_go_after_a_day_and_the_record_stays(office, house):
    await house.register()
    export, _ = await office.export()
    house.clock.advance(timedelta(hours=23))
    await office.servicer.forget()
    await office.file(export)
    house.clock.advance(timedelta(hours=2))
    await office.servicer.forget()
    with pytest.raises(DomainError) as refused:
        await office.file(export)
    assert refused.value.reason == "EXPORT_PART_GONE"
    assert (await office.call(pb.ListExportsRequest(area="141102"), AUDITOR)).exports[0].rows == 1


async def test_pages_of_the_record_follow_each_other(office, house):
    for _ in range(3):
        await office.call(office.wanted())
        house.clock.advance(timedelta(minutes=1))
    first = await office.call(pb.ListExportsRequest(area="141102", page_size=2), AUDITOR)
    rest = await office.call(
        pb.ListExportsRequest(area="141102", page_size=2, page_token=first.next_page_token), AUDITOR
    )
    assert ([len(first.exports), len(rest.exports)], rest.next_page_token) == ([2, 1], "")
    with pytest.raises(DomainError) as refused:
        await office.call(pb.ListExportsRequest(area="141102", page_token="x"), AUDITOR)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_no_file_is_opened_on_the_event_loop(office, house, monkeypatch):
    for _ in range(3):
        await house.register()
    opened, real = [], Path.open

    def watched(path, *given, **more):
        if path.parent.name.startswith("export-"):
            opened.append(threading.current_thread() is threading.main_thread())
        return real(path, *given, **more)

    monkeypatch.setattr(Path, "open", watched)
    export, _ = await office.export()
    assert export.rows == 3
    assert len(opened) > 2
    assert not any(opened)


async def test_what_a_file_was_called_is_recorded_and_told_whatever_it_would_be_called_today(office, house):
    await house.register()
    export, _ = await office.export()
    await house.owner.execute("UPDATE exports SET file_name = 'as-it-was.csv'")
    listed = await office.call(pb.ListExportsRequest(area="141102"))
    assert [(each.export_id, each.file_name) for each in listed.exports] == [(export.export_id, "as-it-was.csv")]
