"""A quarantine database with people in it, the loop wired over it, and a clock that stands still."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from chassis import access, partitions, pool
from chassis.auth import Caller
from chassis.clock import ManualClock, local_day
from chassis.events import Event, Received
from daysets import wire
from daysets.index import DaySetIndex
from daysets.segment import Segment
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.quarantine.v1 import case_pb2, day_set_pb2, policy_pb2
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.venue.v1.events_pb2 import ExposureFound, ExposureHit, ZoneContext
from passes.days import date_of
from passes.sealing import new_data_key, wrap
from passes.tags import tag
from passes.vault import DirectoryVault, roll
from quarantine import loop as parts
from quarantine.people.wrapping import KEK

AREA = "141102001001"
RULES = {
    "infectious_days_before": 2,
    "close_contact_minutes": 10,
    "close_contact_days": 7,
    "case_days": 10,
    "largest_zone": 100,
    "impact_cap": 3000,
    "passage_minutes": 5,
}


def stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant)
    return made


def number_of(card_id: UUID) -> bytes:
    return sha256(b"card" + card_id.bytes).digest()[:16]


@dataclass
class World:
    pool: asyncpg.Pool
    clock: ManualClock
    vault: DirectoryVault
    loop: parts.Loop
    url: str
    published: int = 0
    servicers: dict[str, Any] = field(default_factory=dict)

    stamp = staticmethod(stamp)

    @contextmanager
    def acting(self, subject: str, *roles: str, areas: Sequence[str] = ("141102",)) -> Iterator[None]:
        caller = Caller(subject, frozenset(roles), tuple(areas), purpose="tracing", purpose_ref="case")
        with access.calling(caller):
            yield

    async def call(self, who: str, method: str, request: Message, areas: Sequence[str] = ("141102",)) -> Any:
        """Call a handler as `who`; access rules beside the handlers are tested over gRPC elsewhere."""
        servicer = next(
            one for one, _ in self.loop.servicers if hasattr(type(one), method) and method in vars(type(one))
        )
        with self.acting(who, areas=areas):
            return await getattr(servicer, method)(request, None)

    async def household(self, size: int = 1, *, area: str = AREA, drill_id: str = "") -> list[UUID]:
        household_id, people = uuid4(), [uuid4() for _ in range(size)]
        kek = self.vault.secret(KEK)
        async with self.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO households (household_id, area, drill_id) VALUES ($1, $2, $3)",
                household_id,
                area,
                drill_id,
            )
            await conn.executemany(
                "INSERT INTO residents (resident_id, household_id, area, drill_id, data_key) VALUES ($1, $2, $3, $4, $5)",
                [(one, household_id, area, drill_id, wrap(kek, new_data_key(), one.bytes)) for one in people],
            )
        return people

    async def policy(self, **changed: int) -> int:
        """An approved policy in force since yesterday; its version."""
        policy_id = str(uuid4())
        draft = policy_pb2.DraftPolicyRequest(
            request_id=str(uuid4()),
            policy_id=policy_id,
            title="第九版",
            rules=policy_pb2.PolicyRules(**(RULES | changed)),
            effective_from=stamp(self.clock.now() - timedelta(days=1)),
        )
        await self.call("editor", "DraftPolicy", draft)
        for approver in ("approver-1", "approver-2"):
            answer = await self.call(
                approver, "ApprovePolicy", policy_pb2.ApprovePolicyRequest(request_id=str(uuid4()), policy_id=policy_id)
            )
        return int(answer.policy.version)

    async def lab_result(self, person: UUID, *, hours: float = 4, outcome: int = 1, laboratory: str = "lab") -> str:
        result_id = str(uuid4())
        request = case_pb2.RecordLabResultRequest(
            request_id=str(uuid4()),
            lab_result_id=result_id,
            resident_id=str(person),
            specimen_at=stamp(self.clock.now() - timedelta(hours=hours)),
            outcome=outcome,
        )
        await self.call(laboratory, "RecordLabResult", request)
        return result_id

    async def case(self, person: UUID) -> str:
        case_id = str(uuid4())
        request = case_pb2.OpenCaseRequest(request_id=str(uuid4()), case_id=case_id, resident_id=str(person))
        await self.call("tracer", "OpenCase", request)
        return case_id

    async def approve(self, case_id: str, lab_result_id: str, approver: str) -> case_pb2.ApproveCaseResponse:
        request = case_pb2.ApproveCaseRequest(request_id=str(uuid4()), case_id=case_id, lab_result_id=lab_result_id)
        return await self.call(approver, "ApproveCase", request)

    async def searching(self, person: UUID) -> tuple[str, str]:
        """A case with its first approval: ids of case and laboratory result."""
        case_id, result_id = await self.case(person), await self.lab_result(person)
        await self.approve(case_id, result_id, "approver-1")
        return case_id, result_id

    async def confirmed(self, person: UUID) -> str:
        case_id, result_id = await self.searching(person)
        await self.approve(case_id, result_id, "approver-2")
        return case_id

    async def events(self, kind: type[Message]) -> list[Any]:
        rows = await self.pool.fetch(
            "SELECT payload FROM outbox WHERE type = $1 ORDER BY seq", kind.DESCRIPTOR.full_name
        )
        return [kind.FromString(row["payload"]) for row in rows]

    async def search_of(self, case_id: str, day_offset: int = 0) -> SearchOpened:
        """The search of a case for a day before today."""
        day = local_day(self.clock.now()) - timedelta(days=day_offset)
        search_id = await self.pool.fetchval(
            "SELECT search_id FROM searches WHERE case_id = $1 AND day = $2", UUID(case_id), day
        )
        return next(one for one in await self.events(SearchOpened) if one.search_id == search_id)

    def hit(self, person: UUID, day: int, *, minutes: float = 30, zone: int = 7, **changed: Any) -> ExposureHit:
        start = datetime(1970, 1, 1, 1, tzinfo=UTC) + timedelta(days=day)  # nine in the morning, local time
        values: dict[str, Any] = {
            "day": day,
            "tag": tag(self.vault.day_key(date_of(day)), person.bytes),
            "zone": zone,
            "overlap_start": stamp(start),
            "overlap_end": stamp(start + timedelta(minutes=minutes)),
            "grade": 1,
            "index_grade": 2,
        }
        return ExposureHit(**(values | changed))

    async def found(self, search: SearchOpened, hits: Sequence[ExposureHit], **changed: Any) -> None:
        """The venue service's answer arrives."""
        values: dict[str, Any] = {
            "search_id": search.search_id,
            "part": 1,
            "parts": 1,
            "hits": hits,
            "zones": [ZoneContext(zone=7, venue_name="风山超市", area=AREA, visitors=30)],
            "drill_id": search.drill_id,
        }
        await self.deliver(
            self.loop.exposures.visits,
            ExposureFound(**(values | changed)),
            "lilitong.venue.exposure.v1.found",
            search.day,
        )

    async def deliver(self, handler: Any, message: Message, subject: str, day: int) -> None:
        event = Event.of(message, subject=subject, aggregate="a", day=date_of(day))
        received = Received(event.event_id, event.type, event.subject, event.aggregate, event.day, event.payload)
        async with self.pool.acquire() as conn, conn.transaction():
            after = await handler(conn, received)
        if after is not None:
            after()

    async def contacts(self, case_id: str) -> dict[UUID, asyncpg.Record]:
        rows = await self.pool.fetch("SELECT * FROM contacts WHERE case_id = $1", UUID(case_id))
        return {row["resident_id"]: row for row in rows}

    async def segments(self) -> list[Segment]:
        """What the snapshot RPC answers."""
        servicer = next(one for one, _ in self.loop.servicers if hasattr(type(one), "ListDaySetSegments"))
        stream = servicer.ListDaySetSegments(day_set_pb2.ListDaySetSegmentsRequest(), None)
        return [wire.from_message(answer.segment) async for answer in stream]

    async def index(self) -> DaySetIndex:
        """A verifier that has read everything published, in the order of the outbox, proofs verified."""
        index = DaySetIndex(lambda: [self.loop.signer.verifier])
        for message in await self.events(day_set_pb2.DaySetSegment):
            index.apply(wire.from_message(message))
        assert not index.refusals
        return index

    async def listed(self, person: UUID, *, days: int = 0, drill_id: str = "") -> int | None:
        """The reason under which a scanner stops this person today (or in so many days), None if it does not."""
        day = local_day(self.clock.now()) + timedelta(days=days)
        hit = (await self.index()).lookup(
            day, drill_id, tag(self.vault.day_key(day), person.bytes), self.clock.now() + timedelta(days=days)
        )
        return None if hit is None else hit.reason


@pytest.fixture
async def world(make_service_database: Any, clock: ManualClock, tmp_path: Path) -> AsyncIterator[World]:
    database = await make_service_database("quarantine")
    made = await pool.create(database.url("quarantine"), application_name="test", max_size=8)
    try:
        today = local_day(clock.now())
        async with made.acquire() as conn, conn.transaction():
            await partitions.ensure(conn, today - timedelta(days=6), today + timedelta(days=4))
        vault = DirectoryVault(tmp_path / "vault")
        roll(vault, local_day(clock.now()))
        built = World(made, clock, vault, None, database.url("quarantine"))  # type: ignore[arg-type]

        def published() -> None:
            built.published += 1

        built.loop = parts.build(
            made,
            clock,
            vault,
            log_name="lilitong.example/quarantine",
            card_number=number_of,
            published=published,
            seal=lambda: b"",
        )
        yield built
    finally:
        await pool.close(made)
