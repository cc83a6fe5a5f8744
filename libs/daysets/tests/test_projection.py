import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import DomainError, Kind
from chassis.events.model import Event, PoisonError, Received
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import projection, trust, wire
from daysets.follower import Follower
from daysets.index import DaySetIndex
from daysets.segment import Entry
from daysets.trust import Key, TrustedKeys, Use
from daysets.trust_store import TrustStore
from lilitong.quarantine.v1.keys_pb2 import VerificationKeysChanged

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]

ROOT = Path(__file__).parents[3]
FOLDERS = [ROOT / "libs/chassis/migrations", projection.MIGRATIONS]
TODAY = date(2022, 3, 10)  # of the `clock` fixture
TAG = b"t" * 16


def entry(n: int = 0) -> Entry:
    return Entry(TAG[:15] + bytes([n]), 1, bytes(8))


@pytest.fixture
async def pool(make_service_database):
    """As the service's own role, with partitions for the live days."""
    database = await make_service_database(venue=FOLDERS)
    made = await asyncpg.create_pool(database.url("venue"), min_size=2, max_size=4)
    await made.fetchval("SELECT ensure_day_partitions('day_set_segments', $1, $2)", TODAY, TODAY + timedelta(days=2))
    yield made
    await made.close()


@pytest.fixture
async def conn(pool):
    async with pool.acquire() as connection:
        yield connection


async def nothing(_: bytes):
    for segment in ():
        yield segment


@pytest.fixture
def follow(pool, clock, log):
    """Makes followers of their own lists, as two replicas of one service have."""

    def make(**given) -> tuple[Follower, DaySetIndex]:
        index = DaySetIndex(lambda: log.keys)
        return Follower(pool, index, clock, **{"fetch_snapshot": nothing, "poll": 0.05} | given), index

    return make


async def until(condition, seconds: float = 5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions are of the outside
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*workers):
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Bell:
    """Core NATS between replicas, as `chassis.events.broadcast` offers it."""

    def __init__(self):
        self.callbacks = []

    async def ring(self, payload: bytes = b"") -> None:
        for callback in self.callbacks:
            callback(payload)

    def listen(self, callback) -> None:
        self.callbacks.append(callback)


def received(segment, **changes) -> Received:
    given = {"subject": "lilitong.quarantine.restricted.v1.segment", "aggregate": "x", "day": segment.day}
    event = Event.of(wire.to_message(segment), **given | {"drill_id": segment.drill_id} | changes)
    return Received.read(event.subject, event.headers(), event.payload)


async def test_what_is_stored_is_read_back_once_and_in_order(conn, log):
    segments = [log.segment(n, [entry(n)], day=TODAY) for n in (2, 1, 3)]
    for segment in segments[:2]:
        assert await projection.apply(conn, segment, proven=True)
    version, loaded = await projection.load_since(conn, 0, TODAY)
    assert loaded == segments[:2]
    assert await projection.load_since(conn, version, TODAY) == (version, [])
    assert not await projection.apply(conn, segments[0], proven=True)
    assert await projection.apply(conn, segments[2], proven=True)
    assert (await projection.load_since(conn, version, TODAY))[1] == segments[2:]
    assert (await projection.load_since(conn, 0, TODAY + timedelta(days=1)))[1] == []


async def test_a_reader_never_skips_a_segment_that_commits_late(pool, log):
    """Two writers at once: the second gets its version only when the first has committed."""
    async with pool.acquire() as slow, pool.acquire() as quick, pool.acquire() as reader:
        transaction = slow.transaction()
        await transaction.start()
        await projection.apply(slow, log.segment(1, day=TODAY), proven=True)
        second = asyncio.create_task(projection.apply(quick, log.segment(2, day=TODAY), proven=True))
        await asyncio.sleep(0.1)
        seen, loaded = await projection.load_since(reader, 0, TODAY)
        assert loaded == []
        await transaction.commit()
        assert await second
        assert [s.number for s in (await projection.load_since(reader, seen, TODAY))[1]] == [1, 2]


async def test_a_forgery_does_not_take_the_place_of_the_genuine_segment(conn, log, index):
    genuine = log.segment(1, [entry()], day=TODAY)
    forged = replace(genuine, salt=b"forged" + bytes(10))
    handle = projection.segment_handler(lambda: TrustedKeys(logs=tuple(log.keys)), lambda: None)
    assert await handle(conn, received(forged)) is not None
    assert await handle(conn, received(genuine)) is not None
    assert await handle(conn, received(genuine)) is None
    rows = await conn.fetch("SELECT proven FROM day_set_segments ORDER BY version")
    assert [row["proven"] for row in rows] == [False, True]


