"""Verdicts without the server, from the last list: what it says, how old it may be, and that restrictions end."""

import secrets
from datetime import timedelta

import pytest
from daysets import wire as daysets_wire
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from verdicts.model import Colour, Observations, Reason, Verdict

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


def numbers(shown):
    return [text.number for text in shown.reasons]


async def filled(checkpoint, folder):
    """A folder whose scanner was current once; the server is gone afterwards."""
    async with checkpoint.scanner(folder) as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()


async def test_with_the_network_cut_from_the_start_the_last_list_decides(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    segment = checkpoint.restrict(alice)
    await filled(checkpoint, tmp_path)
    checkpoint.clock.advance(hours=2)
    async with checkpoint.scanner(tmp_path) as scanner:
        denied = await scanner.scan(checkpoint.show(alice), WELL)
        passed = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        status = scanner.status()
    (entry,) = segment.read_entries()
    assert (denied.verdict, denied.denials[0].reference) == (Verdict.DENY, entry.ref)
    assert (passed.verdict, passed.online, passed.recorded, passed.queued) == (Verdict.ALLOW, False, False, True)
    assert passed.list_age_seconds == 7200
    assert (status.online, status.queue, status.list_age_seconds) == (False, 2, 7200)


async def test_a_list_older_than_the_policy_allows_refers_everybody_and_denies_nobody(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    checkpoint.clock.advance(hours=-5)  # seven in the morning, so that twelve hours end on the same day
    checkpoint.restrict(alice)
    await filled(checkpoint, tmp_path)
    async with checkpoint.scanner(tmp_path) as scanner:
        checkpoint.clock.advance(hours=12)
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY
        checkpoint.clock.advance(seconds=2)
        denied = await scanner.scan(checkpoint.show(alice), WELL)
        passed = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (denied.verdict, denied.denials) == (Verdict.REFER, ())
    assert (passed.verdict, numbers(passed)) == (Verdict.REFER, [Reason.LIST_TOO_OLD])


async def test_a_restriction_ends_at_its_minute_without_network(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice, end_minute=12 * 60 + 30)  # half past noon, in half an hour
    await filled(checkpoint, tmp_path)
    async with checkpoint.scanner(tmp_path) as scanner:
        checkpoint.clock.advance(minutes=29)
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY
        checkpoint.clock.advance(minutes=1)
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.ALLOW


async def test_at_midnight_the_next_days_list_takes_over_without_network(checkpoint, tmp_path):
    alice, bob = secrets.token_bytes(16), secrets.token_bytes(16)  # bob: the tag that is restricted tomorrow
    today = local_day(checkpoint.clock.now())
    checkpoint.clock.advance(hours=11)
    checkpoint.restrict(alice)
    checkpoint.restrict(bob, day=today + timedelta(days=1))
    await filled(checkpoint, tmp_path)
    async with checkpoint.scanner(tmp_path) as scanner:
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY
        assert (await scanner.scan(checkpoint.show(bob), WELL)).verdict is Verdict.ALLOW
        checkpoint.clock.advance(hours=1, minutes=1)
        assert (await scanner.scan(checkpoint.show(bob), WELL)).verdict is Verdict.DENY
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.ALLOW


async def test_a_scanner_that_never_had_a_list_refers(checkpoint, tmp_path):
    await checkpoint.stop()
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, numbers(shown), shown.list_age_seconds) == (Verdict.REFER, [Reason.UNKNOWN_KEY], None)


async def test_doubts_about_a_forged_segment_survive_a_restart(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    forged = MemoryLog(seed=9).segment(2, [Entry(alice, 1, bytes(8))], day=local_day(checkpoint.clock.now()))
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
        checkpoint.push(scan_pb2.SyncResponse(segment=daysets_wire.to_message(forged)))
        await checkpoint.until(lambda: not scanner.status().list_complete)
    await checkpoint.stop()
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(checkpoint.show(alice), WELL)
        other = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL])
    assert other.verdict is Verdict.ALLOW


async def test_a_stored_list_that_was_tampered_with_denies_nobody_and_allows_nobody_unseen(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice)
    await filled(checkpoint, tmp_path)
    path = tmp_path / "lists.bin"
    data = path.read_bytes()
    at = data.index(alice)
    path.write_bytes(data[:at] + secrets.token_bytes(1) + data[at + 1 :])
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(checkpoint.show(alice), WELL)
        assert scanner.status().problems
    assert (shown.verdict, shown.denials) == (Verdict.REFER, ())
    assert Reason.LIST_TOO_OLD in numbers(shown)


async def test_a_clock_set_back_makes_no_list_young(checkpoint, tmp_path):
    await filled(checkpoint, tmp_path)
    checkpoint.clock.advance(minutes=-10)
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, numbers(shown), shown.list_age_seconds) == (Verdict.REFER, [Reason.LIST_TOO_OLD], None)


async def test_a_server_that_hangs_costs_each_person_less_than_a_second_and_then_only_a_moment(checkpoint, scanner):
    checkpoint.delay = 30
    first = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    second = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (first.verdict, first.online, first.queued) == (Verdict.ALLOW, False, True)
    assert first.took_ms < 1000
    assert (second.verdict, second.queued) == (Verdict.ALLOW, True)
    assert second.took_ms < 400
    checkpoint.delay = 0
    checkpoint.beat()
    assert (await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)).online
