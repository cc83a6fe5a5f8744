"""Whether each paper of a shop's way holds, at each moment of it."""

from datetime import timedelta
from uuid import UUID

import pytest
from chassis.access import calling
from lilitong.venue.v1 import document_pb2 as pb
from venue.documents import store
from venue.documents.model import DocumentStanding
from venue.documents.rpc import DocumentServicer
from venue.documents.standing import StandingOf
from venue.enforcement.papers_standing import papers_standing

from .conftest import DECISION, FENGSHAN, FORM, LIANHUACHI, NOTICE, RED, SEAL, YELLOW

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7"), pytest.mark.feature("V8")]
IN_FORCE, ENDED, SUPERSEDED, ANNULLED = (
    DocumentStanding.IN_FORCE, DocumentStanding.ENDED, DocumentStanding.SUPERSEDED, DocumentStanding.ANNULLED,
)  # fmt: skip


async def judged(street, papers, at=None):
    async with street.house.pool.acquire() as connection:
        documents = [await store.get(connection, UUID(each.document_id)) for each in papers]
        found = await papers_standing(connection, documents, at or street.now())
    return {each.paper: found[UUID(each.document_id)] for each in papers}


@pytest.mark.case("happy path")
async def test_papers_hold_until_what_they_ask_for_is_done_lifted_or_over(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    notice = (await street.fail(venue)).papers
    assert await judged(street, notice) == {FORM: IN_FORCE, NOTICE: IN_FORCE}
    then = street.now()
    street.later(hours=1)
    yellow = (await street.fail(venue)).papers
    assert await judged(street, notice) == {FORM: IN_FORCE, NOTICE: SUPERSEDED}
    assert await judged(street, notice, then) == {FORM: IN_FORCE, NOTICE: IN_FORCE}
    street.later(hours=1)
    third = await street.fail(venue)
    measure = third.inspection.inspection_id
    decided = (await street.suspend(measure)).papers
    assert await judged(street, decided) == {DECISION: IN_FORCE, SEAL: IN_FORCE}
    longer = (await street.extend(await street.propose_extension(measure))).papers
    assert await judged(street, longer) == {DECISION: IN_FORCE}
    street.later(days=3, hours=1)
    assert await judged(street, longer) == {DECISION: IN_FORCE}
    assert await judged(street, decided) == {DECISION: ENDED, SEAL: IN_FORCE}
    await street.rectify(measure)
    await street.passes(venue, measure)
    await street.lift(await street.propose_lift(measure))
    assert await judged(street, [*yellow, *third.papers]) == {FORM: IN_FORCE, NOTICE: ENDED, YELLOW: ENDED, RED: ENDED}
    assert await judged(street, [*decided, *longer]) == {DECISION: ENDED, SEAL: ENDED}


@pytest.mark.case("happy path")
async def test_an_upheld_appeal_takes_every_paper_out_of_force(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    answer = await street.fail(venue)
    appeal = await street.appeal(answer.inspection.inspection_id)
    street.later(hours=1)
    await street.decide(appeal.appeal_id, 1)
    assert await judged(street, answer.papers) == {FORM: ANNULLED, NOTICE: ANNULLED}
    assert await judged(street, answer.papers, street.now() - timedelta(minutes=1)) == {
        FORM: IN_FORCE,
        NOTICE: IN_FORCE,
    }


async def test_a_page_of_papers_takes_as_many_statements_for_twenty_shops_as_for_two(street, counted):
    await street.policies()
    servicer = DocumentServicer(
        street.house.pool, street.house.clock, None, StandingOf(papers_standing), "", bytes, bool
    )

    async def listed(number):
        with calling(street.lead):
            page = await servicer.ListDocuments(pb.ListDocumentsRequest(area="141102", page_size=100), None)
        assert len({each.venue_id for each in page.documents}) == number
        assert {each.standing for each in page.documents} == {pb.DOCUMENT_STANDING_IN_FORCE}

    for number in range(2):
        await street.fail(await street.venue((LIANHUACHI, FENGSHAN)[number % 2]))
    few = await counted(listed(2))
    for number in range(18):
        await street.fail(await street.venue((LIANHUACHI, FENGSHAN)[number % 2]))
    # Total, page, areas, facts, their papers, policies: one each.
    assert await counted(listed(20)) == few == 6
