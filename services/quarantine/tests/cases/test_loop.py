"""From a suspicion to a scanner that refuses, over a real database."""

from uuid import uuid4

import pytest
from chassis.errors import DomainError
from lilitong.quarantine.v1 import case_pb2, contact_pb2
from lilitong.quarantine.v1.events_pb2 import SearchOpened

pytestmark = pytest.mark.connected


@pytest.mark.feature("Q5")
@pytest.mark.feature("Q6")
@pytest.mark.feature("Q10")
async def test_contacts_of_a_confirmed_case_are_on_todays_list_and_others_are_not(world) -> None:
    await world.policy()
    index, member = await world.household(2)
    close, brief, stranger = [(await world.household())[0] for _ in range(3)]
    case_id, result_id = await world.searching(index)
    search = await world.search_of(case_id, 1)
    await world.found(search, [world.hit(close, search.day), world.hit(brief, search.day, minutes=9.9)])
    assert await world.listed(close) is None  # one approval restricts nobody

    answer = await world.approve(case_id, result_id, "approver-2")
    assert answer.case.state == case_pb2.CASE_STATE_CONFIRMED
    assert (answer.restricted, answer.tasks) == (3, 1)
    assert await world.loop.imposer.run_due() == 3

    assert await world.listed(index) == 1
    assert await world.listed(close) == 2
    assert await world.listed(member) == 3
    assert await world.listed(brief) is None
    assert await world.listed(stranger) is None
    tasks = await world.pool.fetch("SELECT resident_id, reason FROM interview_tasks")
    assert [(row["resident_id"], row["reason"]) for row in tasks] == [
        (brief, contact_pb2.INTERVIEW_REASON_SHORT_OVERLAP)
    ]


@pytest.mark.feature("Q5")
async def test_the_first_approval_opens_one_search_a_day_and_no_two_share_a_value(world) -> None:
    await world.policy(infectious_days_before=2)
    (index,) = await world.household()
    await world.searching(index)
    searches = await world.events(SearchOpened)
    assert len(searches) == 3
    for values in zip(
        *[(s.search_id, s.day, s.tag, s.window_start.seconds, s.window_end.seconds + 1) for s in searches], strict=True
    ):
        assert len(set(values)) == 3
    pieces = [{s.search_id[at : at + 4] for at in range(13)} for s in searches]
    assert len(set().union(*pieces)) == sum(map(len, pieces)), "nor does a part of an id come back"
    rows = await world.pool.fetch("SELECT day, aggregate FROM outbox WHERE subject LIKE '%search%'")
    assert len({row["day"] for row in rows}) == len({row["aggregate"] for row in rows}) == 3


