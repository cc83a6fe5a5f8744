"""Inspections: checklists, one by one and in lists; nothing wrong is stored."""

from datetime import timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import inspection_pb2 as pb
from protovalidate import validate

from .conftest import FAILED, FENGSHAN, LIANHUACHI, NOT_APPLICABLE, PNG, count, person, refused

pytestmark = pytest.mark.feature("V6")
connected = pytest.mark.connected


@connected
@pytest.mark.case("happy path")
async def test_there_is_a_checklist_in_both_languages_for_every_category_and_every_other_subject(street):
    subjects = [(1, category) for category in range(1, 14)] + [(2, 0), (3, 0), (4, 0)]
    lists = {}
    for subject, category in subjects:
        answer = await street.call(street.one, pb.GetChecklistRequest(subject=subject, category=category))
        lists[subject, category] = answer.checklist
    common = {"entrants_registered", "three_codes", "temperature", "masks", "app_in_use", "disinfection", "no_crowding"}
    for (subject, _), found in lists.items():
        items = [each.item for each in found.items]
        assert found.version == 1
        assert len(items) == len(set(items)) >= 6
        assert subject != 1 or common < set(items)
        for each in found.items:
            assert any("\u4e00" <= letter <= "\u9fff" for letter in each.text_zh)
            assert each.text_en.isascii()
    assert len({tuple(sorted(each.item for each in found.items)) for found in lists.values()}) >= 14
    assert await refused(street.call(street.one, pb.GetChecklistRequest(subject=2, category=3))) == (
        Kind.NOT_FOUND,
        "CHECKLIST_UNKNOWN",
    )


@connected
@pytest.mark.case("happy path")
async def test_an_inspection_is_stored_as_it_was_made_and_told(street):
    venue = await street.venue()
    made = street.now() - timedelta(hours=20)
    photo = sha256(PNG).digest()
    request = await street.inspection(venue, bad=["masks"], photos={"masks": [photo]}, made=made)
    request.findings[0].outcome = NOT_APPLICABLE
    request.findings[0].remark = "今日歇业半天"
    request.position.latitude_e7, request.position.longitude_e7 = 375_270_000, -1_111_290_000
    request.position.accuracy_metres = 8
    answer = (await street.call(street.two, request)).inspection
    assert (answer.passed, answer.area, answer.subject_name, answer.category) == (False, venue.area, venue.name, 3)
    assert answer.inspected_at.ToDatetime() == made.replace(tzinfo=None)
    assert answer.recorded_at.ToDatetime() == street.now().replace(tzinfo=None)
    assert list(answer.findings) == list(request.findings)
    assert answer.position == request.position
    assert list(answer.missing_photos) == [photo]
    read = await street.call(street.lead, pb.GetInspectionRequest(inspection_id=request.inspection_id))
    assert read.inspection == answer
    (event,) = await street.events("inspection.v1.recorded")
    assert event.inspection == answer
    assert street.told.relay >= 1


@connected
@pytest.mark.case("happy path")
async def test_checkpoints_communities_and_public_places_are_inspected_too_and_have_no_ladder(street):
    await street.policies()
    post = str(uuid4())
    for subject, given in (
        (2, {"subject_id": post, "subject_name": "凤山高速口"}),
        (3, {"subject_name": "永宁社区"}),
        (4, {"subject_name": "世纪广场", "drill_id": "spring"}),
    ):
        items = await street.checklist(subject, 0)
        request = pb.RecordInspectionRequest(
            request_id=str(uuid4()),
            inspection_id=str(uuid4()),
            subject=subject,
            area=f"{FENGSHAN}001",
            first_inspector="inspector-1",
            second_inspector="inspector-2",
            checklist_version=1,
            findings=[pb.Finding(item=item, outcome=FAILED) for item in items],
            **given,
        )
        request.inspected_at.FromDatetime(street.now())
        answer = await street.call(street.one, request)
        assert (answer.step, len(answer.papers), answer.inspection.passed) == (0, 0, False)
        assert answer.inspection.drill_id == given.get("drill_id", "")
    assert await street.house.owner.fetchval("SELECT count(*) FROM ladder_facts") == 0
    found = await street.call(street.lead, pb.ListInspectionsRequest(area=FENGSHAN, subject_id=post))
    assert [each.subject_name for each in found.inspections] == ["凤山高速口"]


