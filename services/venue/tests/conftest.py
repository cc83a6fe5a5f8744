"""A venue service in one process on a real Postgres, and people with phones and cards to visit it."""

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest
from chassis import migrate, urls
from chassis import pool as pools
from chassis.access import calling
from chassis.auth import Caller
from chassis.clock import ManualClock, local_day
from chassis.errors import DomainError, Kind
from chassis.events.outbox import unsealed
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets.index import DaySetIndex
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.venue.v1 import events_pb2, venue_pb2, visit_pb2
from passes import cards, cose, presentation, venue_code
from passes.pass_token import IssuerKey, Pass, issue
from passes.replay import ReplayGuard
from passes.vault import DirectoryVault
from venue.key_versions import VenueKeys
from venue.register.codes import VenueCodes
from venue.register.rpc import VenueServicer
from venue.register.zones import ZoneCache
from venue.schema import migration_dirs
from venue.searches.again import SearchAgain
from venue.searches.events import Teller
from venue.searches.search import Searching
from venue.visits.admission import Admission
from venue.visits.check_out import CheckOuts
from venue.visits.credentials import Credentials
from venue.visits.freshness import Freshness
from venue.visits.recording import Recorder
from venue.visits.rpc import VisitServicer

ROOT = Path(__file__).parents[3]
AREA = "141102001001"
OFFICER = Caller("officer-1", frozenset({"venue_officer"}), ("141102",))
APP = Caller("app-1", frozenset({"app_backend"}), ("141102",))
OPERATOR = Caller("shop-1", frozenset({"venue_operator"}), ("141102",))
OTHER_OPERATOR = Caller("shop-2", frozenset({"venue_operator"}), ("141102",))


