"""Recording an inspection: stored once under the client's id, and for a venue added to its facts, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from chassis.access import require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from chassis.rpc.times import stamp
from lilitong.venue.v1 import events_pb2
from lilitong.venue.v1 import inspection_pb2 as pb

from venue.enforcement.inspections import store
from venue.enforcement.inspections.decoding import Draft
from venue.enforcement.inspections.encoding import encode_inspection
from venue.enforcement.inspections.model import Finding, FindingsError, Inspection, Subject, in_order, time_trouble
from venue.enforcement.ladder import store as ladder_store
from venue.enforcement.ladder.acting import refusals
from venue.enforcement.ladder.book import Book, open_book
from venue.enforcement.ladder.encoding import encode_papers
from venue.enforcement.ladder.events import RECORDED, Teller
from venue.enforcement.ladder.facts import Inspected
from venue.enforcement.ladder.measuring import measure
from venue.register import store as register_store
from venue.register.model import Venue
from venue.register.permission import require_open


@dataclass(frozen=True, slots=True)
class Place:
    """Where it was: the venue, or the name and area of what is none."""

    venue: Venue | None
    name: str
    area: str
    category: int
    drill_id: str


class Recording:
    """Runs in the caller's transaction."""

    def __init__(self, clock: Clock, tell: Teller) -> None:
        self._clock, self._tell = clock, tell

    async def place(self, conn: Connection, draft: Draft) -> Place:
        """Where it was, if the caller may inspect there and did. Raises NOT_FOUND / VENUE_UNKNOWN and DENIED / OUT_OF_AREA or
        NOT_YOUR_INSPECTION.
        """
        place = await self._place(conn, draft)
        if draft.recorded_by not in draft.inspectors:
            raise DomainError(
                Kind.DENIED, "NOT_YOUR_INSPECTION", "An inspection is uploaded by one of its two inspectors."
            )
        return place

    async def _place(self, conn: Connection, draft: Draft) -> Place:
        if draft.subject is not Subject.VENUE:
            require_area(draft.area)
            return Place(None, draft.subject_name, draft.area, 0, draft.drill_id)
        venue = None
        if draft.subject_id is not None:
            venue = (await register_store.venues(conn, [draft.subject_id])).get(draft.subject_id)
        if venue is None:
            raise DomainError(Kind.NOT_FOUND, "VENUE_UNKNOWN", "No such venue is registered.")
        require_area(venue.area)
        return Place(venue, venue.name, venue.area, venue.category, venue.drill_id)

    async def record(self, conn: Connection, draft: Draft, place: Place) -> pb.RecordInspectionResponse:
        """Store it, or give the first answer if this very inspection was stored before under another request."""
        await store.lock(conn, draft.inspection_id)
        known = await store.get(conn, draft.inspection_id)
        if known is not None:
            if known.digest != draft.digest:
                raise DomainError(Kind.EXISTS, "INSPECTION_EXISTS", "Another inspection has this id.")
            return await self._answer(conn, known, await self._fact(conn, known, place))
        if place.venue is None:
            inspection = await self._inspection(conn, draft, place, self._clock.now())
            await store.insert(conn, inspection)
            return await self._told(conn, inspection, None, str(inspection.inspection_id))
        book = await open_book(conn, place.venue, self._clock)
        # Under its ladder's lock, and held: nobody closes or merges it before this inspection is recorded.
        require_open(await register_store.hold(conn, place.venue.venue_id), draft.inspected_at)
        inspection = await self._inspection(conn, draft, place, book.now)
        _check_reinspection(book, inspection)
        await store.insert(conn, inspection)
        checklist = await store.checklist(
            conn, draft.subject, place.category, draft.checklist_version, inspection.inspected_at
        )
        if checklist is None:
            raise RuntimeError("the checklist was found a moment ago")
        with refusals():
            fact = await measure(conn, book, inspection, checklist)
        await book.close(conn)
        return await self._told(conn, inspection, fact, str(place.venue.venue_id))

    async def _inspection(self, conn: Connection, draft: Draft, place: Place, now: datetime) -> Inspection:
        wrong = time_trouble(draft.inspected_at, now)
        if wrong is not None:
            raise _invalid("TIME_INVALID", f"The time of the inspection {wrong}.", "inspected_at", wrong)
        checklist = await store.checklist(
            conn, draft.subject, place.category, draft.checklist_version, draft.inspected_at
        )
        if checklist is None:
            raise _invalid(
                "CHECKLIST_UNKNOWN",
                "There was no such version of the checklist.",
                "checklist_version",
                "read the checklist in force",
            )
        try:
            findings: tuple[Finding, ...] = in_order(checklist, draft.findings)
        except FindingsError as error:
            raise _invalid(
                "FINDINGS_INCOMPLETE", "The findings are not the checklist's.", "findings", str(error)
            ) from None
        return Inspection(
            inspection_id=draft.inspection_id,
            subject=draft.subject,
            subject_id=draft.subject_id,
            subject_name=place.name,
            area=place.area,
            category=place.category,
            checklist_version=checklist.version,
            findings=findings,
            inspectors=draft.inspectors,
            recorded_by=draft.recorded_by,
            inspected_at=draft.inspected_at,
            recorded_at=now,
            position=draft.position,
            reinspects=draft.reinspects,
            drill_id=place.drill_id,
            digest=draft.digest,
        )

    async def _fact(self, conn: Connection, inspection: Inspection, place: Place) -> Inspected | None:
        if place.venue is None:
            return None
        facts = await ladder_store.facts(conn, place.venue.venue_id)
        found = next((fact for fact in facts if fact.fact_id == inspection.inspection_id), None)
        return found if isinstance(found, Inspected) else None

    async def _told(
        self, conn: Connection, inspection: Inspection, fact: Inspected | None, aggregate: str
    ) -> pb.RecordInspectionResponse:
        answer = await self._answer(conn, inspection, fact)
        terms = fact.terms if fact else None
        message = events_pb2.InspectionRecorded(
            inspection=answer.inspection,
            step=answer.step,
            policy_id=str(terms.policy_id) if terms else "",
            papers=answer.papers,
        )
        await self._tell.tell_about(conn, aggregate, inspection.drill_id, inspection.recorded_at, [(RECORDED, message)])
        return answer

    @staticmethod
    async def _answer(conn: Connection, inspection: Inspection, fact: Inspected | None) -> pb.RecordInspectionResponse:
        terms = fact.terms if fact else None
        missing = await store.missing_photos(conn, inspection.inspection_id) if inspection.photos else []
        return pb.RecordInspectionResponse(
            inspection=encode_inspection(inspection, missing),
            step=terms.step if terms else 0,
            rectify_by=stamp(terms.rectify_by) if terms else None,
            papers=encode_papers(fact.papers) if fact else (),
            proposed_suspension_days=terms.rules.suspension_days if terms else 0,
        )


def _check_reinspection(book: Book, inspection: Inspection) -> None:
    """A re-inspection names a measure of this venue; whether it still changes anything is for the ladder to say."""
    if inspection.reinspects is None:
        return
    if not any(
        isinstance(fact, Inspected) and fact.terms and fact.fact_id == inspection.reinspects for fact in book.facts
    ):
        raise _invalid("MEASURE_UNKNOWN", "This venue has no such measure.", "reinspects", "not one of this venue")


def _invalid(reason: str, text: str, field: str, wrong: str) -> DomainError:
    return DomainError(Kind.INVALID, reason, text, fields={field: wrong})
