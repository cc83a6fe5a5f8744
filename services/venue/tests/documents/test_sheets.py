"""Each sheet as it is printed: its words, its number, and a code that leads to its verification."""

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chassis.errors import DomainError
from venue.documents.model import Document, DocumentFormat, DocumentKind, NewDocument
from venue.documents.rendering import Renderer

pytestmark = pytest.mark.feature("V8")

PDF = DocumentFormat.PDF
WORDS = {
    DocumentKind.INSPECTION_FORM: ("疫情防控检查表", "从业人员和顾客佩戴口罩", "不合格", "2022年3月18日10时30分"),
    DocumentKind.RECTIFICATION_NOTICE: (
        "整改通知书",
        "未落实：从业人员和顾客佩戴口罩",
        "两名店员未戴",
        "2022年3月20日10时30分前",
        "申诉",
    ),
    DocumentKind.YELLOW_CARD: ("黄牌", "未落实：从业人员和顾客佩戴口罩", "2022年3月20日10时30分"),
    DocumentKind.RED_CARD: ("红牌", "未落实：从业人员和顾客佩戴口罩"),
    DocumentKind.SUSPENSION_DECISION: (
        "停业整顿决定书",
        "依照阶梯处置办法（第4版）第2步",
        "2022年3月18日10时30分起",
        "2022年3月21日10时30分止",
        "到期自行终止",
    ),
    DocumentKind.SEAL: ("封条", "至2022年3月21日10时30分", "未经批准不得启封"),
    DocumentKind.LETTER: ("疫情防控告知书", "入口设置场所码", "责任单位"),
    DocumentKind.NOTICE: ("疫情防控告知书", "每日消毒并记录", "签收人"),
    DocumentKind.POSTER: ("场所码", "一层大厅"),
}


@pytest.fixture
async def renderer(reading):
    made = Renderer(reading.address)
    yield made
    await made.close()


def document(reading, kind=DocumentKind.RECTIFICATION_NOTICE, number=338, drill_id="", **content):
    at = datetime(2022, 3, 18, 3, tzinfo=UTC)
    poster = {"zone": 1, "code_version": 1} if kind is DocumentKind.POSTER else {}
    new = NewDocument(kind, uuid4(), reading.body, reading.content | content, at, drill_id=drill_id, **poster)
    return Document(uuid4(), new, number)


@pytest.mark.parametrize("kind", list(DocumentKind))
@pytest.mark.case("happy path")
async def test_a_sheet_says_who_issued_what_to_whom_and_its_code_leads_to_its_verification(renderer, reading, kind):
    made = document(reading, kind)
    pdf = await renderer.render(made, PDF)
    text = reading.text(pdf)
    body = (*WORDS[kind], "滨河路便民超市", reading.body, made.text, made.verification_id)
    assert [each for each in body if "".join(each.split()) not in text] == []
    assert "2022年3月18日" in text
    expected = {reading.address.replace("{verification_id}", made.verification_id)}
    if kind is DocumentKind.POSTER:
        expected.add(reading.content["code"])
    assert reading.codes(pdf) == expected


@pytest.mark.parametrize("kind", list(DocumentKind))
@pytest.mark.feature("X10")
async def test_a_drills_sheet_says_so_across_the_page(renderer, reading, kind):
    assert "演练" in reading.text(await renderer.render(document(reading, kind, drill_id="drill-1"), PDF))
    assert "演练" not in reading.text(await renderer.render(document(reading, kind), PDF))


@pytest.mark.parametrize("hostile", ["#panic()", "*bold* _x_ $y$ @z <t> \\ `raw`", '[#read("/etc/passwd")]', "“引号”"])
@pytest.mark.case("bad input")
async def test_words_are_printed_as_they_are_and_never_run(renderer, reading, hostile):
    venue = reading.content["venue"] | {"name": hostile}
    text = reading.text(await renderer.render(document(reading, venue=venue), PDF))
    assert "".join(hostile.split()) in text


async def test_a_poster_has_one_page_whatever_the_venue_is_called(renderer, reading):
    longest = {"venue": reading.content["venue"] | {"name": "滨" * 200}, "zone_name": "层" * 100}
    pdf = await renderer.render(document(reading, DocumentKind.POSTER, **longest), PDF)
    assert len(reading.codes(pdf)) == 2
    assert "滨" * 200 in reading.text(pdf)


@pytest.mark.case("happy path")
async def test_a_poster_comes_as_picture_too(renderer, reading):
    poster = document(reading, DocumentKind.POSTER)
    assert (await renderer.render(poster, DocumentFormat.PNG)).startswith(b"\x89PNG")
    assert b"<svg" in await renderer.render(poster, DocumentFormat.SVG)


async def test_a_sheet_is_made_once_and_kept_within_its_bounds(reading):
    renderer = Renderer(reading.address, cache_bytes=60_000)
    first = document(reading)
    sheets = await asyncio.gather(*(renderer.render(first, PDF) for _ in range(20)))
    assert all(each is sheets[0] for each in sheets)
    assert await renderer.render(first, PDF) is sheets[0]
    for number in range(6):
        await renderer.render(document(reading, number=number), PDF)
    assert await renderer.render(first, PDF) is not sheets[0]
    assert 0 < renderer.held <= 60_000
    await renderer.close()


@pytest.mark.case("concurrency")
async def test_rendering_leaves_the_loop_free_and_a_crowd_is_told_to_come_back(reading):
    renderer = Renderer(reading.address, waiting=2)
    work = [asyncio.create_task(renderer.render(document(reading, number=n), PDF)) for n in range(4)]
    ticks, started = 0, time.monotonic()
    while not all(each.done() for each in work) and time.monotonic() - started < 20:
        await asyncio.sleep(0.001)
        ticks += 1
    results = await asyncio.gather(*work, return_exceptions=True)
    assert sum(isinstance(each, bytes) for each in results) == 2
    assert {each.reason for each in results if isinstance(each, DomainError)} == {"RENDERING_BUSY"}
    assert ticks > 3
    await renderer.close()
