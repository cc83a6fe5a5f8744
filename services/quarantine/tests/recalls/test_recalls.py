"""Who handled a recalled lot is asked: known by the tags of the day, once for each lot, and restricted by nothing of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chassis.clock import local_day
from chassis.errors import DomainError
from chassis.events import Event, PoisonError, Received, connect, inbox
from chassis.events.handling import Handling
from lilitong.quarantine.v1 import contact_pb2 as pb
from lilitong.quarantine.v1 import drill_pb2
from lilitong.venue.v1.cold_chain_pb2 import Lot, LotHandler, LotRecalled, RecalledLotHandled
from passes.days import date_of, day_number
from passes.tags import tag
from quarantine import bus

(RECALLED,) = bus.RECALLED.filter_subjects
(HANDLED,) = bus.HANDLED.filter_subjects

pytestmark = [pytest.mark.connected, pytest.mark.feature("V10")]
VENUE = str(uuid4())


def day_of(world: Any, days_ago: int = 0) -> int:
    return day_number(local_day(world.clock.now()) - timedelta(days=days_ago))


async def handled(world: Any, lot: str, people: list[UUID], *, days_ago: int = 0, **given: Any) -> None:
    """Venue tells of one day."""
    day = day_of(world, days_ago)
    tags = [tag(world.vault.day_key(date_of(day)), person.bytes) for person in people]
    fields = {"lot_id": lot, "day": day, "handlers": [LotHandler(tag=each, venue_id=VENUE) for each in tags]}
    await world.deliver(world.loop.recalls.hear_handled, RecalledLotHandled(**fields | given), HANDLED, day)


async def recalled(world: Any, lot_id: str, drill_id: str = "") -> None:
    lot = Lot(lot_id=lot_id, product="冻虾", trace_code="T1", origin_country="EC", drill_id=drill_id)
    message = LotRecalled(lot=lot, decided_at=world.stamp(world.clock.now()), part=1, parts=1)
    await world.deliver(world.loop.recalls.hear_recalled, message, RECALLED, day_of(world))


async def tasks(world: Any, **given: Any) -> list[pb.InterviewTask]:
    request = pb.ListInterviewTasksRequest(**{"area": "141102"} | given)
    return list((await world.call("tracer", "ListInterviewTasks", request)).tasks)


async def answer(world: Any, task: pb.InterviewTask, outcome: int, request_id: str = "") -> Any:
    request = pb.CompleteInterviewTaskRequest(
        request_id=request_id or str(uuid4()), task_id=task.task_id, outcome=outcome, statement="搬过两箱"
    )
    return await world.call("tracer", "CompleteInterviewTask", request)


async def test_a_handler_is_asked_by_a_tracer_who_is_told_which_lot_and_the_answer_ends_it(world) -> None:
    (person,) = await world.household()
    lot_id = str(uuid4())
    await recalled(world, lot_id)
    await handled(world, lot_id, [person])
    (task,) = await tasks(world, open_only=True)
    assert (task.resident_id, task.case_id, task.reason) == (str(person), "", pb.INTERVIEW_REASON_RECALLED_LOT)
    assert (task.lot.lot_id, task.lot.product, task.lot.trace_code) == (lot_id, "冻虾", "T1")
    assert task.due_at.seconds == int((world.clock.now() + timedelta(hours=24)).timestamp())
    assert await tasks(world, lot_id=lot_id) == [task]
    assert not await tasks(world, lot_id=str(uuid4()))
    assert not await tasks(world, area="141109")

    given = await answer(world, task, pb.INTERVIEW_OUTCOME_ADVISED, request_id := str(uuid4()))
    assert (given.task.outcome, given.evidence_id) == (pb.INTERVIEW_OUTCOME_ADVISED, "")
    assert await answer(world, task, pb.INTERVIEW_OUTCOME_ADVISED, request_id) == given
    assert not await tasks(world, open_only=True)
    statement = await world.pool.fetchval("SELECT statement FROM interview_tasks")
    assert "搬过两箱".encode() not in statement


@pytest.mark.feature("Q10")
async def test_nothing_leads_from_goods_to_a_restriction(world) -> None:
    (person,) = await world.household()
    await handled(world, str(uuid4()), [person])
    (task,) = await tasks(world)
    with pytest.raises(DomainError, match="OUTCOME_NOT_OFFERED"):
        await answer(world, task, pb.INTERVIEW_OUTCOME_CLOSE_CONTACT)
    await answer(world, task, pb.INTERVIEW_OUTCOME_ADVISED)
    assert await world.loop.imposer.run_due() == 0
    assert await world.listed(person) is None
    assert await world.pool.fetchval("SELECT count(*) FROM evidence") == 0
    assert await world.pool.fetchval("SELECT count(*) FROM contacts") == 0


async def test_the_service_itself_cannot_make_a_close_contact_of_a_handler(world) -> None:
    (person,) = await world.household()
    await handled(world, str(uuid4()), [person])
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await world.pool.execute("UPDATE interview_tasks SET outcome = 1, completed_by = 'x', completed_at = now()")
    assert refused.value.constraint_name == "interview_tasks_outcome_check"


async def test_who_is_asked_about_a_case_cannot_be_answered_as_a_handler(world) -> None:
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    search = await world.search_of(await world.confirmed(index))
    await world.found(search, [world.hit(person, search.day, grade=3)])
    await world.loop.imposer.run_due()
    (task,) = await tasks(world)
    with pytest.raises(DomainError, match="OUTCOME_NOT_OFFERED"):
        await answer(world, task, pb.INTERVIEW_OUTCOME_ADVISED)


async def test_told_again_of_other_days_and_after_the_answer_it_stays_one_question(world) -> None:
    one, two = [(await world.household())[0] for _ in range(2)]
    lot_id = str(uuid4())
    await handled(world, lot_id, [one, one, two], days_ago=3)
    await handled(world, lot_id, [one], days_ago=1)
    await handled(world, lot_id, [one], days_ago=2)
    found = {task.resident_id: task for task in await tasks(world)}
    assert found.keys() == {str(one), str(two)}
    row = await world.pool.fetchrow("SELECT handled_on FROM interview_tasks WHERE resident_id = $1", one)
    assert row["handled_on"] == local_day(world.clock.now()) - timedelta(days=1)
    await answer(world, found[str(one)], pb.INTERVIEW_OUTCOME_NO_CONTACT)
    await handled(world, lot_id, [one])
    assert [task.resident_id for task in await tasks(world, open_only=True)] == [str(two)]
    await handled(world, str(uuid4()), [one])
    assert len(await tasks(world, open_only=True)) == 2, "another lot is another question"


async def test_handlers_that_come_before_the_recall_are_asked_and_the_lot_is_named_afterwards(world) -> None:
    (person,) = await world.household()
    lot_id = str(uuid4())
    await handled(world, lot_id, [person])
    assert [(task.lot.lot_id, task.lot.product) for task in await tasks(world)] == [(lot_id, "")]
    await recalled(world, lot_id)
    await recalled(world, lot_id)
    assert [task.lot.product for task in await tasks(world)] == ["冻虾"]


@pytest.mark.feature("X5")
async def test_a_day_whose_key_is_destroyed_and_tags_of_nobody_lead_to_no_question_and_to_no_failure(world) -> None:
    (person,) = await world.household()
    lot_id = str(uuid4())
    await handled(world, lot_id, [person], day=day_of(world, 15))
    await handled(world, lot_id, [person], day=4_000_000_000)
    await handled(world, lot_id, [person], days_ago=1, day=day_of(world))  # under another day's key it is nobody
    await handled(world, lot_id, [uuid4()])
    assert not await tasks(world)


async def test_an_erased_person_is_not_asked(world) -> None:
    (other,) = await world.household()
    erased = uuid4()
    await world.pool.execute(
        """
        INSERT INTO residents (resident_id, household_id, area, drill_id, data_key)
        SELECT $2, household_id, area, drill_id, NULL FROM residents WHERE resident_id = $1
        """,
        other,
        erased,
    )
    await handled(world, str(uuid4()), [erased])
    assert not await tasks(world)


@pytest.mark.feature("X10")
async def test_a_drills_lot_asks_only_the_drills_people_and_a_real_lot_only_real_ones(world) -> None:
    start = drill_pb2.StartDrillRequest(request_id=str(uuid4()), drill_id="autumn", title="演练", area="141102")
    await world.call("command", "StartDrill", start)
    (actor,) = await world.household(drill_id="autumn")
    (real,) = await world.household()
    lot_id, drill_lot = str(uuid4()), str(uuid4())
    await handled(world, drill_lot, [actor, real], drill_id="autumn")
    await handled(world, lot_id, [actor, real])
    found = {task.lot.lot_id: (task.resident_id, task.drill_id) for task in await tasks(world)}
    assert found == {drill_lot: (str(actor), "autumn"), lot_id: (str(real), "")}

    end = drill_pb2.EndDrillRequest(request_id=str(uuid4()), drill_id="autumn")
    await world.call("command", "EndDrill", end)
    await handled(world, str(uuid4()), [actor], drill_id="autumn")
    await handled(world, str(uuid4()), [actor], drill_id="never")
    assert len(await tasks(world)) == 2


@pytest.mark.parametrize("wrong", [{"lot_id": "lot-1"}, {"lot_id": ""}, {"handlers": [LotHandler(tag=b"short")]}])
async def test_an_event_that_breaks_its_contract_is_poison_and_leaves_nothing(world, wrong) -> None:
    (person,) = await world.household()
    with pytest.raises(PoisonError):
        await handled(world, str(uuid4()), [person], **wrong)
    with pytest.raises(PoisonError):
        await world.deliver(world.loop.recalls.hear_handled, Lot(), HANDLED, day_of(world))
    with pytest.raises(PoisonError):
        await world.deliver(world.loop.recalls.hear_recalled, Lot(), RECALLED, day_of(world))
    assert not await tasks(world)


@pytest.mark.feature("X5")
async def test_the_question_and_what_was_said_are_forgotten_when_they_have_served(world) -> None:
    (person,) = await world.household()
    await handled(world, str(uuid4()), [person])
    await answer(world, (await tasks(world))[0], pb.INTERVIEW_OUTCOME_ADVISED)
    world.clock.advance(timedelta(days=44))
    assert await world.loop.recalls.forget() == 0
    world.clock.advance(timedelta(days=1))
    assert await world.loop.recalls.forget() == 1
    assert await world.pool.fetchval("SELECT count(*) FROM interview_tasks") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.pool.execute("DELETE FROM interview_tasks")


@pytest.mark.feature("R3")
async def test_an_event_that_is_delivered_again_is_passed_over_by_the_inbox(world) -> None:
    (person,) = await world.household()
    day, holder = day_of(world), uuid4()
    _, subscription = world.loop.recalls.subscriptions()
    await inbox.hold_lease(world.pool, subscription.durable, holder, timedelta(minutes=1))
    handling = Handling(world.pool, connect("nats://127.0.0.1:1", "nobody listens"), subscription, world.clock, holder)
    handler = LotHandler(tag=tag(world.vault.day_key(date_of(day)), person.bytes), venue_id=VENUE)
    message = RecalledLotHandled(lot_id=str(uuid4()), day=day, handlers=[handler])
    event = Event.of(message, subject=HANDLED, aggregate="a", day=date_of(day))
    received = Received(event.event_id, event.type, event.subject, event.aggregate, event.day, event.payload)
    before = await world.pool.fetchval("SELECT count(*) FROM inbox")
    for _ in range(3):
        outcome = await handling.event(received, world.clock.now())
        assert (outcome.retry, outcome.lost) == (None, False)
    assert len(await tasks(world)) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM inbox") == before + 1


@pytest.mark.feature("R4")
async def test_a_poisonous_event_becomes_a_dead_letter_and_the_next_is_taken(world) -> None:
    (person,) = await world.household()
    day, holder = day_of(world), uuid4()
    _, subscription = world.loop.recalls.subscriptions()
    await inbox.hold_lease(world.pool, subscription.durable, holder, timedelta(minutes=1))
    handling = Handling(world.pool, connect("nats://127.0.0.1:1", "nobody listens"), subscription, world.clock, holder)
    good = LotHandler(tag=tag(world.vault.day_key(date_of(day)), person.bytes), venue_id=VENUE)
    for lot_id in ("no id", str(uuid4())):
        message = RecalledLotHandled(lot_id=lot_id, day=day, handlers=[good])
        event = Event.of(message, subject=HANDLED, aggregate=lot_id, day=date_of(day))
        received = Received(event.event_id, event.type, event.subject, event.aggregate, event.day, event.payload)
        assert (await handling.event(received, world.clock.now())).retry is None
    letters = await world.pool.fetch("SELECT reason FROM dead_letters WHERE consumer = $1", subscription.durable)
    assert [row["reason"] for row in letters] == ["body: the lot has no id"]
    assert len(await tasks(world)) == 1