@pytest.mark.feature("Q5")
async def test_the_second_approver_is_neither_the_first_nor_the_laboratory(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id, result_id = await world.searching(index)
    for who, reason in (("approver-1", "SAME_APPROVER"), ("lab", "LABORATORY_CANNOT_APPROVE")):
        with pytest.raises(DomainError) as refused:
            await world.approve(case_id, result_id, who)
        assert refused.value.reason == reason
    case = await world.call("tracer", "GetCase", case_pb2.GetCaseRequest(case_id=case_id))
    assert case.case.approvals == 1
    assert case.case.state == case_pb2.CASE_STATE_SEARCHING


@pytest.mark.feature("Q5")
async def test_an_approval_rests_on_a_positive_result_of_this_person(world) -> None:
    await world.policy()
    (index,) = await world.household()
    (other,) = await world.household()
    case_id = await world.case(index)
    for result_id in (await world.lab_result(index, outcome=2), await world.lab_result(other), str(uuid4())):
        with pytest.raises(DomainError) as refused:
            await world.approve(case_id, result_id, "approver-1")
        assert refused.value.reason == "LAB_RESULT_UNFIT"
    assert not await world.events(SearchOpened)


@pytest.mark.feature("Q5")
async def test_both_approvals_rest_on_the_same_result(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id, _ = await world.searching(index)
    with pytest.raises(DomainError) as refused:
        await world.approve(case_id, await world.lab_result(index, laboratory="lab-2"), "approver-2")
    assert refused.value.reason == "LAB_RESULT_DIFFERS"


@pytest.mark.feature("Q5")
@pytest.mark.parametrize("hours", [-0.1, 14 * 24 + 0.1])
async def test_a_specimen_from_the_future_or_too_old_is_refused(world, hours: float) -> None:
    (index,) = await world.household()
    with pytest.raises(DomainError) as refused:
        await world.lab_result(index, hours=hours)
    assert refused.value.reason == "SPECIMEN_TIME"
    assert await world.pool.fetchval("SELECT count(*) FROM lab_results") == 0


@pytest.mark.feature("Q5")
async def test_a_person_has_one_open_case_and_may_have_another_after_it_is_closed(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id = await world.case(index)
    with pytest.raises(DomainError) as refused:
        await world.case(index)
    assert refused.value.reason == "CASE_OPEN"
    await world.call("approver-1", "CloseCase", case_pb2.CloseCaseRequest(request_id=str(uuid4()), case_id=case_id))
    assert await world.case(index) != case_id


@pytest.mark.feature("Q5")
async def test_repeating_an_approval_gives_the_first_answer_and_counts_once(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id, result_id = await world.case(index), await world.lab_result(index)
    request = case_pb2.ApproveCaseRequest(request_id=str(uuid4()), case_id=case_id, lab_result_id=result_id)
    first = await world.call("approver-1", "ApproveCase", request)
    assert await world.call("approver-1", "ApproveCase", request) == first
    assert await world.pool.fetchval("SELECT count(*) FROM case_approvals") == 1


@pytest.mark.feature("Q5")
async def test_an_account_of_another_area_neither_opens_nor_approves(world) -> None:
    await world.policy()
    (index,) = await world.household()
    case_id, result_id = await world.searching(index)
    request = case_pb2.ApproveCaseRequest(request_id=str(uuid4()), case_id=case_id, lab_result_id=result_id)
    with pytest.raises(DomainError) as refused:
        await world.call("approver-2", "ApproveCase", request, areas=("140105",))
    assert refused.value.reason == "OUT_OF_AREA"
    assert await world.pool.fetchval("SELECT count(*) FROM case_approvals") == 1


@pytest.mark.feature("Q5")
async def test_above_the_cap_a_third_approver_is_needed(world) -> None:
    await world.policy(impact_cap=3)
    (index,) = await world.household()
    people = [(await world.household())[0] for _ in range(3)]
    case_id, result_id = await world.searching(index)
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day) for person in people])
    impact = await world.call("approver-2", "GetCaseImpact", case_pb2.GetCaseImpactRequest(case_id=case_id))
    assert impact.people_to_restrict == 4
    assert impact.third_approval_needed
    assert [(area.area, area.people) for area in impact.areas] == [("141102001001", 4)]

    answer = await world.approve(case_id, result_id, "approver-2")
    assert answer.case.state == case_pb2.CASE_STATE_AWAITING_THIRD
    assert await world.loop.imposer.run_due() == 0
    with pytest.raises(DomainError):
        await world.approve(case_id, result_id, "approver-2")
    answer = await world.approve(case_id, result_id, "approver-3")
    assert answer.case.state == case_pb2.CASE_STATE_CONFIRMED
    assert await world.loop.imposer.run_due() == 4


@pytest.mark.feature("Q5")
async def test_what_comes_in_after_two_approvals_is_held_at_the_cap_until_a_third(world) -> None:
    await world.policy(impact_cap=3)
    (index,) = await world.household()
    people = [(await world.household())[0] for _ in range(4)]
    case_id, result_id = await world.searching(index)
    await world.approve(case_id, result_id, "approver-2")
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day) for person in people])
    assert await world.loop.imposer.run_due() == 3
    assert await world.loop.imposer.run_due() == 0
    await world.approve(case_id, result_id, "approver-3")
    assert await world.loop.imposer.run_due() == 2


@pytest.mark.feature("Q6")
async def test_unproven_late_and_crowded_stays_lead_to_questions_and_never_to_restrictions(world) -> None:
    await world.policy(largest_zone=30)
    (index,) = await world.household()
    people = [(await world.household())[0] for _ in range(6)]
    case_id, result_id = await world.searching(index)
    search = await world.search_of(case_id)
    day = search.day
    hits = [
        world.hit(people[0], day, grade=3),
        world.hit(people[1], day, grade=4),
        world.hit(people[2], day, index_grade=3),
        world.hit(people[3], day, late=True),
        world.hit(people[4], day, zone=8),
        world.hit(people[5], day, zone=9),
    ]
    from lilitong.venue.v1.events_pb2 import ZoneContext

    zones = [ZoneContext(zone=7, visitors=30), ZoneContext(zone=8, visitors=31)]
    await world.found(search, hits, zones=zones)
    await world.approve(case_id, result_id, "approver-2")
    assert await world.loop.imposer.run_due() == 1  # the index person alone
    reasons = {row["resident_id"]: row["reason"] for row in await world.pool.fetch("SELECT * FROM interview_tasks")}
    assert [reasons[person] for person in people] == [1, 1, 1, 2, 3, 3]


@pytest.mark.feature("Q6")
async def test_a_later_stronger_hit_replaces_a_question_by_a_restriction(world) -> None:
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    await world.loop.imposer.run_due()
    search = await world.search_of(case_id)
    await world.found(search, [world.hit(person, search.day, grade=3)])
    assert await world.loop.imposer.run_due() == 0
    assert await world.pool.fetchval("SELECT count(*) FROM interview_tasks WHERE NOT superseded") == 1

    await world.found(search, [world.hit(person, search.day)], part=0, parts=0)
    assert await world.loop.imposer.run_due() == 1
    assert await world.listed(person) == 2
    assert await world.pool.fetchval("SELECT count(*) FROM interview_tasks WHERE NOT superseded") == 0

    await world.found(search, [world.hit(person, search.day, grade=3)], part=0, parts=0)
    assert (await world.contacts(case_id))[person]["kind"] == 1


