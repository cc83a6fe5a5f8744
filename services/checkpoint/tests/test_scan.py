"""Scan: verdicts with their reasons, and exactly one row for each person and scan."""

import asyncio
import secrets
from datetime import timedelta

import pytest
from chassis.clock import local_day
from chassis.errors import DomainError, Kind
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.checkpoint.v1 import scan_pb2
from passes import cards, device

pytestmark = [pytest.mark.connected, pytest.mark.feature("C2"), pytest.mark.asyncio(loop_scope="module")]

ALLOW, REFER, DENY = scan_pb2.VERDICT_ALLOW, scan_pb2.VERDICT_REFER, scan_pb2.VERDICT_DENY


def new_tag():
    return secrets.token_bytes(16)


def reasons(answer):
    return [scan_pb2.ScanReason.Name(text.reason).removeprefix("SCAN_REASON_") for text in answer.reasons]


async def rows(world, table="passages"):
    return [dict(row) for row in await world.sql.fetch(f"SELECT * FROM {table} ORDER BY scan_id, day")]


async def restrict(world, *tags, reason=2, cards=()):
    """A change of today's list, told over the bus, once this replica has it; its entries."""
    entries = [Entry(tag, reason, secrets.token_bytes(8)) for tag in tags]
    segment = world.quarantine.change(entries, local_day(world.clock.now()), cards=cards)
    await tell(world, segment)
    return entries


async def tell(world, segment):
    """A scanner's stream shows that the replica has it."""
    stream = (await world.scanner()).sync()
    while (await stream.read()).WhichOneof("item") != "heartbeat":
        pass
    await world.tell_segment(segment)
    async with asyncio.timeout(5):
        while (message := await stream.read()).WhichOneof(
            "item"
        ) != "segment" or message.segment.drill_id != segment.drill_id:
            pass
    stream.cancel()


async def test_an_unrestricted_person_passes_and_is_kept_as_one_row(world):
    scanner, alice = await world.scanner(), new_tag()
    answer = await scanner.scan(world.quarantine.show((alice,), world.clock.now()))
    assert (answer.verdict, answer.recorded, answer.degraded, reasons(answer)) == (ALLOW, True, False, [])
    assert answer.server_time.ToDatetime().isoformat() == "2022-03-10T04:00:00"
    (row,) = await rows(world)
    assert (row["tag"], row["post"], row["passed_at"], row["late"]) == (alice, scanner.post, world.clock.now(), False)
    assert (row["day"], row["verdict"], row["grade"]) == (local_day(world.clock.now()), ALLOW, 1)


@pytest.mark.feature("Q10")
async def test_a_restriction_told_over_the_bus_stops_the_next_scan_and_names_its_proof(world):
    scanner, alice = await world.scanner(), new_tag()
    (entry,) = await restrict(world, alice)
    answer = await scanner.scan(world.quarantine.show((new_tag(), alice), world.clock.now(), presence=0b10))
    assert answer.verdict == DENY
    assert reasons(answer) == ["RESTRICTED_CLOSE_CONTACT"]
    assert (answer.reasons[0].text_zh, answer.reasons[0].text_en) != ("", "")
    (denial,) = answer.denials
    assert (denial.reference, denial.generation, denial.number, denial.person) == (
        entry.ref,
        1,
        world.quarantine.numbers[local_day(world.clock.now()), ""],
        1,
    )


async def test_a_household_is_one_row_each_and_the_worst_of_them_decides(world):
    scanner, alice, bob = await world.scanner(), new_tag(), new_tag()
    await restrict(world, bob)
    answer = await scanner.scan(world.quarantine.show((alice, bob), world.clock.now(), presence=0b11))
    assert answer.verdict == DENY
    assert {(row["tag"], row["verdict"]) for row in await rows(world)} == {(alice, DENY), (bob, DENY)}


async def test_a_forged_segment_makes_people_be_looked_at_and_never_denied(world):
    scanner, alice = await world.scanner(), new_tag()
    day = local_day(world.clock.now())
    await world.tell_segment(MemoryLog(seed=9).segment(500, [Entry(alice, 1, bytes(8))], day=day))
    await asyncio.sleep(0.5)
    answer = await scanner.scan(world.quarantine.show((alice,), world.clock.now()))
    assert (answer.verdict, reasons(answer)) == (REFER, ["UNPROVEN_DENIAL"])


