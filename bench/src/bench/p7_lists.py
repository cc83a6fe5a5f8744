"""Lists of a hundred thousand restricted people, made by the code that makes them in production.

Quarantine's part of the closed loop (`quarantine.loop.build`) works over a Postgres of its own: cases are confirmed by two
approvers, the imposer writes restrictions and log entries in its chunks, the keeper issues each day's list. Only the venue
service's answers are made up here.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
from chassis import access, migrate, partitions, pool, urls
from chassis.auth import Caller
from chassis.clock import Clock, SystemClock, local_day
from chassis.events import Event, Received
from devstack import postgres
from devstack.stack import ROOT
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.quarantine.v1 import case_pb2, policy_pb2
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.venue.v1 import visit_pb2
from lilitong.venue.v1.events_pb2 import ExposureFound, ExposureHit, ZoneContext
from passes.days import date_of
from passes.sealing import new_data_key, wrap
from passes.tags import tags_of
from passes.vault import DirectoryVault, roll
from quarantine import loop, schema
from quarantine.people.wrapping import KEK

AREA: Final = "141102001001"
CASE_SIZE: Final = 5_000
PART: Final = 500
ZONE: Final = 7
RULES: Final = {
    "infectious_days_before": 0,
    "close_contact_minutes": 15,
    "close_contact_days": 7,
    "case_days": 14,
    "largest_zone": 400,
    "impact_cap": 100_000,
    "passage_minutes": 10,
}


@dataclass(slots=True)
class Quarantine:
    """The service's insides, and who is restricted so far. Made by `open_quarantine`."""

    db: asyncpg.Pool
    owner: "asyncpg.Connection[asyncpg.Record]"
    vault: DirectoryVault
    clock: Clock
    loop: loop.Loop
    people: list[UUID] = field(default_factory=list)

    async def restrict(self, count: int, say: Callable[[str], None]) -> None:
        """Register `count` people, find them near confirmed cases, and restrict them."""
        await self._policy()
        await self.loop.keeper.tick()
        kek = self.vault.secret(KEK)
        for start in range(0, count, CASE_SIZE):
            index, *contacts = await self._register(kek, min(CASE_SIZE, count - start) + 1)
            await self._confirm(index, contacts)
            await self.loop.imposer.run_due()
            self.people += contacts
            say(f"P7 restricted {len(self.people):,} of {count:,}")
        for _ in range(3):  # what waited for coming days, then a fresh base wherever changes outweigh it
            await self.loop.keeper.tick()

    async def published(self, day: date) -> list[tuple[int, int, bytes]]:
        """(generation, number, segment) of everything published for that day, in order."""
        rows = await self.db.fetch(
            "SELECT generation, number, segment FROM day_set_published WHERE day = $1 AND drill_id = '' ORDER BY 1, 2",
            day,
        )
        return [(row["generation"], row["number"], row["segment"]) for row in rows]

    async def _register(self, kek: bytes, count: int) -> list[UUID]:
        """People who live alone. Written as the owner: registering is not what is measured."""
        people, homes = [uuid4() for _ in range(count)], [uuid4() for _ in range(count)]
        await self.owner.copy_records_to_table(
            "households", columns=["household_id", "area", "drill_id"], records=[(home, AREA, "") for home in homes]
        )
        await self.owner.copy_records_to_table(
            "residents",
            columns=["resident_id", "household_id", "area", "drill_id", "data_key"],
            records=[
                (one, home, AREA, "", wrap(kek, new_data_key(), one.bytes))
                for one, home in zip(people, homes, strict=True)
            ],
        )
        return people

    async def _confirm(self, index: UUID, contacts: Sequence[UUID]) -> None:
        case_id, result_id = str(uuid4()), str(uuid4())
        await self._call("tracer", "OpenCase", case_pb2.OpenCaseRequest, case_id=case_id, resident_id=str(index))
        await self._call(
            "laboratory",
            "RecordLabResult",
            case_pb2.RecordLabResultRequest,
            lab_result_id=result_id,
            resident_id=str(index),
            specimen_at=_stamp(self.clock.now() - timedelta(minutes=1)),
            outcome=case_pb2.LAB_OUTCOME_POSITIVE,
        )
        approval = {"case_id": case_id, "lab_result_id": result_id}
        await self._call("approver-1", "ApproveCase", case_pb2.ApproveCaseRequest, **approval)
        search = await self._search(UUID(case_id))
        parts = [contacts[start : start + PART] for start in range(0, len(contacts), PART)]
        for number, part in enumerate(parts, start=1):
            await self._found(search, part, number, len(parts))
        await self._call("approver-2", "ApproveCase", case_pb2.ApproveCaseRequest, **approval)

    async def _search(self, case_id: UUID) -> SearchOpened:
        day = local_day(self.clock.now())
        search_id = await self.db.fetchval(
            "SELECT search_id FROM searches WHERE case_id = $1 AND day = $2", case_id, day
        )
        rows = await self.db.fetch(
            "SELECT payload FROM outbox WHERE type = $1 ORDER BY seq DESC LIMIT 20", SearchOpened.DESCRIPTOR.full_name
        )
        found = [SearchOpened.FromString(row["payload"]) for row in rows]
        return next(one for one in found if one.search_id == search_id)

    async def _found(self, search: SearchOpened, people: Sequence[UUID], part: int, parts: int) -> None:
        """The venue service's answer arrives: everybody was there for an hour, proven on both sides."""
        end = self.clock.now()
        hits = [
            ExposureHit(
                day=search.day,
                tag=tag,
                zone=ZONE,
                overlap_start=_stamp(end - timedelta(hours=1)),
                overlap_end=_stamp(end),
                grade=visit_pb2.PRESENCE_GRADE_STAFF_VERIFIED,
                index_grade=visit_pb2.PRESENCE_GRADE_STAFF_VERIFIED,
            )
            for tag in tags_of(self.vault.day_key(date_of(search.day)), [one.bytes for one in people])
        ]
        context = ZoneContext(zone=ZONE, venue_name="演示超市", area=AREA, visitors=300)
        answer = ExposureFound(search_id=search.search_id, part=part, parts=parts, hits=hits, zones=[context])
        event = Event.of(answer, subject="lilitong.venue.exposure.v1.found", aggregate="a", day=date_of(search.day))
        async with self.db.acquire() as conn, conn.transaction():
            received = Received(event.event_id, event.type, event.subject, event.aggregate, event.day, event.payload)
            await self.loop.exposures.visits(conn, received)

    async def _policy(self) -> None:
        policy_id = str(uuid4())
        await self._call(
            "editor",
            "DraftPolicy",
            policy_pb2.DraftPolicyRequest,
            policy_id=policy_id,
            title="第九版",
            rules=policy_pb2.PolicyRules(**RULES),
            effective_from=_stamp(self.clock.now() - timedelta(days=1)),
        )
        for approver in ("approver-1", "approver-2"):
            await self._call(approver, "ApprovePolicy", policy_pb2.ApprovePolicyRequest, policy_id=policy_id)

    async def _call(self, who: str, method: str, request: type[Message], **content: Any) -> None:
        """A handler's own code, called as `who`."""
        servicer = next(one for one, _ in self.loop.servicers if method in vars(type(one)))
        with access.calling(Caller(who, frozenset(), (AREA[:6],))):
            await getattr(servicer, method)(request(request_id=str(uuid4()), **content), None)


