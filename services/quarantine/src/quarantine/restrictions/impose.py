"""Imposes what was decided: rows, log entries, today's list and its event, in one transaction per chunk of people."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import ledger.store as log
import structlog
from chassis.clock import Clock
from chassis.events.metrics import HOP_BOUNDS
from chassis.tasks import rest
from ledger.commitment import Leaf
from ledger.store import Db
from prometheus_client import Gauge, Histogram

from quarantine.cases import contacts
from quarantine.cases import store as cases
from quarantine.cases.model import INTERVIEW_TIME, Case, Kind, third_allows
from quarantine.daysets.issue import Issuer
from quarantine.policy import store as policies
from quarantine.restrictions import sealing, store
from quarantine.restrictions.model import Decision, Reason, evidence_hash, leaf_of
from quarantine.restrictions.sealing import Person, Sealer
from quarantine.restrictions.store import Imposed

FIRST_CHUNK: Final = 50
"""Small, because the first refusal waits for it."""
CHUNK: Final = 500
TASK_CHUNK: Final = 1_000
POLL_SECONDS: Final = 1.0
CASES_AT_A_TIME: Final = 500

_REASON: Final = {
    Kind.INDEX: Reason.CONFIRMED_CASE,
    Kind.CLOSE: Reason.CLOSE_CONTACT,
    Kind.HOUSEHOLD: Reason.HOUSEHOLD_CONTACT,
}
IMPOSED: Final = Histogram(
    "lilitong_loop_impose_seconds",
    "From an approval, or a contact found later, to the commit of the last restriction that follows.",
    buckets=HOP_BOUNDS,
)
WAITING: Final = Gauge(
    "lilitong_loop_waiting_seconds", "Time since an approval or a contact waits to be worked on; 0 for none."
)
_log = structlog.get_logger("quarantine.restrictions.impose")


@dataclass(frozen=True, slots=True)
class Grounds:
    """A decision with the person whose key seals its log entry."""

    decision: Decision
    person: Person


async def impose(
    conn: Db, sealer: Sealer, issuer: Issuer, drill_id: str, grounds: Sequence[Grounds], now: datetime
) -> None:
    """Write up to 500 decisions of one drill (or of reality) and put them on the lists, in the caller's transaction.

    The lists are locked before the log: see `quarantine.daysets.issue`. The log entries are made in a thread meanwhile:
    hundreds of them are tens of milliseconds of work, in which the database need not wait, nor other calls.
    """
    people = [item.decision.resident_id for item in grounds]
    making = asyncio.create_task(asyncio.to_thread(_entries, sealer, grounds))
    try:
        await issuer.announce(conn, drill_id, people, now)
        entries = await making
    finally:
        making.cancel()
    appended = await log.append(conn, [leaf.data for leaf, _ in entries])
    imposed = [
        Imposed(item.decision, leaf, appended.first_index + offset, sealed)
        for offset, (item, (leaf, sealed)) in enumerate(zip(grounds, entries, strict=True))
    ]
    await store.insert(conn, imposed)
    await issuer.relist(conn, drill_id, people, now)


def _entries(sealer: Sealer, grounds: Sequence[Grounds]) -> list[tuple[Leaf, bytes]]:
    """Each decision's log entry, and its content sealed under the person's key."""
    leaves = [leaf_of(item.decision, sealer.pseudonym) for item in grounds]
    return [
        (leaf, sealer.seal(item.person, sealing.LEAF, leaf.pack())) for item, leaf in zip(grounds, leaves, strict=True)
    ]


class Imposer:
    """Restricts the contacts of confirmed cases and makes their interview tasks, until nothing is left.

    Everything it needs is in the tables, so it can be killed anywhere and run in several replicas: a case is worked on by
    whoever holds its row, and a chunk is committed as a whole. `published` is called after each commit that published.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        sealer: Sealer,
        issuer: Issuer,
        clock: Clock,
        *,
        published: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._sealer = sealer
        self._issuer = issuer
        self._clock = clock
        self._published = published
        self._wanted = asyncio.Event()
        self._woken: float | None = None  # since when something waits for the next turn
        self._since: float | None = None  # and for the one under way
        WAITING.set_function(self._waiting)

    def wake(self) -> None:
        """A case was confirmed, or a contact of one came in: do not wait for the poll. From the loop's thread only."""
        if self._woken is None:
            self._woken = time.monotonic()
        self._wanted.set()

    def _waiting(self) -> float:
        first = self._woken if self._since is None else self._since
        return 0.0 if first is None else time.monotonic() - first

    async def run(self) -> None:
        """Work until cancelled: when woken, and every `POLL_SECONDS` in case a wake was lost with its process."""
        while True:
            if self._since is None:  # else the last turn failed, and this one is for the same
                self._since, self._woken = self._woken, None
            restricted = await self.run_due()
            if self._since is not None and restricted:
                IMPOSED.observe(time.monotonic() - self._since)
            self._since = None
            await rest(self._wanted, POLL_SECONDS)

    async def run_due(self) -> int:
        """Work on every case that has something due; how many people were restricted. For the wake and for the sweep."""
        async with self._pool.acquire() as conn:
            due = await store.due_cases(conn, self._clock.now(), CASES_AT_A_TIME)
        return sum([await self.run_case(case_id) for case_id in due])

    async def run_case(self, case_id: UUID) -> int:
        """Work on one case; how many people were restricted."""
        total, size = 0, FIRST_CHUNK
        while count := await self._committed(lambda conn, size=size: self._restrict(conn, case_id, size)):  # type: ignore[misc]
            total, size = total + count, CHUNK
        while await self._committed(lambda conn: self._ask(conn, case_id)):
            pass
        return total

    async def _committed(self, step: Callable[[Db], Awaitable[int]]) -> int:
        async with self._pool.acquire() as conn, conn.transaction():
            count = await step(conn)
        if count:
            self._published()
        return count

    async def _restrict(self, conn: Db, case_id: UUID, size: int) -> int:
        now = self._clock.now()
        case = await store.take_case(conn, case_id)
        if case is None:
            return 0
        policy = await policies.get_version(conn, case["policy_version"])
        if policy is None:
            raise RuntimeError("a confirmed case has a policy")
        allowed = third_allows(case["approvals"], case["restricted"], policy.draft.rules)
        size = size if allowed is None else min(size, allowed)
        rows = await store.take_contacts(conn, case_id, now, size) if size else []
        if not rows:
            return 0
        grounds = [
            Grounds(
                Decision(
                    restriction_id=uuid4(),
                    resident_id=row["resident_id"],
                    drill_id=case["drill_id"],
                    reason=_REASON[Kind(row["kind"])],
                    policy_version=case["policy_version"],
                    case_id=case_id,
                    evidence_id=row["evidence_id"],
                    evidence_hash=evidence_hash(row["sealed"]),
                    first_approver=case["first_approver"],
                    second_approver=case["second_approver"],
                    proposed=False,
                    starts_at=now,
                    ends_at=row["restrict_until"],
                ),
                Person(row["resident_id"], row["data_key"]),
            )
            for row in rows
        ]
        await impose(conn, self._sealer, self._issuer, case["drill_id"], grounds, now)
        await store.mark_restricted(
            conn,
            [(row["contact_id"], item.decision.restriction_id) for row, item in zip(rows, grounds, strict=True)],
        )
        await contacts.supersede_tasks(conn, [row["contact_id"] for row in rows])
        _log.info("restricted", people=len(rows), drill=bool(case["drill_id"]))
        return len(rows)

    async def _ask(self, conn: Db, case_id: UUID) -> int:
        if await store.take_case(conn, case_id) is None:
            return 0
        case: Case | None = await cases.get(conn, case_id)
        if case is None:
            return 0
        due_at = self._clock.now() + INTERVIEW_TIME
        return await contacts.create_tasks(conn, case, due_at, TASK_CHUNK)
