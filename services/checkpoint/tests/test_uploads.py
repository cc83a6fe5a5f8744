"""RecordScans: what devices judged without network, taken exactly once."""

import asyncio
import secrets
from datetime import timedelta

import asyncpg
import pytest
from chassis.clock import local_day
from chassis.errors import DomainError, Kind
from checkpoint.scanning.model import Grade, Scan
from checkpoint.scanning.store import insert_new
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from lilitong.checkpoint.v1 import scan_pb2

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4"), pytest.mark.asyncio(loop_scope="module")]


def new_tag():
    return secrets.token_bytes(16)


async def count(world):
    named = await world.sql.fetchval("SELECT count(*) FROM passages")
    return named, await world.sql.fetchval("SELECT count(*) FROM anonymous_passages")


async def test_items_of_several_days_are_kept_each_under_its_day_with_its_outcome(world):
    scanner, now = await world.scanner(), world.clock.now()
    fresh = world.offline(now - timedelta(minutes=1), new_tag())
    outcomes = await scanner.upload(
        fresh,
        world.offline(now - timedelta(days=2), new_tag(), new_tag()),
        world.offline(now - timedelta(days=1)),
        world.offline(now - timedelta(hours=73), new_tag()),
        world.offline(now + timedelta(minutes=2), new_tag()),
        world.offline(now, new_tag(), day=local_day(now) - timedelta(days=1)),
        fresh,
    )
    assert outcomes == [
        ("RECORDED", ""),
        ("RECORDED", ""),
        ("RECORDED", ""),
        ("REJECTED", "TOO_OLD"),
        ("REJECTED", "IN_THE_FUTURE"),
        ("REJECTED", "DAY_AND_TIME_DISAGREE"),
        ("DUPLICATE", ""),
    ]
    assert await count(world) == (3, 1)
    late = await world.sql.fetch("SELECT late, day FROM passages ORDER BY day")
    assert [(row["late"], row["day"]) for row in late] == [
        (True, local_day(now) - timedelta(days=2)),
        (True, local_day(now) - timedelta(days=2)),
        (False, local_day(now)),
    ]


async def test_batches_sent_three_times_at_once_are_taken_exactly_once(world):
    scanner, now = await world.scanner(), world.clock.now()
    items = [world.offline(now - timedelta(minutes=minute), new_tag()) for minute in range(120)]
    items += [world.offline(now - timedelta(minutes=minute)) for minute in range(20)]
    answers = await asyncio.gather(
        *(scanner.upload(*order) for order in (items, items[::-1], items[70:] + items[:70])),
    )
    recorded = sum(outcome == "RECORDED" for answer in answers for outcome, _ in answer)
    assert recorded == len(items)
    assert {outcome for answer in answers for outcome, _ in answer} == {"RECORDED", "DUPLICATE"}
    assert await count(world) == (120, 20)


async def test_a_scan_that_was_recorded_after_all_is_a_duplicate_when_uploaded(world):
    scanner, now, alice, first, second = await world.scanner(), world.clock.now(), new_tag(), b"scan-001", b"scan-002"
    await scanner.scan(world.quarantine.show((alice,), now), scan_id=first)
    await scanner.scan("", scan_id=second)
    outcomes = await scanner.upload(world.offline(now, alice, scan_id=first), world.offline(now, scan_id=second))
    assert outcomes == [("DUPLICATE", "")] * 2
    assert await count(world) == (1, 1)


async def test_a_batch_that_the_device_did_not_sign_is_refused_whole(world):
    scanner = await world.scanner()
    with pytest.raises(DomainError) as refused:
        await scanner.upload(world.offline(world.clock.now(), new_tag()), key=generate_private_key(SECP256R1()))
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "BATCH_SIGNATURE")
    assert await count(world) == (0, 0)


@pytest.mark.parametrize(
    "item",
    [
        scan_pb2.OfflineScan(scan_id=bytes(8), day=19061, verdict=1),
        scan_pb2.OfflineScan(scan_id=bytes(7), day=19061, verdict=1),
        scan_pb2.OfflineScan(scan_id=bytes(8), day=19061, verdict=1, tags=[b"short"]),
        scan_pb2.OfflineScan(scan_id=bytes(8), day=19061),
    ],
)
async def test_a_batch_against_its_contract_is_refused_with_the_fields_at_fault(world, item):
    scanner = await world.scanner()
    with pytest.raises(DomainError) as refused:
        await scanner.upload(item)
    assert refused.value.kind is Kind.INVALID
    assert refused.value.fields
    assert await count(world) == (0, 0)


async def test_a_day_beyond_any_calendar_is_rejected_without_failing_the_batch(world):
    scanner, now = await world.scanner(), world.clock.now()
    odd = world.offline(now, new_tag())
    odd.day = 0xFFFFFFFF
    assert await scanner.upload(odd, world.offline(now, new_tag())) == [
        ("REJECTED", "DAY_AND_TIME_DISAGREE"),
        ("RECORDED", ""),
    ]


