"""A register of documents on real Postgres, and readers of what it prints."""

from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID, uuid4

import pypdfium2
import pytest
import zxingcpp
from chassis.clock import local_day
from chassis.events.outbox import unsealed
from chassis.partitions import ensure
from lilitong.venue.v1 import document_pb2 as pb
from venue.documents.issue import issue
from venue.documents.model import DocumentKind, NewDocument
from venue.documents.rendering import Renderer
from venue.documents.rpc import DocumentServicer
from venue.documents.standing import StandingOf
from venue.enforcement.papers_standing import papers_standing

from ..acting import Acting, person  # noqa: TID252 - tests are in no package that has a name

ADDRESS = "https://verify.example/v1/document-verifications/{verification_id}"
BODY = "凤山街道疫情防控办公室"
VENUE = {"name": "滨河路便民超市", "address": "滨河路1号", "category": 3}
_MASKS = {"item": "masks", "text_zh": "从业人员和顾客佩戴口罩", "remark": "两名店员未戴"}
CONTENT = {
    "venue": VENUE,
    "inspected_at": "2022-03-18T02:30:00+00:00",
    "findings": [
        _MASKS | {"outcome": "failed"},
        {"item": "three_codes", "text_zh": "查验三码", "remark": "", "outcome": "met"},
    ],
    "failed": [_MASKS],
    "step": 2,
    "policy_version": 4,
    "rectify_by": "2022-03-20T02:30:00+00:00",
    "starts_at": "2022-03-18T02:30:00+00:00",
    "ends_at": "2022-03-21T02:30:00+00:00",
    "title": "疫情防控告知书",
    "body": "现将有关要求告知如下。",
    "requirements": ["入口设置场所码", "每日消毒并记录"],
    "zone_name": "一层大厅",
    "code": "LLV1:" + "0123456789ABCDEF" * 9,
}


def text_of(pdf):
    """What a reader of the PDF finds, without spaces."""
    return "".join("".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf)).split())


def codes_in(pdf):
    """The QR codes that a camera would read on its only page."""
    (page,) = pypdfium2.PdfDocument(pdf)
    bitmap = page.render(scale=3, grayscale=True)
    pixels = memoryview(bytes(bitmap.buffer)).cast("B", shape=[bitmap.height, bitmap.stride])
    return {found.text for found in zxingcpp.read_barcodes(pixels)}


@pytest.fixture
def reading():
    return SimpleNamespace(text=text_of, codes=codes_in, address=ADDRESS, body=BODY, content=CONTENT)


@dataclass
class Papers(Acting):
    """What people do with documents, in one line each."""

    servicer: DocumentServicer
    told: SimpleNamespace

    officer = person("officer-1", "venue_officer")
    auditor = person("auditor-1", "auditor")
    shop = person("shop-1", "venue_operator")

    def new(self, venue, kind=DocumentKind.RECTIFICATION_NOTICE, **given):
        fields = {
            "kind": kind,
            "venue_id": UUID(venue.venue_id),
            "issuing_body": BODY,
            "content": CONTENT,
            "issued_at": self.house.clock.now(),
            "drill_id": venue.drill_id,
        }
        return NewDocument(**fields | given)

    async def issue(self, venue, kind=DocumentKind.RECTIFICATION_NOTICE, **given):
        async with self.house.pool.acquire() as conn, conn.transaction():
            return await issue(conn, self.new(venue, kind, **given))

    async def poster(self, zone, caller=None, request_id=""):
        request = pb.IssuePosterRequest(request_id=request_id or str(uuid4()), zone=zone)
        return (await self.call(caller or self.officer, request)).document

    async def verify(self, verification_id):
        request = pb.VerifyDocumentRequest(verification_id=verification_id)
        return (await self.servicer.VerifyDocument(request, None)).verification


@pytest.fixture
async def papers(house):
    told = SimpleNamespace(times=0)

    def tell():
        told.times += 1

    today = local_day(house.clock.now())
    async with house.pool.acquire() as conn:
        await ensure(conn, today, today)
    renderer = Renderer(ADDRESS)
    yield Papers(
        house,
        DocumentServicer(
            house.pool, house.clock, renderer, StandingOf(papers_standing), "离石区疫情防控办公室", unsealed, tell
        ),
        told,
    )
    await renderer.close()
