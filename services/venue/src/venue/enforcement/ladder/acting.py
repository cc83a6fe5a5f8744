"""Everything that is done about a measure: each is one fact, added under the venue's lock with all that comes with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection
from ledger import store as log

from venue.enforcement.ladder import clock_store, rules, store
from venue.enforcement.ladder.book import Book, open_book
from venue.enforcement.ladder.clock_store import Ring
from venue.enforcement.ladder.events import Teller
from venue.enforcement.ladder.facts import (
    AppealDecided,
    Appealed,
    ExtensionProposed,
    Issued,
    Lifted,
    LiftProposed,
    Rectified,
    Suspended,
)
from venue.enforcement.ladder.leaf import leaf_of
from venue.enforcement.ladder.measuring import issue_paper, numbers
from venue.enforcement.ladder.rules import LadderError
from venue.enforcement.ladder.standing import Appeal, Measure, Standing, Suspension
from venue.enforcement.ladder.store import NewFact
from venue.enforcement.policies.model import Paper
from venue.register import store as register_store
from venue.register.model import Venue


@contextmanager
def refusals() -> Iterator[None]:
    """What the rules or the constraints refuse, as callers are told it."""
    try:
        with constraint_errors(store.ERRORS):
            yield
    except LadderError as error:
        kind = Kind.DENIED if error.denied else Kind.PRECONDITION
        if error.reason == "MEASURE_UNKNOWN":
            kind = Kind.NOT_FOUND
        raise DomainError(kind, error.reason, error.text) from None


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what about which measure, under the client's id of it."""

    fact_id: UUID
    measure_id: UUID
    actor: str
    note: str = ""


