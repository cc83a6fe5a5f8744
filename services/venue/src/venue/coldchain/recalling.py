"""Recalls: proposed by a positive result or a person, decided by two people who say the same."""

from dataclasses import replace
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pool import Connection
from ledger import store as log

from venue.coldchain import recall_store, refusals, store, trail
from venue.coldchain.acting import open_lot
from venue.coldchain.events import Teller
from venue.coldchain.leaf import leaf_of
from venue.coldchain.model import Decision, Head, Proposal, Retest, Voice
from venue.coldchain.model import Kind as Fact

_NEEDED = 2


class Recalling:
    """All methods run in the caller's transaction and raise `DomainError` as `refusals.ERRORS` says."""

    def __init__(self, clock: Clock, tell: Teller) -> None:
        self._clock, self._tell = clock, tell

    async def propose(self, conn: Connection, lot_id: UUID, proposal_id: UUID, person: str, reason: str) -> Proposal:
        """Who proposes has given the first voice."""
        head, now = await open_lot(conn, lot_id), self._clock.now()
        if head.recalled:
            raise refusals.recalled()
        proposal = Proposal(
            proposal_id=proposal_id,
            lot_id=lot_id,
            sample_id=None,
            ordinal=head.ordinal + 1,
            proposed_by=person,
            reason=reason,
            proposed_at=now,
        )
        voice = Voice(person, Decision.RECALL, reason, now)
        with constraint_errors(refusals.ERRORS):
            await recall_store.insert_proposal(conn, proposal)
            await recall_store.insert_voice(conn, proposal, voice)
            await store.add_fact(conn, head, Fact.RECALL_PROPOSED, proposal_id)
        return replace(proposal, voices=(voice,))

    async def decide(
        self, conn: Connection, lot_id: UUID, proposal_id: UUID, decision_id: UUID, voice: Voice
    ) -> Proposal:
        """One voice; the second one that says the same decides. A recall stops the lot in this transaction."""
        head = await open_lot(conn, lot_id)
        proposal = await recall_store.proposal(conn, proposal_id)
        if proposal is None:
            raise DomainError(Kind.NOT_FOUND, "PROPOSAL_UNKNOWN", "There is no such proposal.")
        if proposal.decision is not None:
            raise refusals.decided_already()
        if head.recalled:
            raise refusals.recalled()
        if any(each.person == voice.person for each in proposal.voices):
            raise refusals.voice_given()
        retest = await self._retest(conn, proposal, voice.decision)
        with constraint_errors(refusals.ERRORS):
            await recall_store.insert_voice(conn, proposal, voice)
            heard = replace(proposal, voices=(*proposal.voices, voice))
            if len(heard.agreeing(voice.decision)) < _NEEDED:
                return heard
            decided = replace(heard, decision=voice.decision, decision_id=decision_id, decided_at=voice.given_at)
            if voice.decision is Decision.DISMISS:
                await recall_store.insert_decision(conn, decided, head.ordinal + 1, retest, None)
                kind = Fact.POSITIVE_DISMISSED if proposal.sample_id else Fact.PROPOSAL_DISMISSED
                await store.add_fact(conn, head, kind, decision_id)
                return decided
            await self._recall(conn, head, decided)
        return decided

    async def _recall(self, conn: Connection, head: Head, decided: Proposal) -> None:
        """The log's lock is taken last of all that others may wait for."""
        if decided.decision_id is None or decided.decided_at is None:
            raise RuntimeError("a recall that was decided says when")
        found = await trail.trace(conn, head.lot.lot_id)
        leaf = leaf_of(decided.decision_id, head.lot.lot_id, decided.proposal_id, decided.decided_at, head.lot.drill_id)
        appended = await log.append(conn, [leaf.data])
        await recall_store.insert_decision(conn, decided, head.ordinal + 1, None, (appended.first_index, leaf))
        after = await store.add_fact(conn, head, Fact.RECALLED, decided.decision_id)
        after = replace(after, proposed=False)
        await self._tell.recalled(conn, after, decided.decision_id, found.places, decided.decided_at)
        await self._tell.handled(conn, after, found.handlers)

    async def _retest(self, conn: Connection, proposal: Proposal, decision: Decision) -> Retest | None:
        """The negative result on which a positive one may be dismissed; refused already at the first voice."""
        if decision is not Decision.DISMISS or proposal.sample_id is None:
            return None
        negative = await store.retest(conn, proposal.lot_id, proposal.ordinal)
        if negative is None:
            raise refusals.retest_needed()
        return negative
