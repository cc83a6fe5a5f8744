"""Acts about letters and notices that come twice, at once, wrongly or cut off in the middle."""

import asyncio
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.validation import validate
from lilitong.venue.v1 import obligation_pb2 as pb

pytestmark = [pytest.mark.feature("V2"), pytest.mark.connected]


async def refused(action):
    with pytest.raises(DomainError) as caught:
        await action
    return caught.value.kind, caught.value.reason


@pytest.fixture
async def acts(desk, house):
    """Walks (caller, request, other content) of one act of each kind, in the order in which they can be done."""
    venue = await house.register()
    draft = desk.draft()
    approval = pb.ApproveObligationTemplateRequest(request_id=str(uuid4()), template_id=draft.template_id)
    issue = pb.IssueObligationsRequest(request_id=str(uuid4()), area="141102")

    async def walk():
        yield desk.officer, draft, {"title": "另一份责任书"}
        yield desk.second, approval, None
        yield desk.officer, issue, {"limit": 3}
        (letter,) = await desk.of(venue)
        yield desk.grid, desk.service(venue, [letter]), {"witness": "grid-2"}
        acknowledge = pb.AcknowledgeObligationRequest(request_id=str(uuid4()), obligation_id=letter.obligation_id)
        yield desk.shop, acknowledge, None

    return walk


async def rows(house):
    tables = ("obligation_templates", "obligation_template_versions", "obligations", "documents")
    tables += ("obligation_services", "obligation_acknowledgements", "outbox")
    return {table: await house.owner.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


@pytest.mark.case("repeat")
async def test_every_act_sent_again_gets_its_first_answer_and_other_content_under_its_id_is_refused(
    desk, house, acts, altered
):
    walked = []
    async for caller, request, other in acts():
        first = await desk.call(caller, request)
        before = await rows(house)
        assert await desk.call(caller, request) == first
        if other is not None:
            mismatch = (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")
            assert await refused(desk.call(caller, altered(request, **other))) == mismatch
        assert await rows(house) == before
        walked.append((caller, request, first))
    # Also after all that followed.
    for caller, request, first in walked:
        assert await desk.call(caller, request) == first
    assert len(walked) == 5


@pytest.mark.case("concurrency", "repeat")
async def test_every_act_sent_six_times_at_once_acts_once(desk, house, acts):
    async for caller, request, _ in acts():
        answers = await asyncio.gather(*(desk.call(caller, request) for _ in range(6)))
        assert {each.SerializeToString(deterministic=True) for each in answers} == {
            answers[0].SerializeToString(deterministic=True)
        }
    found = await rows(house)
    assert found.pop("outbox") == 4  # registered, issued, served, acknowledged
    assert set(found.values()) == {1}


@pytest.mark.case("concurrency")
async def test_templates_approved_at_once_get_versions_without_a_gap(desk):
    drafts = [desk.draft() for _ in range(8)]
    for each in drafts:
        await desk.call(desk.officer, each)
    approved = await asyncio.gather(*(desk.approve(each.template_id) for each in drafts))
    assert sorted(each.version for each in approved) == [*range(1, 9)]


@pytest.mark.case("concurrency")
async def test_one_template_approved_by_several_at_once_is_approved_once(desk):
    draft = desk.draft()
    await desk.call(desk.officer, draft)
    done = await asyncio.gather(*(desk.approve(draft.template_id) for _ in range(6)), return_exceptions=True)
    assert sorted(getattr(each, "reason", "done") for each in done) == ["APPROVED_ALREADY"] * 5 + ["done"]


@pytest.mark.case("concurrency")
async def test_acknowledged_from_several_phones_at_once_it_is_acknowledged_once(desk, house):
    venue = await house.register()
    await desk.template()
    await desk.issue()
    (letter,) = await desk.of(venue)
    await asyncio.gather(*(desk.call(desk.grid, desk.service(venue, [letter])) for _ in range(5)))
    (served,) = await desk.of(venue)
    assert served.service.served_by == "grid-1"
    done = await asyncio.gather(*(desk.acknowledge(letter) for _ in range(6)), return_exceptions=True)
    assert sorted(getattr(each, "reason", "done") for each in done) == ["ACKNOWLEDGED_ALREADY"] * 5 + ["done"]
    ordinals = await house.rows("SELECT ordinal FROM obligation_services ORDER BY ordinal")
    assert [row["ordinal"] for row in ordinals] == [1, 2, 3, 4, 5]


@pytest.mark.case("crash")
async def test_service_and_acknowledgement_cut_off_before_they_are_told_leave_nothing(desk, house, acts, monkeypatch):
    async def cut(conn, *_, **__):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async for caller, request, _ in acts():
        if isinstance(request, pb.ServeObligationsRequest | pb.AcknowledgeObligationRequest):
            before = await rows(house)
            with monkeypatch.context() as broken:
                broken.setattr("venue.obligations.rpc.publish", cut)
                with pytest.raises(Exception, match=r"terminat|closed"):
                    await desk.call(caller, request)
            assert await rows(house) == before
        await desk.call(caller, request)
    assert (await rows(house))["obligation_acknowledgements"] == 1


@pytest.mark.case("bad input")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"obligation_ids": []}, "obligation_ids"),
        ({"obligation_ids": ["17"]}, "obligation_ids[0]"),
        ({"method": 9}, "method"),
        ({"photo_sha256": b"short"}, "photo_sha256"),
        ({"tracking_number": "EMS 1"}, "tracking_number"),
        ({"venue_id": ""}, "venue_id"),
    ],
)
def test_the_contract_refuses_service_that_cannot_be(given, field):
    fields = {
        "request_id": str(uuid4()),
        "venue_id": str(uuid4()),
        "obligation_ids": [str(uuid4())],
        "method": pb.SERVICE_METHOD_APP,
    }
    good, bad = (pb.ServeObligationsRequest(**each) for each in (fields, fields | given))
    for each in (good, bad):
        each.served_at.seconds = 1
    validate(good)
    with pytest.raises(DomainError) as caught:
        validate(bad)
    assert set(caught.value.fields) == {field}