@dataclass
class People:
    """Issues passes for residents known by name, with keys as quarantine has them. A drill has a key of its own."""

    real: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    drill: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    phones: dict[tuple[str, date], ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    @property
    def keys(self) -> dict[bytes, IssuerKey]:
        return {
            cose.kid_of(self.real.public_key()): IssuerKey(self.real.public_key()),
            cose.kid_of(self.drill.public_key()): IssuerKey(self.drill.public_key(), drill=True),
        }

    @staticmethod
    def tag(name: str, day: date) -> bytes:
        return hashlib.sha256(f"{name}/{day}".encode()).digest()[:16]

    def show(self, name, at, *, context=b"", companions=(), presence=None, drill_id="", day=None, key=None):
        """What the phone of `name` shows at that moment, for the code it scanned (`context`)."""
        day = day or local_day(at)
        phone = self.phones.setdefault((name, day), ec.generate_private_key(ec.SECP256R1()))
        point = phone.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        tags = tuple(self.tag(each, day) for each in (name, *companions))
        signer = key or (self.drill if drill_id else self.real)
        token = issue(Pass(day, tags, point, drill_id), signer, cose.kid_of(signer.public_key()))
        mask = (1 << len(tags)) - 1 if presence is None else presence
        return presentation.present(token, phone, at, presence=mask, context=context).to_text()


@dataclass
class House:
    """The service's parts, wired as app.py does, without bus and gRPC."""

    pool: asyncpg.Pool
    owner: asyncpg.Connection
    admin: asyncpg.Connection
    clock: ManualClock
    people: People
    log: MemoryLog
    index: DaySetIndex
    codes: VenueCodes
    zones: ZoneCache
    searching: Searching
    again: SearchAgain
    recorder: Recorder
    admission: Admission
    venues: VenueServicer
    visits: VisitServicer
    state: SimpleNamespace
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    async def register(self, *, category=3, zones=1, area=AREA, operators=("shop-1",), drill_id="", capacity=100):
        """A registered venue (protobuf); its zones have codes."""
        request = venue_pb2.RegisterVenueRequest(
            request_id=str(uuid4()),
            venue_id=str(uuid4()),
            name=f"店{next(self.numbers)}",
            category=category,
            area=area,
            address="滨河路1号",
            zones=[venue_pb2.NewZone(name=f"区{n}", capacity=capacity) for n in range(zones)],
            operators=operators,
            drill_id=drill_id,
        )
        with calling(OFFICER):
            return (await self.venues.RegisterVenue(request, None)).venue

    async def close(self, venue):
        """Close it for good."""
        request = venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=venue.venue_id, reason="歇业")
        with calling(OFFICER):
            return (await self.venues.CloseVenue(request, None)).venue

    async def refused_by_a_closing(self, venue, call):
        """The call comes while the venue is being closed: it waits for that, and is refused then."""
        async with self.owner.transaction():
            await self.owner.execute(
                "UPDATE venues SET closed_at = $2, closed_by = 'officer-1', closing_reason = '歇业' WHERE venue_id = $1",
                venue.venue_id,
                self.clock.now(),
            )
            called = asyncio.create_task(call)
            done, _ = await asyncio.wait([called], timeout=0.3)
            assert not done
        with pytest.raises(DomainError, match="VENUE_CLOSED"):
            await called

    def scan(self, name, code, *, key=None, at=None, late=False, **shown):
        """A request as the app backend sends it when a resident scanned `code`."""
        context = venue_code.parse(code).to_bytes()
        text = self.people.show(name, at or self.clock.now(), context=context, **shown)
        return visit_pb2.CheckInRequest(visit_key=key or os.urandom(8), credential=text, venue_code=code, late=late)

    def staff_scan(self, credential, code, *, key=None, late=False, scanned_at=None):
        request = visit_pb2.CheckInRequest(
            visit_key=key or os.urandom(8), credential=credential, venue_code=code, scanned_by_staff=True, late=late
        )
        if scanned_at is not None:
            request.scanned_at.FromDatetime(scanned_at)
        return request

    async def check_in(self, request, caller=APP):
        with calling(caller):
            return await self.visits.CheckIn(request, None)

    async def batch(self, requests, caller=APP):
        with calling(caller):
            return (await self.visits.BatchCheckIn(visit_pb2.BatchCheckInRequest(requests=requests), None)).results

    async def check_out(self, visit_id, left_at=None, caller=APP):
        request = visit_pb2.CheckOutRequest(visit_id=visit_id)
        if left_at is not None:
            request.left_at.FromDatetime(left_at)
        with calling(caller):
            return (await self.visits.CheckOut(request, None)).left_at

    def restrict(self, *entries, day=None, drill_id="", number=None, given_cards=()):
        """Put these on the day's list, with a proof."""
        day = day or local_day(self.clock.now())
        status = self.index.status(day, drill_id)
        held = [s.number for s in self.index.segments() if (s.day, s.drill_id) == (day, drill_id)]
        segment = self.log.segment(
            number or max(held, default=0) + 1, entries, day=day, drill_id=drill_id, cards=given_cards
        )
        assert status.generation in (0, 1)
        return self.index.apply(segment)

    def entry(self, name, reason=2, day=None, **given):
        day = day or local_day(self.clock.now())
        return Entry(self.people.tag(name, day), reason, os.urandom(8), **given)

    def card(self, name, day=None, drill_id=""):
        """A paper card of `name`, listed on that day; returns its text."""
        day = day or local_day(self.clock.now())
        number = cards.new_number()
        self.restrict(
            day=day, drill_id=drill_id, given_cards=[(cards.card_key(day, number), self.people.tag(name, day))]
        )
        return cards.card_text(number)

    async def rows(self, query, *arguments):
        return await self.owner.fetch(query, *arguments)

    async def stored(self):
        return await self.owner.fetchval("SELECT count(*) FROM visits")

    async def found(self):
        """Every ExposureFound published so far, in order."""
        rows = await self.owner.fetch(
            "SELECT payload FROM outbox WHERE subject = 'lilitong.venue.exposure.v1.found' ORDER BY seq"
        )
        return [events_pb2.ExposureFound.FromString(row["payload"]) for row in rows]

    async def clear(self, *more):
        """Forget visits, searches and events; partitions stay."""
        for table in ("visits", "searches", "search_intervals", "search_pending", "outbox", *more):
            await self.owner.execute(f"DELETE FROM {table}")


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture(scope="session")
def database(postgres_server) -> Iterator[Callable[[str], str]]:
    """One database for all tests of the house, which clears it: a clone for each would take most of their time.

    A function: role → URL, "" for the superuser.
    """
    name = f"test_{uuid4().hex[:12]}"

    async def make() -> None:
        await migrate.prepare(postgres_server.admin_url, name, {"venue": "test"})

    async def drop() -> None:
        admin = await asyncpg.connect(postgres_server.admin_url)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()

    def url(role: str) -> str:
        at = urls.with_database(postgres_server.admin_url, name)
        return urls.with_user(at, role, "test") if role else at

    asyncio.run(make())
    migrate.migrate(url("venue_owner"), "venue", [*migration_dirs(ROOT), Path(__file__).parent / "migrations"])
    yield url
    asyncio.run(drop())


