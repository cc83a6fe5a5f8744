"""Sync: a snapshot, then every change; resumed where the token says; a scanner that does not read is let go."""

import asyncio
import secrets
from datetime import timedelta

import grpc
import pytest
from chassis.clock import local_day
from daysets import wire
from daysets.index import DaySetIndex, Outcome
from daysets.segment import Entry
from daysets.trust import Key, Use, to_messages
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceStub
from lilitong.quarantine.v1.keys_pb2 import VerificationKeysChanged

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]


async def read(stream, seconds=5):
    async with asyncio.timeout(seconds):
        message = await stream.read()
    assert message is not grpc.aio.EOF
    return message


async def to_the_end(stream):
    while await read(stream):
        pass


async def upto_heartbeat(stream):
    """The messages up to the first heartbeat, and that heartbeat."""
    messages = []
    while not (message := await read(stream)).HasField("heartbeat"):
        messages.append(message)
    return messages, message.heartbeat


def kinds(messages):
    return [message.WhichOneof("item") for message in messages]


def change(world, number, *tags):
    return world.quarantine.log.segment(
        number, [Entry(tag, 2, secrets.token_bytes(8)) for tag in tags], day=local_day(world.clock.now())
    )


async def test_the_snapshot_has_keys_policy_and_all_segments_each_verifiable_by_the_scanner(own_world):
    world = own_world
    stream = (await world.scanner()).sync()
    messages, beat = await upto_heartbeat(stream)
    assert kinds(messages) == ["keys", "policy", "segment", "segment", "segment"]
    assert list(messages[0].keys.keys) == to_messages(sorted(world.quarantine.keys, key=lambda key: key.kid))
    policy = messages[1].policy
    assert (policy.version, policy.high_temperature_decicelsius, policy.list_max_age_seconds) == (1, 373, 43_200)
    own = DaySetIndex(lambda: world.quarantine.log.keys)
    assert {own.apply(wire.from_message(m.segment)) for m in messages[2:]} == {Outcome.APPLIED}
    assert (beat.current, beat.list_age_seconds) == (True, 0)
    assert beat.resume_token == own.token()
    assert beat.server_time.ToDatetime() == world.clock.now().replace(tzinfo=None)
    stream.cancel()


async def test_changes_are_pushed_and_followed_by_the_new_token(own_world):
    world = own_world
    stream = (await world.scanner()).sync()
    _, beat = await upto_heartbeat(stream)
    await world.tell_segment(change(world, 2, secrets.token_bytes(16)))
    messages, after = await upto_heartbeat(stream)
    assert kinds(messages) == ["segment"]
    assert messages[0].segment.number == 2
    assert after.resume_token != beat.resume_token
    stream.cancel()


async def test_a_scanner_that_comes_back_is_sent_only_what_it_lacks(own_world):
    world = own_world
    scanner = await world.scanner()
    stream = scanner.sync()
    _, beat = await upto_heartbeat(stream)
    stream.cancel()
    await world.tell_segment(change(world, 2, secrets.token_bytes(16)))
    await asyncio.sleep(0.5)
    again = scanner.sync(beat.resume_token)
    messages, _ = await upto_heartbeat(again)
    assert [m.segment.number for m in messages if m.HasField("segment")] == [2]
    again.cancel()


async def test_a_token_that_is_not_ours_is_refused(own_world):
    world = own_world
    stream = (await world.scanner()).sync(b"\x07nonsense")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await read(stream)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_new_keys_and_policies_reach_connected_scanners(own_world):
    world = own_world
    stream = (await world.scanner()).sync()
    await upto_heartbeat(stream)
    kept = [*world.quarantine.keys[1:]]
    revoked = world.quarantine.keys[0]
    kept.append(Key(revoked.kid, Use.PASS, revoked.public_key, revoked.not_before, revoked.not_after, revoked=True))
    world.quarantine.keys = kept
    message = VerificationKeysChanged(keys=to_messages(kept))
    await world.tell(message, "lilitong.quarantine.key.v1.changed", day=local_day(world.clock.now()))
    messages, _ = await upto_heartbeat(stream)
    assert kinds(messages) == ["keys"]
    assert [key.revoked for key in messages[0].keys.keys if key.kid == b"real-key"] == [True]
    await world.sql.execute("INSERT INTO scan_policies VALUES (2, false, 380, false, true, 3600, '2021-01-01T00:00Z')")
    await world.sql.execute("UPDATE reference_version SET version = version + 1")
    messages, _ = await upto_heartbeat(stream)
    assert kinds(messages) == ["policy"]
    assert messages[0].policy.high_temperature_decicelsius == 380
    stream.cancel()