async def test_a_connection_lost_in_the_middle_leaves_all_or_nothing_and_the_repeat_completes(world):
    scanner, now = await world.scanner(), world.clock.now()
    items = [world.offline(now, new_tag()) for _ in range(300)]
    blocker = world.sql.transaction()
    await blocker.start()
    # The upload is stopped in the middle: it waits for a row that another transaction holds, then loses its connection.
    last = max(items, key=lambda item: item.tags[0])
    await world.sql.execute(
        "INSERT INTO passages VALUES ($1, 0, $2, 1, 1, 1, false, $3, $4, '')",
        now,
        local_day(now),
        last.tags[0],
        last.scan_id,
    )
    sending = asyncio.create_task(scanner.upload(*items))
    waiting = "SELECT pid FROM pg_stat_activity WHERE usename = 'checkpoint' AND wait_event_type = 'Lock'"

    async def stuck():
        await world.sql.execute("SELECT pg_stat_clear_snapshot()")
        return await world.sql.fetchval(waiting)

    pid = await world.until(stuck)
    await world.sql.execute("SELECT pg_terminate_backend($1::int, 5000)", pid)
    with pytest.raises(DomainError) as lost:
        await sending
    assert lost.value.kind is Kind.UNAVAILABLE
    await blocker.rollback()
    assert await count(world) == (0, 0)
    assert await scanner.upload(*items) == [("RECORDED", "")] * 300
    assert await count(world) == (300, 0)


async def test_uploads_that_come_together_are_answered_each_for_itself(world):
    scanner, now = await world.scanner(), world.clock.now()
    known = [world.offline(now, new_tag()) for _ in range(20)]
    assert await scanner.upload(*known) == [("RECORDED", "")] * 20
    new = [[world.offline(now, new_tag()) for _ in range(20)] for _ in range(6)]
    nobody = [world.offline(now) for _ in range(3)]
    answers = await asyncio.gather(*(scanner.upload(*scans) for scans in (*new, known, nobody, [known[0], *new[0]])))
    assert answers[1:6] == [[("RECORDED", "")] * 20] * 5
    assert answers[6] == [("DUPLICATE", "")] * 20
    assert answers[7] == [("RECORDED", "")] * 3
    assert answers[8][0] == ("DUPLICATE", "")
    both = [sorted((a[0], b[0])) for a, b in zip(answers[0], answers[8][1:], strict=True)]
    assert both == [["DUPLICATE", "RECORDED"]] * 20
    assert await count(world) == (140, 3)


async def test_uploads_over_midnight_that_share_scans_never_wait_in_a_circle(world):
    """COPY writes a day's rows together, so the order in which everybody writes begins with the day."""
    first = local_day(world.clock.now())
    second = first + timedelta(days=1)

    def scan(day, number):
        tag = bytes(15) + bytes([number])
        return Scan((tag,), bytes(8), day, 1, world.clock.now(), 1, 0, Grade.SHOWN, False, "")

    shared = [scan(second, 1), scan(first, 5)]
    blocker, one, other = [await asyncpg.connect(world.settings.database_url) for _ in range(3)]
    try:
        held = blocker.transaction()
        await held.start()
        await insert_new(blocker, [scan(first, 4)])

        async def upload(connection, scans):
            async with connection.transaction():
                await insert_new(connection, scans)

        waiting = asyncio.create_task(upload(one, [*shared, scan(first, 4)]))
        await world.until(lambda: _waits(world, one))
        crossing = asyncio.create_task(upload(other, [scan(first, 0), *shared]))
        await asyncio.wait({crossing}, timeout=0.3)
        await held.rollback()
        outcomes = await asyncio.gather(waiting, crossing, return_exceptions=True)
    finally:
        for connection in (blocker, one, other):
            await connection.close()
    assert not [error for error in outcomes if isinstance(error, asyncpg.DeadlockDetectedError)]


async def _waits(world, connection):
    return await world.sql.fetchval(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", connection.get_server_pid()
    )


async def test_a_known_scan_among_new_ones_takes_none_of_them_along(world):
    """Everybody shows something, so that the upload is first tried as if all of it were new."""
    scanner, now = await world.scanner(), world.clock.now()
    known = world.offline(now, new_tag())
    assert await scanner.upload(known) == [("RECORDED", "")]
    new = [world.offline(now - timedelta(hours=12 * ago), new_tag()) for ago in range(4)]
    outcomes = [outcome for outcome, _ in await scanner.upload(*new[:2], known, *new[2:], new[0])]
    assert outcomes == ["RECORDED", "RECORDED", "DUPLICATE", "RECORDED", "RECORDED", "DUPLICATE"]
    assert await count(world) == (5, 0)


async def test_an_upload_that_cannot_be_stored_takes_none_of_its_neighbours_along(world):
    scanner, now = await world.scanner(), world.clock.now()
    uploads = [scanner.upload(world.offline(now, new_tag())) for _ in range(6)]
    uploads.insert(3, scanner.upload(world.offline(now, new_tag(), drill_id="a\x00b")))
    answers = await asyncio.gather(*uploads, return_exceptions=True)
    # INVALID is what makes a scanner look for the culprit; it would send anything else for three days.
    assert isinstance(answers[3], DomainError)
    assert answers[3].kind is Kind.INVALID
    assert answers[:3] + answers[4:] == [[("RECORDED", "")]] * 6
    assert await count(world) == (6, 0)