@connected
@pytest.mark.case("bad input")
async def test_wrong_inspections_are_refused_and_nothing_is_stored(street):
    await street.policies()
    venue = await street.venue()
    good = await street.inspection(venue, bad=["masks"])

    def changed(**given):
        request = pb.RecordInspectionRequest()
        request.CopyFrom(good)
        request.request_id, request.inspection_id = str(uuid4()), str(uuid4())
        for name, value in given.items():
            setattr(request, name, value)
        return request

    short, double, strange = changed(), changed(), changed()
    del short.findings[0]
    double.findings.append(double.findings[0])
    strange.findings[0].item = "guest_origins"
    future, ancient = changed(), changed()
    future.inspected_at.FromDatetime(street.now() + timedelta(minutes=3))
    ancient.inspected_at.FromDatetime(street.now() - timedelta(days=14, seconds=1))
    for request, expected in (
        (changed(second_inspector="inspector-1"), "ONE_INSPECTOR"),
        (changed(subject_name="别的店"), "INSPECTION_INVALID"),
        (changed(area="141102001001"), "INSPECTION_INVALID"),
        (changed(drill_id="spring"), "INSPECTION_INVALID"),
        (changed(subject_id=""), "INSPECTION_INVALID"),
        (changed(checklist_version=2), "CHECKLIST_UNKNOWN"),
        (changed(reinspects=str(uuid4())), "MEASURE_UNKNOWN"),
        (changed(subject=2, area="141102001001", subject_name="x", reinspects=str(uuid4())), "INSPECTION_INVALID"),
        (short, "FINDINGS_INCOMPLETE"),
        (double, "FINDINGS_INCOMPLETE"),
        (strange, "FINDINGS_INCOMPLETE"),
        (future, "TIME_INVALID"),
        (ancient, "TIME_INVALID"),
    ):
        assert await refused(street.call(street.one, request)) == (Kind.INVALID, expected)
    assert await refused(street.call(street.one, changed(subject_id=str(uuid4())))) == (
        Kind.NOT_FOUND,
        "VENUE_UNKNOWN",
    )
    for table in ("inspections", "inspection_findings", "ladder_facts", "documents"):
        assert await street.house.owner.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await street.house.owner.fetchval("SELECT count(*) FROM outbox WHERE subject ~ 'inspection'") == 0


@pytest.mark.case("bad input")
def test_the_contract_refuses_what_no_inspection_can_be():
    good = pb.RecordInspectionRequest(
        request_id=str(uuid4()),
        inspection_id=str(uuid4()),
        subject=4,
        subject_name="世纪广场",
        area="141102001001",
        first_inspector="a",
        second_inspector="b",
        checklist_version=1,
        findings=[pb.Finding(item="masks", outcome=1)],
    )
    good.inspected_at.seconds = 1
    validate(good)
    for name, value in (
        ("subject", 9),
        ("inspection_id", "17"),
        ("area", "14110x"),
        ("reinspects", "no"),
        ("checklist_version", 0),
    ):
        bad = pb.RecordInspectionRequest()
        bad.CopyFrom(good)
        setattr(bad, name, value)
        with pytest.raises(Exception, match=name):
            validate(bad)


@connected
@pytest.mark.case("wrong caller")
async def test_an_inspection_is_recorded_by_one_of_its_two_within_the_area(street):
    venue = await street.venue()
    request = await street.inspection(venue)
    elsewhere = person("inspector-1", "inspector", areas=("141103",))
    assert await refused(street.call(elsewhere, request)) == (Kind.DENIED, "OUT_OF_AREA")
    other = person("inspector-9", "inspector")
    assert await refused(street.call(other, request)) == (Kind.DENIED, "NOT_YOUR_INSPECTION")
    assert await count(street, "inspections") == 0
    await street.call(street.two, request)
    # Neither is the answer of one read by another.
    assert await refused(street.call(other, request)) == (Kind.DENIED, "NOT_YOUR_INSPECTION")
    read = pb.GetInspectionRequest(inspection_id=request.inspection_id)
    stranger = person("shop-2", "venue_operator")
    assert await refused(street.call(stranger, read)) == (Kind.DENIED, "NOT_AN_OPERATOR")
    assert (await street.call(street.shop, read)).inspection.passed


@connected
async def test_a_drills_papers_are_numbered_apart_and_no_real_venue_is_touched(street):
    await street.policies()
    real, drill = await street.venue(), await street.venue(drill_id="spring")
    played = await street.fail(drill)
    assert [each.number for each in played.papers] == ["演离防检〔2022〕1号", "演离防整〔2022〕1号"]
    assert played.inspection.drill_id == "spring"
    assert [each.number for each in (await street.fail(real)).papers] == ["离防检〔2022〕1号", "离防整〔2022〕1号"]
    rows = await street.house.rows("SELECT drill_id FROM outbox WHERE subject ~ 'inspection' ORDER BY seq")
    assert [row["drill_id"] for row in rows] == ["spring", ""]


@connected
@pytest.mark.case("happy path")
async def test_lists_are_paged_from_the_newest_and_bounded_by_area_and_outcome(street):
    first, second = await street.venue(FENGSHAN), await street.venue(LIANHUACHI)
    for number in range(7):
        venue = first if number % 2 else second
        await (street.fail(venue) if number % 3 else street.passes(venue))
        street.later(minutes=1)

    async def listed(**given):
        answer = await street.call(street.lead, pb.ListInspectionsRequest(**{"area": "141102"} | given))
        return list(answer.inspections), answer.next_page_token

    everything, token = await listed()
    assert (len(everything), token) == (7, "")
    times = [each.recorded_at.ToDatetime() for each in everything]
    assert times == sorted(times, reverse=True)
    assert not everything[0].findings
    pages, token = [], ""
    for _ in range(4):
        found, token = await listed(page_size=2, page_token=token)
        pages += found
    assert (pages, token) == (everything, "")
    assert len((await listed(area=FENGSHAN))[0]) == 3
    assert len((await listed(failed_only=True))[0]) == 4
    assert len((await listed(subject=1, subject_id=second.venue_id))[0]) == 4
    assert not (await listed(subject=2))[0]
    assert await refused(listed(page_token="0; DROP")) == (Kind.INVALID, "PAGE_TOKEN_INVALID")