async def test_the_same_scan_again_gets_the_first_answer_and_stays_one_row(world):
    scanner, alice, scan_id = await world.scanner(), new_tag(), secrets.token_bytes(8)
    text = world.quarantine.show((alice,), world.clock.now())
    assert (await scanner.scan(text, scan_id=scan_id)).verdict == ALLOW
    await restrict(world, alice)
    world.clock.advance(timedelta(seconds=120))  # by now it would be stale as well
    again = await scanner.scan(text, scan_id=scan_id)
    assert (again.verdict, reasons(again), again.recorded) == (ALLOW, [], True)
    assert len(await rows(world)) == 1


async def test_many_at_once_with_every_scan_sent_twice_are_kept_once_each(world):
    scanner = await world.scanner()
    shown = [(world.quarantine.show((new_tag(),), world.clock.now()), secrets.token_bytes(8)) for _ in range(60)]
    metadata = scanner.metadata()
    answers = await asyncio.gather(
        *(scanner.scan(text, scan_id=scan_id, metadata=metadata) for text, scan_id in shown * 2)
    )
    assert {(answer.verdict, answer.recorded) for answer in answers} == {(ALLOW, True)}
    assert len(await rows(world)) == 60


async def test_one_code_at_two_scans_is_a_replay(world):
    scanner, text = await world.scanner(), world.quarantine.show((new_tag(),), world.clock.now())
    assert (await scanner.scan(text)).verdict == ALLOW
    second = await scanner.scan(text)
    assert (second.verdict, reasons(second)) == (REFER, ["REPLAYED"])
    assert [row["grade"] for row in await rows(world)].count(4) == 1


@pytest.mark.feature("C1")
async def test_somebody_without_anything_is_referred_to_register_and_counted_without_a_tag(world):
    scanner, scan_id = await world.scanner(), secrets.token_bytes(8)
    for _ in range(2):
        answer = await scanner.scan("", scan_id=scan_id)
        assert (answer.verdict, reasons(answer)) == (REFER, ["NO_CREDENTIAL", "NOT_REGISTERED"])
        assert answer.recorded
    assert await rows(world) == []
    (row,) = await rows(world, "anonymous_passages")
    assert (row["scan_id"], row["verdict"]) == (scan_id, REFER)


async def test_a_stale_code_of_another_day_leaves_no_tag_behind(world):
    scanner, now = await world.scanner(), world.clock.now()
    yesterday = await scanner.scan(world.quarantine.show((new_tag(),), now - timedelta(days=1)))
    today = await scanner.scan(world.quarantine.show((new_tag(),), now - timedelta(minutes=5)))
    assert reasons(yesterday) == reasons(today) == ["STALE"]
    assert yesterday.verdict == today.verdict == REFER
    assert [row["grade"] for row in await rows(world)] == [4]
    assert len(await rows(world, "anonymous_passages")) == 1


async def test_a_code_signed_before_midnight_is_kept_under_its_own_day(world):
    world.clock.set(world.clock.now().replace(hour=16, minute=0, second=20))  # 00:00:20 of 11 March there
    await asyncio.sleep(1.3)  # the bus is asked every second whether anything waits; the clock has just leapt
    scanner = await world.scanner()
    signed = world.clock.now() - timedelta(seconds=40)
    answer = await scanner.scan(world.quarantine.show((new_tag(),), signed))
    assert (answer.verdict, answer.recorded) == (ALLOW, True)
    (row,) = await rows(world)
    assert (row["day"], row["passed_at"]) == (local_day(signed), signed)


@pytest.mark.feature("Q2")
async def test_a_paper_card_passes_matched_and_is_referred_unmatched(world):
    scanner, alice, number = await world.scanner(), new_tag(), cards.new_number()
    day = local_day(world.clock.now())
    await restrict(world, new_tag(), cards=[(cards.card_key(day, number), alice)])
    unmatched = await scanner.scan(cards.card_text(number))
    matched = await scanner.scan(cards.card_text(number), matched=True)
    unknown = await scanner.scan(cards.card_text(cards.new_number()))
    assert (unmatched.verdict, reasons(unmatched)) == (REFER, ["STATIC_CARD"])
    assert (matched.verdict, reasons(matched)) == (ALLOW, ["STATIC_CARD"])
    assert (unknown.verdict, reasons(unknown)) == (REFER, ["UNKNOWN_CARD"])
    assert sorted((row["tag"], row["grade"]) for row in await rows(world)) == [(alice, 2), (alice, 3)]


