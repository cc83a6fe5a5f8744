"""Uploads of inspections: sent again, from both phones, many after a time offline; nothing is stored twice or by halves."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from chassis.errors import Kind
from chassis.rpc.status import from_proto
from lilitong.venue.v1 import inspection_pb2 as pb

from .conftest import FENGSHAN, LIANHUACHI, count, person, refused

pytestmark = pytest.mark.feature("V6")
connected = pytest.mark.connected


@connected
@pytest.mark.case("repeat")
async def test_sending_it_again_gives_the_first_answer_and_one_inspection(street):
    await street.policies()
    venue = await street.venue()
    request = await street.inspection(venue, bad=["masks"])
    first = await street.call(street.one, request)
    street.later(hours=3)
    assert await street.call(street.one, request) == first
    again = pb.RecordInspectionRequest()
    again.CopyFrom(request)
    again.request_id = str(uuid4())
    assert await street.call(street.one, again) == first
    again.request_id = str(uuid4())
    again.findings[0].remark = "另一句话"
    assert await refused(street.call(street.one, again)) == (Kind.EXISTS, "INSPECTION_EXISTS")
    request.findings[0].remark = "另一句话"
    assert await refused(street.call(street.one, request)) == (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")
    assert await count(street, "inspections") == 1
    assert await street.house.owner.fetchval("SELECT count(*) FROM documents") == 2
    assert len(await street.events("inspection.v1.recorded")) == 1


@connected
@pytest.mark.case("concurrency", "repeat")
async def test_the_same_upload_from_both_phones_at_once_is_stored_once(street):
    await street.policies()
    venue = await street.venue()
    request = await street.inspection(venue, bad=["masks"])
    requests = []
    for _ in range(6):
        each = pb.RecordInspectionRequest()
        each.CopyFrom(request)
        each.request_id = str(uuid4())
        requests.append(each)
    answers = await asyncio.gather(*(street.call(street.one, each) for each in requests))
    assert {each.SerializeToString() for each in answers} == {answers[0].SerializeToString()}
    assert await count(street, "inspections") == 1


@connected
@pytest.mark.case("happy path", "bad input", "repeat")
async def test_offline_inspections_come_in_a_batch_each_answered_on_its_own_and_in_the_order_sent(street):
    await street.policies()
    venue, other = await street.venue(), await street.venue()
    made = [street.now() - timedelta(hours=hours) for hours in (5, 30, 1)]
    requests = [await street.inspection(venue, bad=["masks"], made=each) for each in made]
    wrong = await street.inspection(other)
    wrong.checklist_version = 7
    batch = pb.BatchRecordInspectionsRequest(requests=[*requests[:2], wrong, requests[2]])
    answer = await street.call(street.one, batch)
    assert [each.response.step for each in answer.results] == [1, 2, 0, 3]
    assert [each.HasField("error") for each in answer.results] == [False, False, True, False]
    assert from_proto(answer.results[2].error).reason == "CHECKLIST_UNKNOWN"
    # A later upload of an earlier visit does not change the steps that were handed out.
    assert [each.response.inspection.inspected_at.ToDatetime() for each in answer.results if each.response.step] == [
        each.replace(tzinfo=None) for each in made
    ]
    assert await street.call(street.one, batch) == answer
    assert await count(street, "inspections") == 3


@connected
@pytest.mark.case("wrong caller")
async def test_a_batch_of_which_nothing_is_the_callers_is_refused_as_a_whole(street):
    requests = [await street.inspection(await street.venue()) for _ in range(2)]
    batch = pb.BatchRecordInspectionsRequest(requests=requests)
    elsewhere = person("inspector-1", "inspector", areas=("141103",))
    assert await refused(street.call(elsewhere, batch)) == (Kind.DENIED, "OUT_OF_AREA")
    assert await count(street, "inspections") == 0


@connected
@pytest.mark.case("wrong caller")
async def test_an_item_of_another_area_is_refused_in_a_mixed_batch(street):
    home, away = await street.venue(FENGSHAN), await street.venue(LIANHUACHI)
    requests = [await street.inspection(home), await street.inspection(away)]
    caller = person("inspector-1", "inspector", areas=(FENGSHAN,))
    answer = await street.call(caller, pb.BatchRecordInspectionsRequest(requests=requests))
    assert [each.HasField("error") for each in answer.results] == [False, True]
    assert from_proto(answer.results[1].error).reason == "OUT_OF_AREA"
    assert await count(street, "inspections") == 1


@connected
@pytest.mark.case("crash")
async def test_a_crash_in_the_middle_leaves_nothing_and_no_gap_in_the_numbers(street, monkeypatch):
    from venue.enforcement.ladder import store

    await street.policies()
    venue = await street.venue()
    request = await street.inspection(venue, bad=["masks"])

    async def fail(*_, **__):
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(store, "save_head", fail)
        with pytest.raises(ConnectionResetError):
            await street.call(street.one, request)
    for table in ("inspections", "ladder_facts", "measures", "documents", "measure_papers", "ladder_heads"):
        assert await street.house.owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    answer = await street.call(street.one, request)
    assert [each.number for each in answer.papers] == ["离防检〔2022〕1号", "离防整〔2022〕1号"]