class Acting:
    """All methods run in the caller's transaction; they raise `DomainError` as `refusals` says."""

    def __init__(self, clock: Clock, tell: Teller) -> None:
        self._clock, self._tell = clock, tell

    async def rectify(self, conn: Connection, venue: Venue, act: Act, evidence: tuple[bytes, ...]) -> Measure:
        book = await open_book(conn, venue, self._clock)
        with refusals():
            rules.rectify(book.standing(), act.measure_id)
            fact = Rectified(**_common(book, act), measure_id=act.measure_id)
            await book.add(conn, NewFact(fact, act.note, evidence))
        await self._tell.rectified(conn, venue, act.measure_id, book.now)
        return _found(await book.close(conn), act.measure_id)

    async def suspend(self, conn: Connection, venue: Venue, act: Act) -> tuple[Suspension, tuple[Issued, ...]]:
        """Approve the suspension that the failed inspection proposed."""
        book = await open_book(conn, venue, self._clock)
        with refusals():
            measure = rules.suspend(book.standing(), act.measure_id, act.actor)
            proposer = next(fact.actor for fact in book.facts if fact.fact_id == measure.measure_id)
            return await self._decide_suspension(
                conn, book, act, measure, (measure.measure_id, proposer), measure.terms.rules.suspension_days
            )

    async def propose_extension(self, conn: Connection, venue: Venue, act: Act, days: int) -> Measure:
        book = await open_book(conn, venue, self._clock)
        with refusals():
            rules.propose_extension(book.standing(), act.measure_id, days)
            fact = ExtensionProposed(**_common(book, act), measure_id=act.measure_id, days=days)
            await book.add(conn, NewFact(fact, act.note))
        return _found(await book.close(conn), act.measure_id)

    async def extend(
        self, conn: Connection, venue: Venue, act: Act, extension_id: UUID
    ) -> tuple[Suspension, tuple[Issued, ...]]:
        book = await open_book(conn, venue, self._clock)
        with refusals():
            measure = rules.approve_extension(book.standing(), act.measure_id, extension_id, act.actor)
            proposal = measure.extension
            if proposal is None:
                raise RuntimeError("an extension that was approved is there")
            return await self._decide_suspension(
                conn, book, act, measure, (extension_id, proposal.actor), proposal.days
            )

    async def _decide_suspension(
        self, conn: Connection, book: Book, act: Act, measure: Measure, answers: tuple[UUID, str], days: int
    ) -> tuple[Suspension, tuple[Issued, ...]]:
        """Numbers, papers, log entry and the row itself: all or nothing. The log's lock is taken last."""
        venue, former = book.venue, measure.suspensions
        starts = rules.extension_start(measure, book.now) if former else book.now
        ends = rules.suspension_end(starts, days)
        due = (Paper.SUSPENSION_DECISION,) if former else measure.terms.rules.issued_on_approval
        printed = {
            "venue": {"name": venue.name, "address": venue.address, "category": venue.category},
            "inspection_id": str(measure.measure_id),
            "suspension_id": str(act.fact_id),
            "starts_at": starts.isoformat(),
            "ends_at": ends.isoformat(),
            "step": measure.terms.step,
            "policy_id": str(measure.terms.policy_id),
            "policy_version": measure.terms.policy_version,
            "extension": bool(former),
        }
        papers = tuple(
            [await issue_paper(conn, book, measure.measure_id, measure.terms, paper, printed) for paper in due]
        )
        seal = former[-1].decision.seal_number if former else numbers(papers, Paper.SEAL)
        leaf = leaf_of(
            act.fact_id,
            venue.venue_id,
            measure.measure_id,
            measure.terms.policy_id,
            measure.terms.step,
            starts,
            ends,
            venue.drill_id,
        )
        changed = await register_store.raise_version(conn)
        await store.touch_zones(conn, venue.venue_id, changed)
        appended = await log.append(conn, [leaf.data])
        fact = Suspended(
            **_common(book, act),
            measure_id=measure.measure_id,
            starts_at=starts,
            ends_at=ends,
            extension_id=answers[0] if former else None,
            seal_number=seal,
            leaf_index=appended.first_index,
            papers=papers,
        )
        await book.add(conn, NewFact(fact, act.note, answers=answers))
        await store.insert_suspension(conn, venue.venue_id, measure, fact, answers[1], leaf)
        await store.insert_papers(conn, measure.measure_id, papers, act.fact_id)
        await clock_store.wind(conn, venue.venue_id, act.fact_id, {Ring.SUSPENSION_ENDS: ends})
        after = _found(await book.close(conn), measure.measure_id)
        suspension = after.suspensions[-1]
        await self._tell.suspended(conn, venue, suspension, book.now)
        return suspension, papers

    async def propose_lift(self, conn: Connection, venue: Venue, act: Act) -> Measure:
        book = await open_book(conn, venue, self._clock)
        with refusals():
            rules.propose_lift(book.standing(), act.measure_id)
            await book.add(conn, NewFact(LiftProposed(**_common(book, act), measure_id=act.measure_id), act.note))
        return _found(await book.close(conn), act.measure_id)

    async def lift(self, conn: Connection, venue: Venue, act: Act, lift_id: UUID) -> Standing:
        book = await open_book(conn, venue, self._clock)
        before = book.standing()
        with refusals():
            measure = rules.approve_lift(before, act.measure_id, lift_id, act.actor)
            if measure.lift is None:
                raise RuntimeError("a lift that was approved is there")
            fact = Lifted(**_common(book, act), measure_id=act.measure_id, lift_id=lift_id)
            await book.add(conn, NewFact(fact, act.note, answers=(lift_id, measure.lift.actor)))
        await self._tell.lifted(conn, venue, act.measure_id, cut_short(before, book.standing()), book.now)
        await _reread(conn, venue, before)
        return await book.close(conn)

    async def appeal(self, conn: Connection, venue: Venue, act: Act) -> Appeal:
        book = await open_book(conn, venue, self._clock)
        before = book.standing()
        with refusals():
            rules.appeal(before, act.measure_id)
            await book.add(conn, NewFact(Appealed(**_common(book, act), measure_id=act.measure_id), act.note))
        await _reread(conn, venue, before)
        appeal = _appeal(await book.close(conn), act.measure_id)
        rings = {Ring.APPEAL_ESCALATES: appeal.escalates_at, Ring.APPEAL_LAPSES: appeal.lapses_at}
        await clock_store.wind(conn, venue.venue_id, act.fact_id, rings)
        await self._tell.appeal(conn, venue, appeal, "filed", book.now)
        return appeal

    async def decide(self, conn: Connection, venue: Venue, act: Act, appeal_id: UUID, *, upheld: bool) -> Appeal:
        book = await open_book(conn, venue, self._clock)
        before = book.standing()
        with refusals():
            rules.decide(before, act.measure_id, appeal_id, act.actor)
            filer = next(fact.actor for fact in book.facts if fact.fact_id == appeal_id)
            fact = AppealDecided(**_common(book, act), measure_id=act.measure_id, appeal_id=appeal_id, upheld=upheld)
            await book.add(conn, NewFact(fact, act.note, answers=(appeal_id, filer)))
        await _reread(conn, venue, before)
        after = await book.close(conn)
        appeal = _appeal(after, act.measure_id)
        await self._tell.appeal(conn, venue, appeal, "decided", book.now, cut_short(before, after))
        return appeal


async def _reread(conn: Connection, venue: Venue, before: Standing) -> None:
    """When a suspension may end otherwise than it was decided, every replica has to know when."""
    if any(measure.suspensions for measure in before.measures):
        await store.touch_zones(conn, venue.venue_id, await register_store.raise_version(conn))


def cut_short(before: Standing, after: Standing) -> list[Suspension]:
    """Suspensions that had not ended and now have."""
    old = {each.decision.fact_id: each for measure in before.measures for each in measure.suspensions}
    new = [each for measure in after.measures for each in measure.suspensions]
    return [each for each in new if each.effective_until <= after.at < old[each.decision.fact_id].effective_until]


def _common(book: Book, act: Act) -> dict[str, Any]:
    return {
        "ordinal": book.next_ordinal,
        "fact_id": act.fact_id,
        "actor": act.actor,
        "happened_at": book.now,
        "recorded_at": book.now,
    }


def _found(standing: Standing, measure_id: UUID) -> Measure:
    measure = standing.find(measure_id)
    if measure is None:
        raise RuntimeError("a measure that was acted upon is there")
    return measure


def _appeal(standing: Standing, measure_id: UUID) -> Appeal:
    appeal = _found(standing, measure_id).appeal
    if appeal is None:
        raise RuntimeError("an appeal that was filed is there")
    return appeal