async def open_quarantine(folder: Path, stack: AsyncExitStack) -> Quarantine:
    """A migrated Postgres with everything on (fsync, synchronous_commit) and the loop wired over it; closed by `stack`."""
    server = postgres.start(folder / "postgres")
    stack.callback(server.stop)
    login, service = secrets.token_hex(16), "quarantine"
    await migrate.prepare(server.admin_url, "lists", {service: login})
    base = urls.with_database(server.admin_url, "lists")
    owner_url = urls.with_user(base, f"{service}_owner", login)
    migrate.migrate(owner_url, service, schema.migration_dirs(ROOT))
    owner = await asyncpg.connect(owner_url)
    stack.push_async_callback(owner.close)
    db = await pool.create(urls.with_user(base, service, login), application_name="bench", statement_seconds=120)
    stack.push_async_callback(pool.close, db)
    clock, vault = SystemClock(), DirectoryVault(folder / "vault")
    roll(vault, local_day(clock.now()))
    await partitions.maintain(db, clock)
    built = loop.build(
        db,
        clock,
        vault,
        log_name="lilitong.example/bench",
        card_number=lambda card_id: sha256(card_id.bytes).digest()[:16],
        published=lambda: None,
        seal=lambda: b"",
        hold_back=timedelta(0),
    )
    return Quarantine(db, owner, vault, clock, built)


def _stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant.astimezone(UTC))
    return made
