"""The register: numbers without gaps, sheets for those who may see them, verification for everybody."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from chassis.auth import Caller
from chassis.errors import DomainError
from lilitong.venue.v1 import document_pb2 as pb
from venue.documents import rpc
from venue.documents.issue import issue
from venue.documents.model import DocumentKind

pytestmark = [pytest.mark.feature("V8"), pytest.mark.connected]
NOTICE = DocumentKind.RECTIFICATION_NOTICE


async def numbers(house):
    rows = await house.rows("SELECT issuing_body, series, year, number FROM documents ORDER BY 1, 2, 3, 4")
    return [tuple(row) for row in rows]


@pytest.mark.case("happy path")
async def test_numbers_count_per_body_series_and_local_year(papers, house):
    venue = await house.register()
    new_year = datetime(2022, 12, 31, 16, tzinfo=UTC)  # midnight in the district
    one = await papers.issue(venue, issued_at=new_year - timedelta(seconds=1))
    two = await papers.issue(venue, issued_at=new_year)
    three = await papers.issue(venue, issued_at=new_year)
    other = await papers.issue(venue, issued_at=new_year, issuing_body="莲花池街道疫情防控办公室")
    card = await papers.issue(venue, DocumentKind.YELLOW_CARD, issued_at=new_year)
    assert [each.text for each in (one, two, three, other, card)] == [
        "离防整〔2022〕1号",
        "离防整〔2023〕1号",
        "离防整〔2023〕2号",
        "离防整〔2023〕1号",
        "离防黄〔2023〕1号",
    ]


@pytest.mark.case("concurrency")
async def test_twenty_issuers_at_once_leave_no_gap_and_give_no_number_twice_though_some_are_rolled_back(papers, house):
    venue = await house.register()

    async def issuer(which):
        for turn in range(5):
            async with house.pool.acquire() as conn:
                transaction = conn.transaction()
                await transaction.start()
                await issue(conn, papers.new(venue))
                await (transaction.rollback() if (which + turn) % 3 == 0 else transaction.commit())

    await asyncio.gather(*(issuer(which) for which in range(20)))
    found = [number for *_, number in await numbers(house)]
    assert found == list(range(1, len(found) + 1))
    assert len(found) == sum((which + turn) % 3 != 0 for which in range(20) for turn in range(5))


@pytest.mark.case("crash")
async def test_an_issue_whose_connection_dies_leaves_no_number(papers, house):
    venue = await house.register()
    conn = await house.pool.acquire()
    await conn.execute("BEGIN")
    await issue(conn, papers.new(venue))
    pid = conn.get_server_pid()
    await house.admin.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await conn.execute("COMMIT")
    await house.pool.release(conn)
    assert (await papers.issue(venue)).number == 1


async def test_the_services_own_role_cannot_change_a_document(papers, house):
    await papers.issue(await house.register())
    async with house.pool.acquire() as conn:
        for statement in (
            "UPDATE documents SET content = '{}'",
            "DELETE FROM documents",
            "UPDATE document_counters SET series = 'x'",
            "TRUNCATE documents",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


@pytest.mark.case("concurrency", "repeat")
async def test_a_poster_is_one_document_per_code_however_often_it_is_asked_for(papers, house):
    venue = await house.register(zones=2)
    zone = venue.zones[0].zone
    made = await asyncio.gather(*(papers.poster(zone) for _ in range(10)))
    assert len({each.document_id for each in made}) == 1
    assert made[0].number == "离防码〔2022〕1号"
    assert (await papers.poster(venue.zones[1].zone)).number == "离防码〔2022〕2号"
    events = await house.rows("SELECT payload FROM outbox WHERE subject = 'lilitong.venue.document.v1.issued'")
    assert len(events) == 2


@pytest.mark.case("repeat")
async def test_the_same_request_again_gets_the_first_answer_and_other_content_is_refused(papers, house):
    venue = await house.register(zones=2)
    key = str(uuid4())
    first = await papers.poster(venue.zones[0].zone, request_id=key)
    assert await papers.poster(venue.zones[0].zone, request_id=key) == first
    with pytest.raises(DomainError, match="used before") as refused:
        await papers.poster(venue.zones[1].zone, request_id=key)
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"


@pytest.mark.feature("V3")
@pytest.mark.case("happy path")
async def test_a_posters_sheet_carries_the_zones_code_and_the_way_to_its_verification(papers, house, reading):
    venue = await house.register()
    poster = await papers.poster(venue.zones[0].zone)
    sheet = await papers.call(papers.shop, pb.RenderDocumentRequest(document_id=poster.document_id))
    assert sheet.media_type == "application/pdf"
    address = reading.address.replace("{verification_id}", poster.verification_id)
    assert reading.codes(sheet.data) == {venue.zones[0].code, address}
    assert venue.name in reading.text(sheet.data)
    for form, media_type in ((pb.DOCUMENT_FORMAT_SVG, "image/svg+xml"), (pb.DOCUMENT_FORMAT_PNG, "image/png")):
        request = pb.RenderDocumentRequest(document_id=poster.document_id, format=form)
        assert (await papers.call(papers.shop, request)).media_type == media_type


@pytest.mark.case("bad input")
async def test_only_posters_come_as_pictures(papers, house):
    document = await papers.issue(await house.register())
    request = pb.RenderDocumentRequest(document_id=str(document.document_id), format=pb.DOCUMENT_FORMAT_PNG)
    with pytest.raises(DomainError) as refused:
        await papers.call(papers.officer, request)
    assert refused.value.reason == "FORMAT_NOT_OFFERED"


async def test_a_poster_is_superseded_by_the_next_code_and_ends_with_its_revocation(papers, house):
    venue = await house.register()
    zone = venue.zones[0].zone
    first = await papers.poster(zone)
    assert (await papers.verify(first.verification_id)).in_force
    await house.owner.execute("UPDATE zones SET code_version = 2, code = 'LLV1:NEXT' WHERE zone = $1", zone)
    assert (await papers.verify(first.verification_id)).standing == pb.DOCUMENT_STANDING_SUPERSEDED
    second = await papers.poster(zone)
    assert second.document_id != first.document_id
    await house.owner.execute("UPDATE zones SET code = NULL WHERE zone = $1", zone)
    assert (await papers.verify(second.verification_id)).standing == pb.DOCUMENT_STANDING_ENDED
    with pytest.raises(DomainError) as refused:
        await papers.poster(zone)
    assert refused.value.reason == "VENUE_CODE_REVOKED"


@pytest.mark.case("happy path")
async def test_verification_tells_what_is_on_the_paper_and_nothing_of_those_who_wrote_it(papers, house):
    venue = await house.register()
    letter = await papers.issue(venue, DocumentKind.LETTER)
    card = await papers.issue(venue, DocumentKind.YELLOW_CARD, source_id=uuid4())
    told = await papers.verify(letter.verification_id)
    assert (told.genuine, told.in_force, told.number) == (True, True, "离防责〔2022〕1号")
    assert (told.issuing_body, told.venue_name, told.drill) == (letter.new.issuing_body, "", False)
    assert (await papers.verify(card.verification_id)).venue_name == "滨河路便民超市"
    fields = {field.name for field in pb.DocumentVerification.DESCRIPTOR.fields}
    assert fields == {
        "genuine", "in_force", "standing", "kind", "number", "issuing_body", "issued_at", "venue_name", "drill",
        "checked_at",
    }  # fmt: skip


@pytest.mark.parametrize("made_up", ["a" * 26, "x", "{verification_id}", "' OR 1=1 --", "二维码", "Z" * 64])
@pytest.mark.case("bad input")
async def test_what_was_never_issued_is_not_genuine_and_nothing_more_is_said(papers, house, made_up):
    await papers.issue(await house.register())
    told = await papers.verify(made_up)
    told.ClearField("checked_at")
    assert told == pb.DocumentVerification()


@pytest.mark.case("bad input")
async def test_neither_number_nor_document_id_opens_the_verification(papers, house):
    document = await papers.issue(await house.register())
    for known in (document.text, str(document.document_id), document.verification_id.upper()):
        assert not (await papers.verify(known)).genuine


@pytest.mark.feature("X10")
async def test_a_drills_document_says_so_and_is_numbered_apart(papers, house):
    real, drill = await house.register(), await house.register(drill_id="drill-1")
    assert (await papers.issue(real)).number == (await papers.issue(drill)).number == 1
    document = await papers.issue(drill)
    assert document.text == "演离防整〔2022〕2号"
    assert (await papers.verify(document.verification_id)).drill


@pytest.mark.feature("X2")
@pytest.mark.case("wrong caller", of="V8")
async def test_documents_are_for_staff_of_the_area_and_the_venues_own_accounts(papers, house):
    venue = await house.register()
    document = await papers.issue(venue)
    request = pb.GetDocumentRequest(document_id=str(document.document_id))
    assert (await papers.call(papers.shop, request)).document.number == document.text
    stranger = Caller("shop-2", frozenset({"venue_operator"}), ("141102",))
    elsewhere = Caller("officer-9", frozenset({"venue_officer"}), ("110101",))
    for caller, reason in ((stranger, "NOT_AN_OPERATOR"), (elsewhere, "OUT_OF_AREA")):
        for wanted in (
            request,
            pb.RenderDocumentRequest(document_id=str(document.document_id)),
            pb.ListVenueDocumentsRequest(venue_id=venue.venue_id),
            pb.IssuePosterRequest(request_id=str(uuid4()), zone=venue.zones[0].zone),
        ):
            with pytest.raises(DomainError) as refused:
                await papers.call(caller, wanted)
            assert refused.value.reason == reason
    with pytest.raises(DomainError) as refused:
        await papers.call(papers.officer, pb.GetDocumentRequest(document_id=str(uuid4())))
    assert refused.value.reason == "DOCUMENT_UNKNOWN"


@pytest.mark.case("happy path", "bad input")
async def test_lists_are_complete_the_newest_first_over_pages(papers, house):
    venue = await house.register()
    issued = []
    for _ in range(7):
        issued.insert(0, str((await papers.issue(venue)).document_id))
        house.clock.advance(timedelta(minutes=1))
    found, token = [], ""
    for _ in range(5):
        page = await papers.call(papers.auditor, pb.ListDocumentsRequest(area="141102", page_size=3, page_token=token))
        assert page.total == 7
        found += [each.document_id for each in page.documents]
        token = page.next_page_token
        if not token:
            break
    assert found == issued
    own = await papers.call(papers.shop, pb.ListVenueDocumentsRequest(venue_id=venue.venue_id))
    assert [each.document_id for each in own.documents] == issued
    for broken in ("x", "2022-01-01~nothing", f"2022-01-01T00:00:00~{uuid4()}"):
        with pytest.raises(DomainError) as refused:
            await papers.call(papers.auditor, pb.ListDocumentsRequest(area="141102", page_token=broken))
        assert refused.value.reason == "PAGE_TOKEN_INVALID"


@pytest.mark.case("crash")
async def test_a_poster_whose_process_ends_before_the_answer_is_issued_by_the_repeat_under_the_first_number(
    papers, house, monkeypatch
):
    venue = await house.register()
    key = str(uuid4())

    async def cut(conn, *_):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as broken:
        broken.setattr(rpc, "publish_issued", cut)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await papers.poster(venue.zones[0].zone, request_id=key)
    assert await numbers(house) == []
    assert await house.owner.fetchval("SELECT count(*) FROM document_counters") == 0
    assert papers.told.times == 0
    poster = await papers.poster(venue.zones[0].zone, request_id=key)
    assert poster.number == "离防码〔2022〕1号"
    assert await papers.poster(venue.zones[0].zone, request_id=key) == poster
    issued = "SELECT count(*) FROM outbox WHERE subject = 'lilitong.venue.document.v1.issued'"
    assert await house.owner.fetchval(issued) == len(await numbers(house)) == 1


@pytest.mark.feature("X10")
async def test_a_drills_documents_are_listed_and_counted_only_when_it_is_named(papers, house):
    real, drill = await house.register(), await house.register(drill_id="drill-1")
    ours, theirs = [str((await papers.issue(each)).document_id) for each in (real, drill)]

    async def listed(**given):
        page = await papers.call(papers.auditor, pb.ListDocumentsRequest(area="141102", **given))
        return page.total, [each.document_id for each in page.documents]

    assert await listed() == (1, [ours])
    assert await listed(drill_id="drill-1") == (1, [theirs])
    assert await listed(drill_id="drill-2") == (0, [])
    own = await papers.call(papers.shop, pb.ListVenueDocumentsRequest(venue_id=drill.venue_id))
    assert [each.document_id for each in own.documents] == [theirs]