@pytest.mark.feature("X10")
async def test_a_drill_restriction_stops_its_drill_pass_and_nobody_real(world):
    scanner, alice = await world.scanner(), new_tag()
    base = world.quarantine.log.segment(
        1, [Entry(alice, 1, bytes(8))], day=local_day(world.clock.now()), drill_id="drill-1"
    )
    await tell(world, base)
    now = world.clock.now()
    drill = await scanner.scan(world.quarantine.show((alice,), now, drill_id="drill-1"))
    real = await scanner.scan(world.quarantine.show((alice,), now))
    other = await scanner.scan(world.quarantine.show((alice,), now, drill_id="drill-2"))
    assert (drill.verdict, drill.drill_id) == (DENY, "drill-1")
    assert (real.verdict, real.drill_id) == (ALLOW, "")
    assert (other.verdict, other.drill_id) == (ALLOW, "drill-2")
    assert {row["drill_id"] for row in await rows(world)} == {"drill-1", "drill-2", ""}


@pytest.mark.parametrize(
    "request_",
    [
        scan_pb2.ScanRequest(scan_id=b"short"),
        scan_pb2.ScanRequest(scan_id=bytes(8), credential="x" * 2049),
        scan_pb2.ScanRequest(scan_id=bytes(8), observations=scan_pb2.Observations(temperature_decicelsius=451)),
        scan_pb2.ScanRequest(scan_id=bytes(8), observations=scan_pb2.Observations(health_code=9)),
    ],
)
async def test_a_request_against_its_contract_is_refused_and_leaves_nothing(world, request_):
    scanner = await world.scanner()

    with pytest.raises(DomainError) as refused:
        await world.call(scanner.stub.Scan, request_, scanner.metadata())
    assert refused.value.kind is Kind.INVALID
    assert refused.value.fields
    assert await rows(world) == await rows(world, "anonymous_passages") == []


async def test_only_an_enrolled_device_with_its_own_fresh_key_may_scan(world):
    scanner, text = await world.scanner(), world.quarantine.show((new_tag(),), world.clock.now())
    other = generate_private_key(SECP256R1())
    old = device.mint(scanner.device_id, scanner.key, world.clock.now() - timedelta(minutes=6))
    wrong = device.mint(scanner.device_id, scanner.key, world.clock.now(), audience="somebody-else")
    good = device.mint(scanner.device_id, scanner.key, world.clock.now())
    for metadata, kind in [
        (world.person("checkpoint_lead"), Kind.DENIED),
        ((("x", "y"),), Kind.UNAUTHENTICATED),
        (scanner.metadata(other), Kind.UNAUTHENTICATED),
        ((("authorization", f"Device {old}"),), Kind.UNAUTHENTICATED),
        ((("authorization", f"Device {wrong}"),), Kind.UNAUTHENTICATED),
        ((("authorization", f"Device {good[:-4]}AAAA"),), Kind.UNAUTHENTICATED),
        ((("authorization", f"Bearer {good}"),), Kind.UNAUTHENTICATED),
    ]:
        with pytest.raises(DomainError) as refused:
            await scanner.scan(text, metadata=metadata)
        assert refused.value.kind is kind
    assert await rows(world) == []


async def test_a_token_is_refused_at_its_end_though_it_was_verified_before(world):
    scanner, metadata = await world.scanner(), None
    metadata = scanner.metadata()
    assert (await scanner.scan("", metadata=metadata)).recorded
    world.clock.advance(timedelta(minutes=5))
    with pytest.raises(DomainError) as refused:
        await scanner.scan("", metadata=metadata)
    assert refused.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.feature("C3")
async def test_a_policy_version_counts_from_its_moment_on(world):
    scanner = await world.scanner()
    await world.sql.execute(
        """
        INSERT INTO scan_policies (version, temperature_required, codes_required, registration_required, effective_from)
        VALUES (2, false, false, false, $1)
        """,
        world.clock.now() + timedelta(hours=1),
    )
    await world.sql.execute("UPDATE reference_version SET version = version + 1")
    await asyncio.sleep(1.3)
    nothing = scan_pb2.Observations()
    assert (await scanner.scan("", seen=nothing)).verdict == REFER
    world.clock.advance(timedelta(hours=1))
    assert (await scanner.scan("", seen=nothing)).verdict == ALLOW