async def test_segments_wait_uncounted_while_no_log_key_is_known(conn, log):
    handle = projection.segment_handler(TrustedKeys, lambda: None)
    with pytest.raises(DomainError) as refused:
        await handle(conn, received(log.segment(1, day=TODAY)))
    assert refused.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("change", [{"day": TODAY + timedelta(days=1)}, {"drill_id": "d"}], ids=str)
async def test_an_envelope_of_another_day_or_drill_is_poison(conn, log, change):
    handle = projection.segment_handler(lambda: TrustedKeys(logs=tuple(log.keys)), lambda: None)
    with pytest.raises(PoisonError):
        await handle(conn, received(log.segment(1, day=TODAY), **change))


async def test_two_replicas_follow_and_tell_their_listeners(pool, follow, log, clock):
    bell, told = Bell(), []
    (first, index), (second, other) = follow(bell=bell, poll=30.0), follow(bell=bell, poll=30.0)
    second.on_change(told.extend)
    async with running(first, second):
        await until(lambda: first.current and second.current)
        segment = log.segment(1, [entry()], day=TODAY)
        async with pool.acquire() as conn:
            await projection.apply(conn, segment, proven=True)
        await first.announce()
        await until(lambda: index.version and other.version)
    assert told == [segment]
    assert index.lookup(TODAY, "", entry().tag, clock.now()) is not None
    assert other.lookup(TODAY, "", entry().tag, clock.now()) is not None


async def test_the_poll_finds_what_no_bell_announced(pool, follow, log):
    follower, index = follow()
    async with running(follower):
        await until(lambda: follower.current)
        async with pool.acquire() as conn:
            await projection.apply(conn, log.segment(1, day=TODAY), proven=True)
        await until(lambda: index.version > 0)


async def test_a_listener_that_fails_disturbs_neither_the_others_nor_the_list(pool, follow, log):
    follower, index = follow()
    told = []
    follower.on_change(lambda _: 1 / 0)
    follower.on_change(told.extend)
    async with running(follower):
        for number in (1, 2):
            async with pool.acquire() as conn:
                await projection.apply(conn, log.segment(number, day=TODAY), proven=True)
            await until(lambda: len(told) == number)  # noqa: B023 - awaited within the turn
    assert index.status(TODAY).complete


async def test_a_first_start_is_not_ready_before_a_whole_snapshot_has_come(follow, log, pool):
    segments = [log.segment(n, [entry(n)], day=TODAY, base_parts=3) for n in (1, 2, 3)]
    calls, let_through = [], asyncio.Event()

    async def fetch(token: bytes):
        calls.append(token)
        yield segments[0]
        if len(calls) == 1:
            raise ConnectionError
        await let_through.wait()
        for segment in segments[1:]:
            yield segment

    follower, index = follow(fetch_snapshot=fetch)
    async with running(follower):
        await until(lambda: len(calls) == 2)
        assert not follower.current
        let_through.set()
        await until(lambda: follower.current)
    assert index.status(TODAY).complete
    async with pool.acquire() as conn:
        assert (await projection.load_since(conn, 0, TODAY))[1] == segments


async def test_a_restart_with_quarantine_away_is_ready_from_postgres(follow, log):
    async def fetch(_: bytes):
        yield log.segment(1, [entry()], day=TODAY)

    async def away(_: bytes):
        raise ConnectionError
        yield

    first, _ = follow(fetch_snapshot=fetch)
    async with running(first):
        await until(lambda: first.current)
    again, index = follow(fetch_snapshot=away)
    async with running(again):
        await until(lambda: again.current)
    assert index.status(TODAY).complete


async def test_age_grows_while_postgres_is_away_and_the_list_stays(follow, log, pool, clock):
    time = [100.0]
    follower, index = follow(monotonic=lambda: time[0])
    assert follower.age is None
    async with pool.acquire() as conn:
        await projection.apply(conn, log.segment(1, [entry()], day=TODAY), proven=True)
        await projection.mark_seeded(conn)
    await follower.check()
    assert (follower.age, follower.current) == (0.0, True)
    follower._pool = type("Away", (), {"acquire": lambda *_, **__: (_ for _ in ()).throw(OSError)})()
    time[0] += 6.0
    with pytest.raises(OSError):  # noqa: PT011 - whatever the text
        await follower.check()
    assert (follower.age, follower.current) == (6.0, False)
    assert index.lookup(TODAY, "", entry().tag, clock.now()) is not None


async def test_days_gone_by_are_dropped_from_memory(follow, log, pool, clock):
    follower, index = follow()
    async with pool.acquire() as conn:
        await projection.apply(conn, log.segment(1, day=TODAY), proven=True)
    await follower.check()
    clock.advance(timedelta(days=2))
    await follower.check()
    assert list(index.segments()) == []