@pytest.mark.feature("X2")
async def test_a_pass_of_a_revoked_issuer_key_is_unknown_from_then_on(own_world):
    world = own_world
    scanner, alice = await world.scanner(), secrets.token_bytes(16)
    assert (await scanner.scan(world.quarantine.show((alice,), world.clock.now()))).verdict == scan_pb2.VERDICT_ALLOW
    world.quarantine.keys = world.quarantine.keys[1:]
    message = VerificationKeysChanged(keys=to_messages(world.quarantine.keys))
    await world.tell(message, "lilitong.quarantine.key.v1.changed", day=local_day(world.clock.now()))

    async def unknown():
        answer = await scanner.scan(world.quarantine.show((alice,), world.clock.now()))
        return [text.reason for text in answer.reasons] == [scan_pb2.SCAN_REASON_UNKNOWN_KEY]

    await world.until(unknown)


async def test_a_scanner_that_does_not_read_is_let_go_and_others_are_served_on(own_world, monkeypatch):
    world = own_world
    from checkpoint.sync import stream as sync_stream

    monkeypatch.setattr(sync_stream, "WRITE_S", 0.5)
    slow, quick = await world.scanner(), await world.scanner()
    narrow = [
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 16_384),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    stuck_channel = grpc.aio.insecure_channel(f"127.0.0.1:{world.services[0][0].ports[0]}", options=narrow)
    stuck = ScanServiceStub(stuck_channel).Sync(scan_pb2.SyncRequest(), metadata=slow.metadata())
    await read(stuck)
    reading = quick.sync()
    await upto_heartbeat(reading)
    big = [
        world.quarantine.log.segment(
            number,
            [Entry(secrets.token_bytes(16), 2, bytes(8)) for _ in range(20_000)],
            day=local_day(world.clock.now()),
        )
        for number in range(2, 10)
    ]
    for segment in big:
        await world.tell_segment(segment)
    seen = []
    while len(seen) < 8:
        message = await read(reading)
        if message.HasField("segment"):
            seen.append(message.segment.number)
    assert seen == list(range(2, 10))
    await asyncio.sleep(1.5)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await to_the_end(stuck)
    await stuck_channel.close()
    assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    reading.cancel()


async def test_the_service_is_not_ready_before_list_and_keys_have_come_once(surroundings, make_service_database, clock):
    database = await make_service_database("checkpoint")
    world = await surroundings.open(clock, database=database.name, ready=False)
    gone = world.settings.model_copy(update={"quarantine_target": "127.0.0.1:1"})
    complete = world.settings
    world.settings = gone
    starting = asyncio.create_task(world.start())
    await asyncio.sleep(1.5)
    (service, task) = world.services[0]
    assert not service.ready
    assert not starting.done()
    starting.cancel()
    service.stop()
    assert await task == 0
    world.services.clear()
    world.settings = complete
    await world.start()
    await world.stop()
    # What came once is kept: the next start does without quarantine.
    world.settings = gone
    await world.start()


async def test_yesterdays_list_is_dropped_and_tomorrows_takes_over_at_midnight(own_world):
    world = own_world
    scanner, alice = await world.scanner(), secrets.token_bytes(16)
    tomorrow = local_day(world.clock.now()) + timedelta(days=1)
    await world.tell_segment(world.quarantine.log.segment(2, [Entry(alice, 1, bytes(8))], day=tomorrow))
    await asyncio.sleep(0.5)
    show = world.quarantine.show
    assert (await scanner.scan(show((alice,), world.clock.now()))).verdict == scan_pb2.VERDICT_ALLOW
    world.clock.advance(timedelta(days=1))
    await asyncio.sleep(1.5)  # the bus was heard after the clock moved: the list is current again
    assert (await scanner.scan(show((alice,), world.clock.now()))).verdict == scan_pb2.VERDICT_DENY
