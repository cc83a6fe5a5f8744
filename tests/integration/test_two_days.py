"""S5: after two days, what venue, checkpoint and the bus hold does not link two days of anybody."""

import asyncio
import secrets
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from importlib import import_module

import asyncpg
import nats
import pytest
from devstack import scene
from devstack.district import District
from devstack.gateclient import GateClient
from devstack.stack import Stack
from google.protobuf.message import Message
from lilitong.checkpoint.v1 import scan_pb2
from passes import device, pass_token
from passes.days import day_number, local_day

pytestmark = pytest.mark.slow

# What two days may share: places, and what has few values because it is a kind, a grade, a count or a policy.
PLACES_AND_KINDS = {
    "zone", "post", "area", "grade", "index_grade", "verdict", "late", "drill_id", "reasons", "reason", "static_card",
    "part", "parts", "passage_minutes", "generation", "number", "base_parts", "shard", "subject", "type", "consumer",
    "published", "attempts", "category", "venue_name", "visitors", "capacity", "code_version", "version", "device_id",
    "temperature_decicelsius", "health_code", "itinerary_card", "mask_worn", "observations", "bearer_matched",
    "ce-type", "ce-source", "ce-specversion", "ce-drillid", "content-type", "place", "facts", "state", "proven", "sent",
}  # fmt: skip
EVENTS = {
    "SearchOpened": "lilitong.quarantine.v1.events_pb2",
    "DaySetSegment": "lilitong.quarantine.v1.day_set_pb2",
    "VerificationKeysChanged": "lilitong.quarantine.v1.keys_pb2",
    "ExposureFound": "lilitong.venue.v1.events_pb2",
    "VenueRegistered": "lilitong.venue.v1.events_pb2",
    "VenueCodeChanged": "lilitong.venue.v1.events_pb2",
    "PassagesFound": "lilitong.checkpoint.v1.events_pb2",
    "DeviceChanged": "lilitong.checkpoint.v1.events_pb2",
}
RECORD = 27
DAY_NS = 86_400_000_000_000
MIDNIGHT_NS = 16 * 3_600_000_000_000  # midnight in the district, in UTC


def leaves(message: Message, around: tuple[tuple[str, object], ...] = ()):
    """Groups of (name, value) that stand together: one group per message without children, with what is around it."""
    plain, children = list(around), []
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.full_name != "google.protobuf.Timestamp":
            children += values
        elif field.name == "entries":
            children_of_set = [value[at : at + RECORD] for at in range(0, len(value), RECORD)]
            for record in children_of_set:
                yield [("tag", record[:16]), ("reference", record[17:25])]
        elif field.name == "cards":
            for at in range(0, len(value), 24):
                yield [("card", value[at : at + 8]), ("tag", value[at + 8 : at + 24])]
        elif field.message_type is not None:
            plain += [(field.name, each.ToNanoseconds()) for each in values]
        else:
            plain += [(field.name, each) for each in values]
    if not children:
        yield plain
    for child in children:
        yield from leaves(child, tuple(plain))


def decoded(type_name: str, payload: bytes):
    """The groups of an event's payload."""
    name = type_name.rpartition(".")[2]
    kind = getattr(import_module(EVENTS[name]), name)
    return leaves(kind.FromString(payload))


async def rows_of(connection, schema: str):
    """Every row of every table of a schema, payloads opened."""
    tables = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE nspname = $1 AND relkind = 'r' AND relname NOT IN ('schema_migrations', 'venues', 'zones')",
        schema,
    )
    for (table,) in tables:
        for row in await connection.fetch(f'SELECT * FROM "{schema}"."{table}"'):
            group = []
            for column, value in row.items():
                if column == "payload":
                    for found in decoded(row["type"], value):
                        yield table, [(n, v) for n, v in group if n != "payload"] + found
                elif column == "segment":
                    message = import_module(EVENTS["DaySetSegment"]).DaySetSegment.FromString(bytes(value))
                    for found in leaves(message):
                        yield table, found
                else:
                    group.append((column, bytes(value) if isinstance(value, memoryview) else value))
            yield table, group


async def messages_of(url: str):
    """Every message of every stream: headers and opened payload."""
    client = await nats.connect(url)
    stream_manager = client.jetstream()
    for info in await stream_manager.streams_info():
        for sequence in range(info.state.first_seq, info.state.last_seq + 1):
            try:
                message = await stream_manager.get_msg(info.config.name, sequence)
            except nats.js.errors.NotFoundError:
                continue
            headers = [(name.lower(), value) for name, value in (message.headers or {}).items()]
            for found in decoded((message.headers or {})["ce-type"], message.data or b""):
                yield info.config.name, headers + found
    await client.close()


