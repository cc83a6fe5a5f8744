"""Approvals of a case: the first opens the searches, the second confirms, a third is needed above the policy's cap."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.errors import DomainError, Kind, constraint_errors
from ledger.store import Db
from passes.vault import KeyVault

from quarantine.cases import searching, store
from quarantine.cases.model import Case, CaseState, Impact, LabResult, infectious_from
from quarantine.drills.store import require_running
from quarantine.policy import store as policies
from quarantine.policy.model import Policy
from quarantine.restrictions.sealing import Sealer

_ALL: Final = 3


class Approving:
    """Takes decisions in the caller's transaction; `seal` gives the encrypted trace context of events."""

    def __init__(self, vault: KeyVault, sealer: Sealer, seal: Callable[[], bytes]) -> None:
        self._vault = vault
        self._sealer = sealer
        self._seal = seal

    async def approve(
        self, conn: Db, case_id: UUID, lab_result_id: UUID, approver: str, now: datetime
    ) -> tuple[Case, Impact | None]:
        """The case afterwards, and whom a confirmation (or a later third approval) touches; None before one.

        Raises PRECONDITION for a wrong state or unfit evidence, DENIED for an approver who must not approve (again).
        """
        found = await store.get(conn, case_id)
        if found is not None:  # the drill before the case, which is the order in which a drill's end locks them
            await require_running(conn, found.drill_id)
        case = await _locked(conn, case_id)
        if case.state is CaseState.CLOSED:
            raise DomainError(Kind.PRECONDITION, "CASE_CLOSED", "This case is closed.")
        result = _fit(await store.lab_result(conn, lab_result_id), case)
        if not case.approvers:
            return await self._first(conn, case, result, approver, now), None
        if case.lab_result_id != result.lab_result_id:
            raise DomainError(
                Kind.PRECONDITION, "LAB_RESULT_DIFFERS", "All approvals of a case rest on the same laboratory result."
            )
        return await self._further(conn, case, result, approver, now)

    async def _first(self, conn: Db, case: Case, result: LabResult, approver: str, now: datetime) -> Case:
        policy = await policies.active(conn, now)
        if policy is None:
            raise DomainError(Kind.PRECONDITION, "NO_POLICY", "No approved policy is in force.")
        with constraint_errors(store.ERRORS):
            await store.insert_approval(conn, case, result, approver, now)
        start = infectious_from(result.specimen_at, policy.draft.rules)
        await store.begin_search(conn, case.case_id, result, policy.version, start)
        await searching.add_known(conn, self._sealer, case, policy.draft.rules, result, now)
        await searching.open_searches(conn, self._vault, case, policy.draft.rules, result, now, self._seal)
        return replace(
            case,
            state=CaseState.SEARCHING,
            policy_version=policy.version,
            lab_result_id=result.lab_result_id,
            specimen_at=result.specimen_at,
            infectious_from=start,
            approvers=(approver,),
        )

    async def _further(
        self, conn: Db, case: Case, result: LabResult, approver: str, now: datetime
    ) -> tuple[Case, Impact | None]:
        policy = await _policy(conn, case)
        impact = await store.impact(conn, case.case_id, now)
        third = impact.needs_third(policy.draft.rules)
        # A confirmed case takes a third approval when searches have since found more people than two may restrict.
        if len(case.approvers) == _ALL or (case.state is CaseState.CONFIRMED and not third):
            raise DomainError(Kind.PRECONDITION, "CASE_CONFIRMED", "This case has the approvals it needs.")
        with constraint_errors(store.ERRORS):
            await store.insert_approval(conn, case, result, approver, now)
        approvers = (*case.approvers, approver)
        if case.state is CaseState.CONFIRMED:
            return replace(case, approvers=approvers), impact
        if third and len(approvers) < _ALL:
            await store.await_third(conn, case.case_id)
            return replace(case, state=CaseState.AWAITING_THIRD, approvers=approvers), None
        with constraint_errors(store.ERRORS):
            await store.confirm(conn, case, result, approvers, now)
        return replace(case, state=CaseState.CONFIRMED, confirmed_at=now, approvers=approvers), impact

    async def close(self, conn: Db, case_id: UUID, closed_by: str, now: datetime) -> Case:
        """Close a case, confirmed or not. Restrictions that rest on it stand until they end or are lifted."""
        case = await _locked(conn, case_id)
        if case.state is CaseState.CLOSED:
            raise DomainError(Kind.PRECONDITION, "CASE_CLOSED", "This case is closed.")
        await store.close(conn, case_id, closed_by, now)
        return replace(case, state=CaseState.CLOSED)


async def _locked(conn: Db, case_id: UUID) -> Case:
    case = await store.lock(conn, case_id)
    if case is None:
        raise DomainError(Kind.NOT_FOUND, "NO_CASE", "There is no such case.")
    return case


async def _policy(conn: Db, case: Case) -> Policy:
    policy = await policies.get_version(conn, case.policy_version or 0)
    if policy is None:
        raise RuntimeError("a case with an approval has its policy fixed")
    return policy


def _fit(result: LabResult | None, case: Case) -> LabResult:
    if result is None or not result.positive or result.resident_id != case.resident_id:
        raise DomainError(
            Kind.PRECONDITION, "LAB_RESULT_UNFIT", "The approval needs a positive laboratory result of this person."
        )
    return result