@pytest.fixture
async def house(database, clock, tmp_path, people, log) -> AsyncIterator[House]:
    pool = await asyncpg.create_pool(database("venue"), min_size=2, max_size=12)
    owner = await asyncpg.connect(database("venue_owner"))
    admin = await asyncpg.connect(database(""))
    index = DaySetIndex(lambda: log.keys)
    codes, zones = VenueCodes(VenueKeys.of(DirectoryVault(tmp_path / "vault"))), ZoneCache(pool)
    state = SimpleNamespace(freshness=Freshness(0, degraded=False), too_old=False, woken=0)

    def wake() -> None:
        state.woken += 1

    searching = Searching(Teller(unsealed))
    again = SearchAgain(pool, searching, wake)
    recorder = Recorder(pool, searching, told=wake, pending=again.wake)
    drills = lambda: {segment.drill_id for segment in index.segments()} - {""}  # noqa: E731
    admission = Admission(
        codes,
        zones.find,
        Credentials(lambda: people.keys, index, drills, ReplayGuard()),
        index,
        lambda: state.too_old,
    )
    made = House(
        pool=pool,
        owner=owner,
        admin=admin,
        clock=clock,
        people=people,
        log=log,
        index=index,
        codes=codes,
        zones=zones,
        searching=searching,
        again=again,
        recorder=recorder,
        admission=admission,
        venues=VenueServicer(pool, clock, codes, zones, unsealed, wake),
        visits=VisitServicer(
            pool,
            clock,
            admission,
            recorder,
            CheckOuts(pool, clock, zones, searching, recorder.tell),
            lambda: state.freshness,
        ),
        state=state,
    )
    await made.clear()
    # And all that refers to a venue or a policy, whichever room it belongs to; counts by area refer to neither.
    await owner.execute(
        "TRUNCATE imports, applications, venues, ladder_policies, requests, document_counters, stored_photos, "
        "summary_days, summary_changes, area_occupancy CASCADE"
    )
    yield made
    await recorder.drain()
    await owner.close()
    await admin.close()
    await pools.close(pool)


@pytest.fixture
def noon(clock) -> datetime:
    return clock.now()


@pytest.fixture
def who() -> SimpleNamespace:
    """Callers."""
    return SimpleNamespace(officer=OFFICER, app=APP, operator=OPERATOR, other=OTHER_OPERATOR, area=AREA)


@pytest.fixture
async def counted(house):
    """`await counted(call)`: how many statements the call sends to Postgres, those that begin and end transactions left out."""
    sent = []
    idle = [await house.pool.acquire() for _ in range(house.pool.get_max_size())]
    for connection in idle:
        connection.add_query_logger(lambda record: sent.append(record.query))
    for connection in idle:
        await house.pool.release(connection)

    async def count(call):
        sent.clear()
        await call
        return len(
            [query for query in sent if not query.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SELECT pg_advisory"))]
        )

    return count


@pytest.fixture
def altered():
    """`altered(request, name="other")`: a copy with other content under the same request id."""

    def alter(request, **changes):
        other = type(request)()
        other.CopyFrom(request)
        for name, value in changes.items():
            if isinstance(value, list):
                other.ClearField(name)
                getattr(other, name).extend(value)
            else:
                setattr(other, name, value)
        assert other != request
        return other

    return alter


@dataclass
class Insisting:
    """Sends every write four times at once, then once more with other content, instead of once.

    `others`: other content by the request's kind, or None where all that it says is what it is about.
    """

    call: Callable
    others: dict
    altered: Callable
    sent: list = field(default_factory=list)

    async def __call__(self, caller, request):
        if "request_id" not in request.DESCRIPTOR.fields_by_name:
            return await self.call(caller, request)
        answers = await asyncio.gather(*(self.call(caller, request) for _ in range(4)))
        assert all(each == answers[0] for each in answers)
        other = self.others[type(request).__name__.removesuffix("Request")]
        if other is not None:
            with pytest.raises(DomainError) as refused:
                await self.call(caller, self.altered(request, **other))
            assert (refused.value.kind, refused.value.reason) == (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")
        self.sent.append((caller, request, answers[0]))
        return answers[0]

    async def again(self):
        """All of it once more, whatever has happened since: the first answers. Returns the kinds of what was sent."""
        for caller, request, answer in self.sent:
            assert await self.call(caller, request) == answer
        return {type(request).__name__.removesuffix("Request") for _, request, _ in self.sent}


@pytest.fixture
def insisting(altered):
    """`insisting(call, others)`: see `Insisting`."""
    return lambda call, others: Insisting(call, others, altered)