def linking(value: object) -> bool:
    """Whether a value could tell one person from another: ids, times, seals; not small numbers and flags."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, datetime):
        value = int(value.timestamp()) * 1_000_000_000
    if isinstance(value, int):
        # A local midnight bounds everybody's day alike, so the end of one day may be the start of the next.
        return abs(value) > 1_000_000 and (value - MIDNIGHT_NS) % DAY_NS != 0
    if isinstance(value, (bytes, str, list)):
        return len(value) > 0
    return True


async def one_day(stack: Stack, district: District, phones, place, gate) -> None:
    """Everybody checks in twice, passes the gate, uploads an offline scan, and one of them becomes a case on day two."""
    await scene.visit(district, place, phones)
    await asyncio.gather(
        *(district.check_in(phone.check_in(place.code, district.now()), place.code) for phone in phones)
    )
    async with GateClient(stack.address("checkpoint"), gate) as client:
        for phone in phones:
            await client.scan(phone.show(district.now()), district.now())


async def upload(stack: Stack, district: District, phones, gate, days) -> None:
    """One batch of offline scans that spans both days, as a device makes it."""
    scans = []
    for phone in phones:
        for at in days:
            claims = tags_of(phone, local_day(at))
            scan = scan_pb2.OfflineScan(
                scan_id=secrets.token_bytes(8), day=day_number(local_day(at)), tags=claims[:1], verdict="VERDICT_ALLOW"
            )
            scan.scanned_at.FromDatetime(at)
            scans.append(scan)
    batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=scans).SerializeToString()
    from hashlib import sha256

    signature = device.sign_batch(gate.key, sha256(batch).digest())
    async with GateClient(stack.address("checkpoint"), gate) as client:
        answer = await client.stub.RecordScans(
            scan_pb2.RecordScansRequest(batch=batch, signature=signature),
            timeout=10,
            metadata=client.metadata(district.now()),
        )
    assert {result.outcome for result in answer.results} == {scan_pb2.RECORD_OUTCOME_RECORDED}


def tags_of(phone, day) -> tuple[bytes, ...]:
    """The tags that a phone's pass of a day states."""
    from passes import cose

    return pass_token.read_claims(cose.parse_sign1(phone.passes[day]).payload).tags


@pytest.mark.feature("X5", "X3", "V4", "C4")
async def test_nothing_but_places_and_policy_is_shared_by_two_days_of_a_person(state_dir):
    stack = await Stack.start(state_dir / "two-days", clock_offset=-86400.0)
    district = District(stack)
    try:
        district.travel(timedelta(days=-1))
        await district.start_policy()
        place, gate = await scene.venue(district), await scene.gate(district)
        phones = await scene.people(district, 12)
        yesterday = district.now()
        await one_day(stack, district, phones, place, gate)
        district.travel(timedelta())
        await asyncio.sleep(2.0)
        today = datetime.now(UTC)
        await one_day(stack, district, phones, place, gate)
        await upload(stack, district, phones, gate, (yesterday, today))
        await scene.confirm(district, phones[0])
        await asyncio.sleep(3.0)
        days = (local_day(yesterday), local_day(today))
        await judge(stack, phones, days)
    finally:
        await district.close()
        await stack.stop()


async def everything(stack: Stack) -> list[list[tuple[str, object]]]:
    """All groups of names and values that stand together, in both schemas and in JetStream."""
    groups = []
    connection = await asyncpg.connect(stack.database_url(stack.database.admin_url, "postgres"))
    for schema in ("venue", "checkpoint"):
        groups += [group async for _, group in rows_of(connection, schema)]
    await connection.close()
    groups += [group async for _, group in messages_of(stack.bus.url)]
    return [
        [(name, tuple(value) if isinstance(value, list) else value) for name, value in group if linking(value)]
        for group in groups
    ]


async def judge(stack: Stack, phones, days) -> None:
    """Reads everything and compares each person's two days, joins over ids included."""
    groups = await everything(stack)
    where = defaultdict(list)
    for group in groups:
        for name, value in group:
            if name.lower() not in PLACES_AND_KINDS:
                where[value].append(group)
    owner = {tags_of(phone, day)[0]: (phone.resident_id, day) for phone in phones for day in days}
    known = defaultdict(set)
    for tag, person_day in owner.items():
        reached = {value for group in where[tag] for name, value in group if name.lower() not in PLACES_AND_KINDS}
        # One join further: rows that share an id with the person's rows, without naming the person themselves.
        joined = {
            value
            for link in reached
            if link != tag and len(where[link]) <= 50
            for group in where[link]
            if not any(other in owner for _, other in group)
            for name, value in group
            if name.lower() not in PLACES_AND_KINDS
        }
        known[person_day] = reached | joined
    assert all(len(values) > 1 for values in known.values()), "the dump must show everybody on both days"
    assert len(known) == 2 * len(phones)
    shared = {
        phone.resident_id: known[phone.resident_id, days[0]] & known[phone.resident_id, days[1]] for phone in phones
    }
    assert {person: values for person, values in shared.items() if values} == {}
