"""A venue's own way into the register."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import application_pb2 as pb
from lilitong.venue.v1 import events_pb2, venue_pb2
from venue.register.applications.rpc import ApplicationServicer

AREA = "141102001001"
pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]
SUBMITTED, RETURNED, APPROVED = 1, 2, 3


@pytest.fixture
def desk(house, who):
    """`await desk.call("Method", request, caller)`."""
    servicer = ApplicationServicer(house.pool, house.clock, house.codes, unsealed, lambda: None, house.zones.announce)

    async def call(method, request, caller=None):
        with calling(caller or (who.operator if method == "SubmitApplication" else who.officer)):
            return await getattr(servicer, method)(request, None)

    return SimpleNamespace(call=call)


def submission(application_id=None, **given):
    content = {
        "name": "新店",
        "category": 6,
        "area": AREA,
        "address": "滨河路9号",
        "zones": [venue_pb2.NewZone(name="大厅", capacity=40)],
        "particulars": venue_pb2.Particulars(owner="张三", responsible_person="李四", licence="91141102MA0K00000X"),
    }
    return pb.SubmitApplicationRequest(
        request_id=str(uuid4()),
        application_id=application_id or str(uuid4()),
        content=pb.ApplicationContent(**content | given),
    )


def approval(application_id, number=1):
    return pb.ApproveApplicationRequest(request_id=str(uuid4()), application_id=application_id, submission=number)


def back(application_id, number=1, reasons=("地址不详",)):
    return pb.ReturnApplicationRequest(
        request_id=str(uuid4()), application_id=application_id, submission=number, reasons=reasons
    )


@pytest.mark.case("happy path")
async def test_what_was_returned_is_amended_approved_and_registered(desk, house, who):
    first = submission()
    key = first.application_id
    made = (await desk.call("SubmitApplication", first)).application
    assert (made.state, made.submission, made.applicant) == (SUBMITTED, 1, who.operator.subject)
    returned = (await desk.call("ReturnApplication", back(key))).application
    assert (returned.state, list(returned.reasons)) == (RETURNED, ["地址不详"])
    again = (await desk.call("SubmitApplication", submission(key, address="滨河路9号二楼"))).application
    assert (again.state, again.submission, list(again.reasons)) == (SUBMITTED, 2, [])
    done = await desk.call("ApproveApplication", approval(key, 2))
    assert (done.application.state, done.application.venue_id) == (APPROVED, key)
    assert (done.venue.address, list(done.venue.operators)) == ("滨河路9号二楼", [who.operator.subject])
    assert house.zones.find(done.venue.zones[0].zone).operators == {who.operator.subject}
    assert (
        await desk.call("GetApplication", pb.GetApplicationRequest(application_id=key), who.operator)
    ).application == (done.application)
    rows = await house.rows("SELECT subject, payload FROM outbox ORDER BY seq")
    assert [row["subject"].removeprefix("lilitong.venue.") for row in rows] == [
        "application.v1.submitted",
        "application.v1.returned",
        "application.v1.submitted",
        "venue.v1.registered",
        "application.v1.approved",
    ]
    assert events_pb2.ApplicationChanged.FromString(rows[-1]["payload"]).submission == 2
    particulars = (await house.rows("SELECT owner, licence FROM venue_particulars"))[0]
    assert tuple(particulars) == ("张三", "91141102MA0K00000X")


@pytest.mark.case("repeat")
async def test_every_act_repeats_without_effect(desk, house):
    first = submission()
    answer = await desk.call("SubmitApplication", first)
    assert await desk.call("SubmitApplication", first) == answer
    decision = approval(first.application_id)
    done = await desk.call("ApproveApplication", decision)
    assert await desk.call("ApproveApplication", decision) == done
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 1


@pytest.mark.case("bad input")
async def test_what_is_out_of_turn_is_refused(desk):
    first = submission()
    key = first.application_id
    await desk.call("SubmitApplication", first)
    with pytest.raises(DomainError, match="APPLICATION_NOT_RETURNED"):
        await desk.call("SubmitApplication", submission(key))
    with pytest.raises(DomainError, match="SUBMISSION_OUTDATED"):
        await desk.call("ApproveApplication", approval(key, 2))
    await desk.call("ReturnApplication", back(key))
    for method, request in (("ApproveApplication", approval(key)), ("ReturnApplication", back(key))):
        with pytest.raises(DomainError, match="APPLICATION_DECIDED"):
            await desk.call(method, request)
    with pytest.raises(DomainError, match="APPLICATION_UNKNOWN"):
        await desk.call("ApproveApplication", approval(str(uuid4())))


@pytest.mark.case("concurrency")
async def test_one_of_many_decisions_at_once_holds(desk, house):
    first = submission()
    key = first.application_id
    await desk.call("SubmitApplication", first)
    makers = [("ApproveApplication", approval), ("ReturnApplication", back)] * 5
    done = await asyncio.gather(*(desk.call(method, make(key)) for method, make in makers), return_exceptions=True)
    refusals = [each for each in done if isinstance(each, Exception)]
    assert [getattr(each, "reason", each) for each in refusals] == ["APPLICATION_DECIDED"] * 9
    assert await house.owner.fetchval("SELECT count(*) FROM application_decisions") == 1


@pytest.mark.case("wrong caller")
async def test_nobody_decides_about_an_own_application(desk, house, who):
    both = Caller(who.operator.subject, frozenset({"venue_operator", "venue_officer"}), ("141102",))
    first = submission()
    await desk.call("SubmitApplication", first, both)
    for method, request in (
        ("ApproveApplication", approval(first.application_id)),
        ("ReturnApplication", back(first.application_id)),
    ):
        with pytest.raises(DomainError, match="SECOND_PERSON_REQUIRED"):
            await desk.call(method, request, both)
    assert await house.owner.fetchval("SELECT count(*) FROM venues") == 0


@pytest.mark.case("wrong caller")
async def test_others_neither_read_nor_amend_an_application(desk, who):
    first = submission()
    key = first.application_id
    await desk.call("SubmitApplication", first)
    await desk.call("ReturnApplication", back(key))
    get = pb.GetApplicationRequest(application_id=key)
    for method, request in (("GetApplication", get), ("SubmitApplication", submission(key))):
        with pytest.raises(DomainError, match="NOT_AN_OPERATOR"):
            await desk.call(method, request, who.other)
    stranger = Caller("officer-9", frozenset({"venue_officer"}), ("141103",))
    for method, request in (
        ("GetApplication", get),
        ("ApproveApplication", approval(key)),
        ("ReturnApplication", back(key)),
    ):
        with pytest.raises(DomainError, match="OUT_OF_AREA"):
            await desk.call(method, request, stranger)


@pytest.mark.case("happy path")
async def test_lists_are_complete_by_area_and_state_and_an_applicant_sees_its_own(desk, who):
    keys = []
    for number in range(5):
        one = submission(area="141102001002" if number == 4 else AREA)
        keys.append(one.application_id)
        await desk.call("SubmitApplication", one, who.operator if number % 2 == 0 else who.other)
    await desk.call("ReturnApplication", back(keys[0]))

    async def listed(caller, **given):
        found, token = [], ""
        while True:
            request = pb.ListApplicationsRequest(**{"area": "141102"} | given, page_size=2, page_token=token)
            answer = await desk.call("ListApplications", request, caller)
            found += [each.application_id for each in answer.applications]
            token = answer.next_page_token
            if not token:
                return set(found) if len(set(found)) == len(found) else found

    assert await listed(who.officer) == set(keys)
    assert await listed(who.officer, area=AREA) == set(keys[:4])
    assert await listed(who.officer, state=RETURNED) == {keys[0]}
    assert await listed(who.operator) == {keys[0], keys[2], keys[4]}
    with pytest.raises(DomainError, match="PAGE_TOKEN_INVALID"):
        await desk.call("ListApplications", pb.ListApplicationsRequest(area="141102", page_token="x"))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (
            "INSERT INTO application_decisions VALUES ($1, 1, 'shop-1', 'shop-1', now(), '{x}', NULL)",
            "second_person_check",
        ),
        ("INSERT INTO application_decisions VALUES ($1, 1, 'shop-1', 'officer-1', now(), '{}', NULL)", "reasons_check"),
        ("INSERT INTO application_decisions VALUES ($1, 1, 'shop-9', 'shop-1', now(), '{x}', NULL)", "submission_fkey"),
    ],
)
async def test_what_cannot_be_is_refused_by_the_database(desk, house, statement, constraint):
    first = submission()
    await desk.call("SubmitApplication", first)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await house.pool.execute(statement, first.application_id)
    assert refused.value.constraint_name == f"application_decisions_{constraint}"


async def test_what_was_submitted_and_decided_cannot_be_changed_by_the_service(house):
    for table in (
        "application_submissions",
        "application_decisions",
        "venue_particulars",
        "merge_decisions",
        "import_faults",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await house.pool.execute(f"DELETE FROM {table}")
