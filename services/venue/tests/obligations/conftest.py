"""Officers, grid workers and shops with their letters and notices, on real Postgres."""

import os
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.clock import local_day
from chassis.events.outbox import unsealed
from chassis.partitions import ensure
from lilitong.venue.v1 import obligation_pb2 as pb
from venue.obligations.rpc import ObligationServicer

from ..acting import Acting, person  # noqa: TID252 - tests are in no package that has a name

LETTER, NOTICE = pb.OBLIGATION_KIND_LETTER, pb.OBLIGATION_KIND_NOTICE


@dataclass
class Desk(Acting):
    """What people do about obligations, in one line each."""

    servicer: ObligationServicer
    told: SimpleNamespace

    officer = person("officer-1", "venue_officer")
    second = person("officer-2", "venue_officer")
    grid = person("grid-1", "grid_worker")
    shop = person("shop-1", "venue_operator")
    other_shop = person("shop-2", "venue_operator")
    elsewhere = person("officer-9", "venue_officer", areas=("110101",))

    def draft(self, kind=LETTER, area="141102", **given):
        fields = {
            "request_id": str(uuid4()),
            "template_id": str(uuid4()),
            "kind": kind,
            "area": area,
            "title": "疫情防控责任书" if kind == LETTER else "疫情防控告知书",
            "body": "为落实疫情防控主体责任，特告知如下。",
            "requirements": ["进店扫码", "测量体温"],
            "issuing_body": "凤山街道疫情防控办公室",
        }
        return pb.DraftObligationTemplateRequest(**fields | given)

    async def template(self, kind=LETTER, area="141102", **given):
        draft = self.draft(kind, area, **given)
        await self.call(self.officer, draft)
        return await self.approve(draft.template_id)

    async def approve(self, template_id, caller=None):
        request = pb.ApproveObligationTemplateRequest(request_id=str(uuid4()), template_id=template_id)
        return (await self.call(caller or self.second, request)).template

    async def issue(self, caller=None, **given):
        fields = {"request_id": str(uuid4()), "area": "141102"}
        return await self.call(caller or self.officer, pb.IssueObligationsRequest(**fields | given))

    def service(self, venue, obligations, **given):
        request = pb.ServeObligationsRequest(
            request_id=str(uuid4()),
            venue_id=venue.venue_id,
            obligation_ids=[each.obligation_id for each in obligations],
            **{"method": pb.SERVICE_METHOD_IN_PERSON, "photo_sha256": os.urandom(32)} | given,
        )
        request.served_at.FromDatetime(self.house.clock.now())
        return request

    async def of(self, venue, caller=None):
        request = pb.ListObligationsRequest(venue_id=venue.venue_id)
        return (await self.call(caller or self.officer, request)).obligations

    async def acknowledge(self, obligation, caller=None, request_id=""):
        request = pb.AcknowledgeObligationRequest(
            request_id=request_id or str(uuid4()), obligation_id=obligation.obligation_id
        )
        return (await self.call(caller or self.shop, request)).obligation

    async def coverage(self, **given):
        """(area, category, kind) → (venues, issued, served, acknowledged)."""
        rows = (await self.call(self.officer, pb.GetObligationCoverageRequest(**{"area": "141102"} | given))).rows
        return {
            (each.area, each.category, each.kind): (each.venues, each.issued, each.served, each.acknowledged)
            for each in rows
        }


@pytest.fixture
async def desk(house):
    told = SimpleNamespace(times=0)

    def tell():
        told.times += 1

    today = local_day(house.clock.now())
    async with house.pool.acquire() as conn:
        await ensure(conn, today, today)
    await house.owner.execute("TRUNCATE obligation_templates CASCADE")
    return Desk(house, ObligationServicer(house.pool, house.clock, unsealed, tell), told)