@pytest.mark.feature("Q6")
async def test_a_passage_is_a_lead_and_never_a_ground(world) -> None:
    from lilitong.checkpoint.v1.events_pb2 import PassageHit, PassagesFound
    from passes.days import date_of
    from passes.tags import tag

    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    day_tag = tag(world.vault.day_key(date_of(search.day)), person.bytes)
    hit = PassageHit(day=search.day, tag=day_tag, post=3, passed_at=world.stamp(world.clock.now()))
    message = PassagesFound(search_id=search.search_id, part=1, parts=1, hits=[hit])
    await world.deliver(world.loop.exposures.passages, message, "lilitong.checkpoint.exposure.v1.found", search.day)
    await world.loop.imposer.run_due()
    contact = (await world.contacts(case_id))[person]
    assert (contact["kind"], contact["interview_reason"], contact["restriction_id"]) == (4, 5, None)
    assert await world.listed(person) is None


@pytest.mark.feature("Q6")
async def test_unknown_searches_foreign_drills_strangers_tags_and_the_index_person_are_dropped(world) -> None:
    await world.policy()
    (index,) = await world.household()
    (person,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id)
    hit = world.hit(person, search.day)
    await world.found(search, [hit], search_id=b"?" * 16)
    await world.found(search, [hit], drill_id="another")
    await world.found(search, [world.hit(index, search.day), world.hit(uuid4(), search.day)])
    keyless = world.hit(person, search.day)
    keyless.day = 1
    await world.found(search, [keyless])
    assert set(await world.contacts(case_id)) == {index}


@pytest.mark.feature("Q5")
async def test_impact_says_how_many_searches_have_answered_in_full(world) -> None:
    from lilitong.checkpoint.v1.events_pb2 import PassagesFound

    await world.policy(infectious_days_before=0)
    (index,) = await world.household()
    case_id, _ = await world.searching(index)
    search = await world.search_of(case_id)

    async def answered() -> tuple[int, int]:
        impact = await world.call("command", "GetCaseImpact", case_pb2.GetCaseImpactRequest(case_id=case_id))
        return impact.searches, impact.searches_answered

    assert await answered() == (1, 0)
    await world.found(search, [], part=1, parts=2)
    passages = PassagesFound(search_id=search.search_id, part=1, parts=1)
    await world.deliver(world.loop.exposures.passages, passages, "lilitong.checkpoint.exposure.v1.found", search.day)
    assert await answered() == (1, 0)
    await world.found(search, [], part=2, parts=2)
    assert await answered() == (1, 1)


@pytest.mark.feature("Q6")
async def test_a_contact_whose_quarantine_would_be_over_is_not_restricted(world) -> None:
    await world.policy(infectious_days_before=5, close_contact_days=3)
    (index,) = await world.household()
    (long_ago,) = await world.household()
    case_id = await world.confirmed(index)
    search = await world.search_of(case_id, 4)
    await world.found(search, [world.hit(long_ago, search.day)])
    await world.loop.imposer.run_due()
    assert (await world.contacts(case_id))[long_ago]["restriction_id"] is None
    assert await world.listed(long_ago) is None


@pytest.mark.feature("Q5")
async def test_without_an_approved_policy_no_case_goes_on(world) -> None:
    (index,) = await world.household()
    case_id, result_id = await world.case(index), await world.lab_result(index)
    with pytest.raises(DomainError) as refused:
        await world.approve(case_id, result_id, "approver-1")
    assert refused.value.reason == "NO_POLICY"


@pytest.mark.feature("Q6")
async def test_listing_contacts_is_written_down_for_each_person(world) -> None:
    await world.policy()
    index, member = await world.household(2)
    case_id = await world.confirmed(index)
    answer = await world.call("tracer", "ListContacts", contact_pb2.ListContactsRequest(case_id=case_id))
    assert [contact.resident_id for contact in answer.contacts] == [str(member)]
    reads = await world.pool.fetch("SELECT resident_id, caller, purpose FROM personal_reads")
    assert [tuple(row) for row in reads] == [(member, "tracer", "tracing")]


@pytest.mark.feature("Q5")
async def test_cases_are_listed_by_area_in_pages(world) -> None:
    people = [(await world.household(area=f"14110200{n}001"))[0] for n in (1, 1, 2)]
    cases = {await world.case(person) for person in people}
    seen, token = [], ""
    while True:
        request = case_pb2.ListCasesRequest(area="141102", page_size=2, page_token=token)
        answer = await world.call("command", "ListCases", request)
        seen += [case.case_id for case in answer.cases]
        token = answer.next_page_token
        if not token:
            break
    assert seen == sorted(cases)
    answer = await world.call("command", "ListCases", case_pb2.ListCasesRequest(area="141102002"))
    assert len(answer.cases) == 1