def public(private) -> bytes:
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def keys_of(log, clock) -> list[Key]:
    bounds = {"not_before": clock.now() - timedelta(days=1), "not_after": clock.now() + timedelta(days=1)}
    issuer = public(ec.derive_private_key(7, ec.SECP256R1()))
    return [
        Key(b"issuer..", Use.PASS, issuer, **bounds),
        Key(b"log.....", Use.LOG, public(log.signer.private_key), origin=log.signer.name, **bounds),
    ]


@pytest.fixture
def store_of(pool, clock):
    return lambda fetch, refetch=0.05: TrustStore(pool, clock, fetch=fetch, poll=0.05, refetch=refetch)


async def away():
    raise ConnectionError


async def test_keys_are_kept_so_that_a_restart_needs_no_quarantine(store_of, log, clock):
    listed = keys_of(log, clock)
    first = store_of(lambda: asyncio.sleep(0, listed))
    assert not first.ready
    await first.refresh()
    again = store_of(away)
    async with running(again):
        await until(lambda: again.ready)
    assert again.listed == listed
    assert again.keys.logs == tuple(log.keys)


async def test_a_revoked_key_is_dropped_and_an_expired_one_too(store_of, log, clock):
    listed, changes = keys_of(log, clock), []
    store = store_of(lambda: asyncio.sleep(0, listed))
    store.on_change(lambda: changes.append(set(store.keys.passes)))
    async with running(store):
        await until(lambda: store.ready)
        listed = [replace(listed[0], revoked=True), listed[1]]
        await until(lambda: not store.keys.passes)
        assert store.keys.logs
        clock.advance(timedelta(days=2))
        await until(lambda: not store.keys.logs)
    assert changes[:2] == [{b"issuer.."}, set()]


async def test_replicas_that_refresh_at_once_do_not_disturb_each_other(store_of, log, clock, conn):
    listed = keys_of(log, clock)
    await asyncio.gather(*(store_of(lambda: asyncio.sleep(0, listed)).refresh() for _ in range(3)))
    assert await projection.load_keys(conn) == listed


async def test_an_empty_list_of_keys_is_not_taken_over(conn, log, clock):
    await projection.replace_keys(conn, keys_of(log, clock))
    with pytest.raises(ValueError, match="never empty"):
        await projection.replace_keys(conn, [])
    event = Event.of(VerificationKeysChanged(), subject="s", aggregate="keys", day=TODAY)
    with pytest.raises(PoisonError):
        await projection.keys_handler(lambda: None)(conn, Received.read("s", event.headers(), event.payload))
    assert await projection.load_keys(conn) == keys_of(log, clock)


@pytest.mark.feature("S3")
async def test_an_event_about_keys_makes_quarantine_be_asked_and_is_not_believed_itself(conn, store_of, log, clock):
    """Whoever gets at the bus could else bring a log of their own and deny anybody."""
    listed = keys_of(log, clock)
    store = store_of(lambda: asyncio.sleep(0, listed), refetch=60)
    theirs = public(ed25519.Ed25519PrivateKey.generate())
    forged = [replace(listed[1], kid=b"forged..", public_key=theirs)]
    message = VerificationKeysChanged(keys=trust.to_messages(forged))
    event = Event.of(message, subject="s", aggregate="keys", day=TODAY, event_id=uuid4())
    async with running(store):
        await until(lambda: store.ready)
        listed = [replace(listed[0], revoked=True), *listed[1:]]
        after = await projection.keys_handler(store.wake)(conn, Received.read("s", event.headers(), event.payload))
        assert await projection.load_keys(conn) != forged
        after()
        await until(lambda: not store.keys.passes)
    assert b"forged.." not in {key.kid for key in store.listed}
    assert await projection.load_keys(conn) == listed


async def test_a_log_key_that_arrives_late_turns_stored_doubts_into_denials(pool, clock, log, store_of):
    listed = keys_of(log, clock)
    store = store_of(lambda: asyncio.sleep(0, listed))
    index = DaySetIndex(lambda: store.keys.logs)
    follower = Follower(pool, index, clock, fetch_snapshot=nothing)
    told = []
    follower.on_change(told.extend)
    store.on_change(follower.recheck)
    async with pool.acquire() as conn:
        await projection.apply(conn, log.segment(1, [entry()], day=TODAY), proven=False)
    await follower.check()
    assert index.doubt(TODAY, "", entry().tag) is not None
    assert told == []
    await store.refresh()
    assert index.lookup(TODAY, "", entry().tag, clock.now()) is not None
    assert [segment.number for segment in told] == [1]
