"""Imports without a server: the service's methods, and its job step by step."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import import_pb2
from venue.register.imports.job import Importing
from venue.register.imports.rpc import ImportServicer

PART = 512 * 1024


@dataclass
class Office:
    """An officer who imports files, and replicas that work on them."""

    house: object
    officer: object
    imports: ImportServicer
    replicas: list[Importing]
    woken: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(times=0))

    async def create(self, *, area="141102", caller=None, import_id=None, **given):
        request = import_pb2.CreateImportRequest(
            request_id=str(uuid4()), import_id=import_id or str(uuid4()), area=area, file_name="场所.csv", **given
        )
        with calling(caller or self.officer):
            return (await self.imports.CreateImport(request, None)).job

    async def append(self, import_id, offset, data, *, last, caller=None):
        request = import_pb2.AppendImportPartRequest(import_id=import_id, offset=offset, data=data, last=last)
        with calling(caller or self.officer):
            return (await self.imports.AppendImportPart(request, None)).job

    async def put(self, content, **given):
        """A complete file, not worked on yet; returns the import's id."""
        job = await self.create(**given)
        for at in range(0, len(content), PART):
            await self.append(job.import_id, at, content[at : at + PART], last=at + PART >= len(content))
        return job.import_id

    async def look(self, import_id, caller=None):
        with calling(caller or self.officer):
            return (await self.imports.GetImport(import_pb2.GetImportRequest(import_id=import_id), None)).job

    async def work(self, replica=0):
        while await self.replicas[replica].step():
            pass

    async def run(self, content, **given):
        """Put it in, work it off, and see that it reconciles."""
        import_id = await self.put(content if isinstance(content, bytes) else content.encode(), **given)
        await self.work()
        job = await self.look(import_id)
        assert job.rows_read == job.created + job.unchanged + job.rejected
        return job

    async def report(self, import_id, caller=None):
        """The whole report, as bytes."""
        return b"".join([page async for page in self.report_pages(import_id, caller)])

    async def report_pages(self, import_id, caller=None):
        """The report as it is given out, piece by piece."""
        token = None
        while token != "":
            request = import_pb2.GetImportReportRequest(import_id=import_id, page_token=token or "")
            with calling(caller or self.officer):
                page = await self.imports.GetImportReport(request, None)
            token = page.next_page_token
            yield page.data


@pytest.fixture
def office(house, who) -> Office:
    for_test = SimpleNamespace(times=0)

    def woken():
        for_test.times += 1

    replicas = [Importing(house.pool, house.clock, house.codes, unsealed, house.zones.announce) for _ in range(2)]
    return Office(house, who.officer, ImportServicer(house.pool, house.clock, woken), replicas, for_test)
