"""Decisions about single people: restrictions proposed after an interview, and lifts."""

from datetime import datetime
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind, constraint_errors
from ledger.store import Db

from quarantine.cases import model as case_rules
from quarantine.cases import store as cases
from quarantine.daysets.issue import Issuer
from quarantine.drills.store import require_running
from quarantine.policy import store as policies
from quarantine.restrictions import sealing, store
from quarantine.restrictions.impose import Grounds, impose
from quarantine.restrictions.model import Decision, Reason, Restriction, State, evidence_hash
from quarantine.restrictions.sealing import Person, Sealer

_NEEDED = 2


class Deciding:
    """Takes decisions in the caller's transaction."""

    def __init__(self, sealer: Sealer, issuer: Issuer) -> None:
        self._sealer = sealer
        self._issuer = issuer

    async def propose(self, conn: Db, restriction_id: UUID, evidence_id: UUID, proposed_by: str, now: datetime) -> None:
        """Propose on an interview's evidence. PRECONDITION if the person is restricted for this case or it is too late."""
        evidence = known_evidence(await store.interview_evidence(conn, evidence_id))
        await require_running(conn, evidence["drill_id"])
        if evidence["restriction_id"] is not None:
            raise DomainError(
                Kind.PRECONDITION, "ALREADY_RESTRICTED", "This person is restricted because of this case already."
            )
        if await store.get(conn, restriction_id) is not None:
            taken = store.ERRORS["restrictions_pkey"]()
            raise taken
        too_old = store.ERRORS["restrictions_end_check"]()
        if await self._end(conn, evidence) <= now:
            raise too_old
        with constraint_errors(store.ERRORS):
            await store.insert_proposal(conn, restriction_id, evidence, proposed_by, now)

    async def approve(self, conn: Db, restriction_id: UUID, approver: str, now: datetime) -> State:
        """One of the two approvals; the second imposes."""
        proposal = known(await store.proposal(conn, restriction_id, lock=True))
        await require_running(conn, proposal["drill_id"])
        approvers = [*proposal["approvers"], approver]
        if len(approvers) > _NEEDED:
            raise DomainError(Kind.PRECONDITION, "RESTRICTION_APPROVED", "This restriction has both its approvals.")
        with constraint_errors(store.ERRORS):
            await store.insert_approval(conn, proposal, approver, now)
            if len(approvers) < _NEEDED:
                return State.PROPOSED
            await store.insert_decision(conn, proposal, approvers[0], approvers[1])
            await self._impose(conn, proposal, approvers, now)
        return State.IN_FORCE

    async def _impose(self, conn: Db, proposal: Record, approvers: list[str], now: datetime) -> None:
        evidence = known_evidence(await store.interview_evidence(conn, proposal["evidence_id"], lock=True))
        decision = Decision(
            restriction_id=proposal["restriction_id"],
            resident_id=proposal["resident_id"],
            drill_id=proposal["drill_id"],
            reason=Reason.INTERVIEWED_CONTACT,
            policy_version=proposal["policy_version"],
            case_id=proposal["case_id"],
            evidence_id=proposal["evidence_id"],
            evidence_hash=evidence_hash(evidence["sealed"]),
            first_approver=approvers[0],
            second_approver=approvers[1],
            proposed=True,
            starts_at=now,
            ends_at=await self._end(conn, evidence),
        )
        person = Person(evidence["resident_id"], evidence["data_key"])
        await impose(conn, self._sealer, self._issuer, decision.drill_id, [Grounds(decision, person)], now)
        if evidence["restriction_id"] is None:
            await store.mark_restricted(conn, [(evidence["contact_id"], decision.restriction_id)])

    async def _end(self, conn: Db, evidence: Record) -> datetime:
        policy = await policies.get_version(conn, evidence["policy_version"])
        if policy is None:
            raise RuntimeError("evidence of an interview belongs to a case with a policy")
        return case_rules.restrict_until(case_rules.Kind.CLOSE, evidence["last_exposure_at"], policy.draft.rules)

    async def propose_lift(
        self, conn: Db, restriction_id: UUID, grounds: str, proposed_by: str, now: datetime
    ) -> State:
        restriction = known_restriction(await store.get(conn, restriction_id))
        _require_in_force(restriction, now)
        found = await cases.person(conn, restriction.resident_id)
        if found is None:
            raise RuntimeError("a restriction is of a resident")
        sealed = self._sealer.seal(found[0], sealing.GROUNDS, grounds.encode())
        with constraint_errors(store.ERRORS):
            await store.insert_lift_proposal(conn, restriction_id, proposed_by, sealed, now)
        return State.LIFT_PROPOSED

    async def approve_lift(self, conn: Db, restriction_id: UUID, approver: str, now: datetime) -> State:
        """Lift: today's list says so with this transaction's commit."""
        restriction = known_restriction(await store.get(conn, restriction_id))
        _require_in_force(restriction, now)
        with constraint_errors(store.ERRORS):
            if not await store.lift(conn, restriction, approver, now):
                raise DomainError(
                    Kind.PRECONDITION, "LIFT_NOT_PROPOSED", "Nobody has proposed to lift this restriction."
                )
        await self._issuer.decided(conn, restriction.drill_id, [restriction.resident_id], now)
        return State.LIFTED


def _require_in_force(restriction: Restriction, now: datetime) -> None:
    if not restriction.in_force(now):
        raise DomainError(Kind.PRECONDITION, "NOT_IN_FORCE", "This restriction is not in force any more.")


def known(proposal: Record | None) -> Record:
    if proposal is None:
        raise DomainError(Kind.NOT_FOUND, "NO_PROPOSAL", "There is no such proposal.")
    return proposal


def known_evidence(evidence: Record | None) -> Record:
    if evidence is None or evidence["data_key"] is None:
        raise DomainError(Kind.NOT_FOUND, "NO_EVIDENCE", "There is no such evidence from an interview.")
    return evidence


def known_restriction(restriction: Restriction | None) -> Restriction:
    if restriction is None:
        raise DomainError(Kind.NOT_FOUND, "NO_RESTRICTION", "There is no such restriction.")
    return restriction
