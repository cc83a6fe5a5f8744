"""Letters and notices: written by two, issued to all, served with proof, acknowledged, and counted."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import DomainError
from lilitong.venue.v1 import document_pb2
from lilitong.venue.v1 import obligation_pb2 as pb

pytestmark = [pytest.mark.feature("V2"), pytest.mark.connected]
LETTER, NOTICE = pb.OBLIGATION_KIND_LETTER, pb.OBLIGATION_KIND_NOTICE


async def refused(action):
    with pytest.raises(DomainError) as caught:
        await action
    return caught.value.reason


@pytest.mark.case("happy path")
async def test_letter_and_notice_go_the_whole_way(desk, house):
    venue = await house.register()
    await desk.template(LETTER)
    await desk.template(NOTICE)
    answer = await desk.issue()
    assert (answer.issued, answer.remaining) == (2, 0)
    letter, notice = sorted(await desk.of(venue), key=lambda each: each.kind)
    assert (letter.number, notice.number) == ("离防责〔2022〕1号", "离防告〔2022〕1号")
    assert letter.standing == document_pb2.DOCUMENT_STANDING_IN_FORCE
    served = await desk.call(desk.grid, desk.service(venue, [letter, notice]))
    assert [each.service.served_by for each in served.obligations] == ["grid-1", "grid-1"]
    done = await desk.acknowledge(letter)
    assert done.acknowledged_by == "shop-1"
    assert await desk.coverage() == {
        ("141102001", 3, LETTER): (1, 1, 1, 1),
        ("141102001", 3, NOTICE): (1, 1, 1, 0),
    }
    subjects = [row["subject"] for row in await house.rows("SELECT subject FROM outbox ORDER BY seq")]
    prefix = "lilitong.venue."
    assert [each.removeprefix(prefix) for each in subjects if "registered" not in each] == [
        "document.v1.issued",
        "document.v1.issued",
        "obligation.v1.served",
        "obligation.v1.served",
        "obligation.v1.acknowledged",
    ]


@pytest.mark.case("wrong caller")
async def test_a_template_needs_a_second_person_and_versions_count_per_line(desk):
    draft = desk.draft()
    await desk.call(desk.officer, draft)
    assert await refused(desk.approve(draft.template_id, desk.officer)) == "SECOND_PERSON_NEEDED"
    assert (await desk.approve(draft.template_id)).version == 1
    assert await refused(desk.approve(draft.template_id)) == "APPROVED_ALREADY"
    assert (await desk.template()).version == 2
    assert (await desk.template(NOTICE)).version == 1
    assert (await desk.template(category=6)).version == 1
    listed = await desk.call(desk.officer, pb.ListObligationTemplatesRequest(area="141102"))
    assert len(listed.templates) == 4


async def test_a_draft_is_issued_to_nobody(desk, house):
    await house.register()
    await desk.call(desk.officer, desk.draft())
    assert (await desk.issue()).issued == 0


async def test_the_longest_area_goes_first_then_the_category(desk, house):
    market = await house.register(category=5)
    shop = await house.register(category=3)
    far = await house.register(category=3, area="141102002001")
    wide = await desk.template(area="141102")
    near = await desk.template(area="141102001")
    special = await desk.template(area="141102001", category=5)
    await desk.issue()
    got = {venue.venue_id: (await desk.of(venue))[0].template_id for venue in (market, shop, far)}
    assert got == {
        market.venue_id: special.template_id,
        shop.venue_id: near.template_id,
        far.venue_id: wide.template_id,
    }


@pytest.mark.case("repeat")
async def test_issuing_goes_on_where_it_was_interrupted_and_never_issues_twice(desk, house):
    for _ in range(7):
        await house.register()
    await desk.template()
    first = await desk.issue(limit=3)
    assert (first.issued, first.remaining) == (3, 4)
    key = str(uuid4())
    second = await desk.issue(limit=3, request_id=key)
    assert await desk.issue(limit=3, request_id=key) == second
    assert [(await desk.issue(limit=3)).issued for _ in range(2)] == [1, 0]
    rows = await house.rows("SELECT number FROM documents ORDER BY number")
    assert [row["number"] for row in rows] == list(range(1, 8))


@pytest.mark.case("concurrency")
async def test_officers_who_issue_at_once_share_the_venues_and_leave_no_gap(desk, house):
    for _ in range(30):
        await house.register()
    await desk.template(LETTER)
    await desk.template(NOTICE)
    answers = await asyncio.gather(*(desk.issue(limit=7) for _ in range(20)))
    assert sum(each.issued for each in answers) == 60
    for series in ("离防责", "离防告"):
        rows = await house.rows("SELECT number FROM documents WHERE series = $1 ORDER BY number", series)
        assert [row["number"] for row in rows] == list(range(1, 31))


@pytest.mark.case("crash")
async def test_an_issue_that_fails_in_the_middle_leaves_neither_papers_nor_numbers(desk, house, monkeypatch):
    await house.register()
    await desk.template()

    def fail():
        raise ConnectionResetError

    monkeypatch.setattr("venue.obligations.rpc.publish_issued", lambda *_: fail())
    with pytest.raises(ConnectionResetError):
        await desk.issue()
    monkeypatch.undo()
    assert await house.rows("SELECT FROM documents") == await house.rows("SELECT FROM document_counters") == []
    assert (await desk.issue()).issued == 1


@pytest.mark.case("happy path")
async def test_a_new_version_is_to_be_issued_again_and_the_former_is_superseded(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    house.clock.advance(timedelta(minutes=1))
    await desk.template()
    assert (await desk.coverage())["141102001", 3, LETTER] == (1, 0, 0, 0)
    await desk.issue()
    new, old = await desk.of(venue)
    assert (new.template_version, old.template_version) == (2, 1)
    assert new.standing == document_pb2.DOCUMENT_STANDING_IN_FORCE
    assert old.standing == document_pb2.DOCUMENT_STANDING_SUPERSEDED


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"photo_sha256": b""}, "photo_sha256"),
        ({"method": pb.SERVICE_METHOD_REFUSED}, "witness"),
        ({"method": pb.SERVICE_METHOD_REFUSED, "witness": "grid-1"}, "witness"),
        ({"method": pb.SERVICE_METHOD_POST}, "tracking_number"),
    ],
)
@pytest.mark.case("bad input")
async def test_service_without_its_proof_is_refused_and_nothing_stored(desk, house, given, field):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    request = desk.service(venue, await desk.of(venue), **given)
    with pytest.raises(DomainError) as caught:
        await desk.call(desk.grid, request)
    assert (caught.value.reason, set(caught.value.fields)) == ("PROOF_INCOMPLETE", {field})
    assert await house.rows("SELECT FROM obligation_services") == []


@pytest.mark.case("bad input")
async def test_a_time_ahead_or_too_long_ago_is_refused(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    for shift in (timedelta(hours=1), timedelta(hours=-73)):
        request = desk.service(venue, await desk.of(venue))
        request.served_at.FromDatetime(house.clock.now() + shift)
        assert await refused(desk.call(desk.grid, request)) == "PROOF_INCOMPLETE"


@pytest.mark.parametrize(
    "given",
    [
        {"method": pb.SERVICE_METHOD_APP, "photo_sha256": b""},
        {"method": pb.SERVICE_METHOD_POST, "photo_sha256": b"", "tracking_number": "EMS-1"},
        {"method": pb.SERVICE_METHOD_REFUSED, "witness": "grid-2"},
    ],
)
@pytest.mark.case("happy path")
async def test_every_way_of_serving_counts_with_its_proof(desk, house, given):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    (served,) = (await desk.call(desk.grid, desk.service(venue, await desk.of(venue), **given))).obligations
    assert served.service.method == given["method"]
    assert (await desk.coverage())["141102001", 3, LETTER] == (1, 1, 1, 0)


async def test_the_database_itself_refuses_service_without_proof(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    (letter,) = await desk.of(venue)
    async with house.pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError, match="obligation_services_proof_check"):
            await conn.execute(
                "INSERT INTO obligation_services VALUES ($1, 1, 4, 'a', '', now(), now(), NULL, '')",
                letter.obligation_id,
            )
        for table in ("obligations", "obligation_services", "obligation_template_versions"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(f"DELETE FROM {table}")


@pytest.mark.case("repeat")
async def test_the_first_service_stands_when_it_is_served_again(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    request = desk.service(venue, await desk.of(venue))
    first = await desk.call(desk.grid, request)
    assert await desk.call(desk.grid, request) == first
    again = desk.service(venue, await desk.of(venue), method=pb.SERVICE_METHOD_APP)
    assert (await desk.call(desk.officer, again)).obligations[0].service.served_by == "grid-1"
    assert len(await house.rows("SELECT FROM obligation_services")) == 2


@pytest.mark.case("repeat", "wrong caller")
async def test_only_what_was_served_is_acknowledged_once_and_by_the_venues_own_account(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    (letter,) = await desk.of(venue)
    assert await refused(desk.acknowledge(letter)) == "NOT_SERVED"
    await desk.call(desk.grid, desk.service(venue, [letter]))
    assert await refused(desk.acknowledge(letter, desk.other_shop)) == "NOT_AN_OPERATOR"
    key = str(uuid4())
    assert await desk.acknowledge(letter, request_id=key) == await desk.acknowledge(letter, request_id=key)
    assert await refused(desk.acknowledge(letter)) == "ACKNOWLEDGED_ALREADY"


@pytest.mark.case("bad input")
async def test_papers_of_another_venue_are_not_served(desk, house):
    venue, other = await house.register(), await house.register()
    await desk.template()
    await desk.issue()
    request = desk.service(venue, await desk.of(other))
    assert await refused(desk.call(desk.grid, request)) == "OBLIGATION_UNKNOWN"


@pytest.mark.feature("X2")
@pytest.mark.case("wrong caller", of="V2")
async def test_who_is_responsible_elsewhere_is_refused(desk, house):
    venue = await house.register()
    template = await desk.template()
    await desk.issue()
    papers = await desk.of(venue)
    assert await refused(desk.call(desk.elsewhere, desk.service(venue, papers))) == "OUT_OF_AREA"
    assert await refused(desk.of(venue, desk.elsewhere)) == "OUT_OF_AREA"
    assert await refused(desk.of(venue, desk.other_shop)) == "NOT_AN_OPERATOR"
    assert await refused(desk.approve(template.template_id, desk.elsewhere)) == "OUT_OF_AREA"
    assert len(await desk.of(venue, desk.shop)) == 1


@pytest.mark.case("happy path")
async def test_who_is_missing_is_listed_over_pages_and_agrees_with_the_coverage(desk, house):
    venues = [await house.register() for _ in range(7)]
    await desk.template()
    await desk.issue(limit=5)
    held = [venue for venue in venues if await desk.of(venue)]
    for venue in held[:3]:
        await desk.call(desk.grid, desk.service(venue, await desk.of(venue)))
    assert (await desk.coverage())["141102001", 3, LETTER] == (7, 5, 3, 0)
    for stage, count in ((pb.OBLIGATION_STAGE_ISSUED, 2), (pb.OBLIGATION_STAGE_SERVED, 4), (0, 4), (3, 7)):
        found, token = set(), ""
        for _ in range(10):
            page = await desk.call(
                desk.officer,
                pb.ListMissingObligationsRequest(area="141102", stage=stage, page_size=2, page_token=token),
            )
            found |= {each.venue_id for each in page.missing}
            token = page.next_page_token
            if not token:
                break
        assert len(found) == count
    assert (
        await refused(desk.call(desk.officer, pb.ListMissingObligationsRequest(area="141102", stage=1, page_token="x")))
        == "PAGE_TOKEN_INVALID"
    )


@pytest.mark.feature("X10")
async def test_a_drill_has_its_own_papers_and_counts(desk, house):
    await house.register()
    drill = await house.register(drill_id="drill-1")
    await desk.template()
    assert (await desk.issue(drill_id="drill-1")).issued == 1
    (letter,) = await desk.of(drill)
    assert letter.number == "演离防责〔2022〕1号"
    assert (await desk.coverage())["141102001", 3, LETTER] == (1, 0, 0, 0)
    assert (await desk.coverage(drill_id="drill-1"))["141102001", 3, LETTER] == (1, 1, 0, 0)


async def test_a_closed_venue_is_asked_for_nothing_more_and_keeps_what_it_had(desk, house):
    open_one, closed = [await house.register() for _ in range(2)]
    await desk.template(LETTER)
    assert (await desk.issue()).issued == 2
    (letter,) = await desk.of(closed)
    await desk.template(NOTICE)
    before = desk.service(closed, [letter])
    house.clock.advance(timedelta(hours=1))
    await house.close(closed)
    after = desk.service(closed, [letter])

    assert ((await desk.issue()).issued, len(await desk.of(closed))) == (1, 1)
    assert {each.venue_id for each in await missing(desk)} == {open_one.venue_id}
    assert [counts[0] for counts in (await desk.coverage()).values()] == [1, 1]
    assert await refused(desk.call(desk.grid, after)) == "VENUE_CLOSED"
    await desk.call(desk.grid, before)  # what happened before is told afterwards, as from a phone without a net
    assert await refused(desk.acknowledge(letter)) == "VENUE_CLOSED"


async def missing(desk):
    request = pb.ListMissingObligationsRequest(area="141102", stage=pb.OBLIGATION_STAGE_SERVED)
    return (await desk.call(desk.officer, request)).missing


@pytest.mark.case("concurrency")
async def test_an_acknowledgement_waits_for_whoever_is_closing_the_venue_and_is_refused_then(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    papers = await desk.of(venue)
    await desk.call(desk.grid, desk.service(venue, papers))
    await house.refused_by_a_closing(venue, desk.acknowledge(papers[0]))
