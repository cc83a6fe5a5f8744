"""Keeping up with the server: resuming, mending, and whom to believe."""

import secrets
from datetime import timedelta

import pytest
from daysets import wire as daysets_wire
from daysets.segment import Entry
from daysets.testing import MemoryLog
from lilitong.checkpoint.v1 import scan_pb2
from passes.days import local_day
from scanner import sync
from verdicts.model import Colour, Observations, Policy, Reason, Verdict

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


def numbers(shown):
    return [text.number for text in shown.reasons]


async def test_a_restart_of_the_server_is_followed_by_a_resumed_sync_that_lacks_nothing(checkpoint, scanner):
    alice = secrets.token_bytes(16)
    await checkpoint.stop()
    await checkpoint.until(lambda: not scanner.status().online)
    checkpoint.restrict(alice)
    await checkpoint.start()
    await checkpoint.until(lambda: scanner.status().online, 5)
    assert checkpoint.tokens[0] == b""
    assert checkpoint.tokens[-1]
    assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY


async def test_a_new_run_resumes_where_the_last_one_ended(checkpoint, tmp_path):
    for _ in range(2):
        async with checkpoint.scanner(tmp_path) as scanner:
            assert await scanner.wait_current(10)
            assert scanner.status().list_complete
    assert [bool(token) for token in checkpoint.tokens] == [False, True]


async def test_a_token_that_the_server_does_not_know_any_more_leads_to_a_fresh_start(checkpoint, tmp_path):
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
    checkpoint.forgets_tokens = True
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
    assert [bool(token) for token in checkpoint.tokens] == [False, True, False]


async def test_a_part_that_is_known_to_be_missing_is_asked_for_and_until_then_the_list_does_not_grow_younger(
    checkpoint, tmp_path
):
    alice = secrets.token_bytes(16)
    checkpoint.kept_back.append(checkpoint.restrict(alice))
    checkpoint.restrict(secrets.token_bytes(16), number=3)
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: len(checkpoint.tokens) == 2)
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (scanner.status().list_complete, scanner.status().list_age_seconds) == (False, None)
        assert shown.online
        await checkpoint.stop()
        off = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (off.verdict, numbers(off)) == (Verdict.REFER, [Reason.LIST_TOO_OLD])
        checkpoint.kept_back.clear()
        await checkpoint.start()
        await checkpoint.until(lambda: scanner.status().list_complete)
        assert (await scanner.scan(checkpoint.show(alice), WELL)).verdict is Verdict.DENY
    assert checkpoint.tokens == [b"", b"", b""]


async def test_a_server_that_falls_silent_is_left_and_found_again(checkpoint, tmp_path):
    async with checkpoint.scanner(tmp_path, silence_seconds=0.3) as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.until(lambda: len(checkpoint.tokens) >= 2)
        assert await scanner.wait_current(10)


async def test_a_set_proven_by_another_log_is_not_believed_though_the_server_vouches_for_its_key(checkpoint, tmp_path):
    alice, other = secrets.token_bytes(16), MemoryLog(seed=5)
    real = checkpoint.log
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
        checkpoint.log = other
        checkpoint.push(scan_pb2.SyncResponse(keys=checkpoint.keys()))
        segment = other.segment(2, [Entry(alice, 1, bytes(8))], day=local_day(checkpoint.clock.now()))
        checkpoint.index.apply(segment)
        checkpoint.push(scan_pb2.SyncResponse(segment=daysets_wire.to_message(segment)))
        shown = await scanner.scan(checkpoint.show(alice), WELL)
        assert (shown.verdict, numbers(shown)) == (Verdict.REFER, [Reason.UNPROVEN_DENIAL])
    checkpoint.log = real


async def test_a_withdrawn_log_key_proves_nothing_any_more(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
        checkpoint.log_key_revoked = True
        checkpoint.push(scan_pb2.SyncResponse(keys=checkpoint.keys()))
        checkpoint.restrict(alice)
        shown = await scanner.scan(checkpoint.show(alice), WELL)
        assert (shown.verdict, shown.denials) == (Verdict.REFER, ())
    async with checkpoint.scanner(tmp_path) as scanner:
        assert any("list" in problem for problem in scanner.status().problems)


async def test_the_posts_policy_is_followed_off_line_too(checkpoint, tmp_path):
    checkpoint.policy = Policy(version=4, temperature_required=False, codes_required=False)
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)))
        assert (shown.verdict, scanner.status().policy_version) == (Verdict.ALLOW, 4)


@pytest.mark.feature("C1")
async def test_a_revoked_device_is_told_and_goes_on_from_its_own_list(checkpoint, scanner):
    checkpoint.revoked = True
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.online, shown.queued, scanner.status().refused) == (False, True, True)


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-3), timedelta(minutes=20), timedelta(days=400)])
async def test_a_device_with_a_wrong_clock_is_put_right_by_the_server_and_gets_in(checkpoint, tmp_path, wrong_by):
    class Wrong:
        def now(self):
            return checkpoint.clock.now() + wrong_by

    async with checkpoint.scanner(tmp_path, clock=Wrong()) as scanner:
        assert await scanner.wait_current(5)
        assert abs(scanner.clock.now() - checkpoint.clock.now()) < timedelta(seconds=1)
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (shown.verdict, shown.online) == (Verdict.ALLOW, True)
    await checkpoint.stop()
    async with checkpoint.scanner(tmp_path, clock=Wrong()) as scanner:
        off = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (off.verdict, off.list_age_seconds) == (Verdict.ALLOW, 0)


async def test_a_phone_is_judged_by_the_servers_clock_and_not_by_the_gates(checkpoint, tmp_path):
    """Off line: a pass that is fresh in truth, at a gate whose clock is 40 s slow."""

    class Slow:
        def now(self):
            return checkpoint.clock.now() - timedelta(seconds=40)

    async with checkpoint.scanner(tmp_path, clock=Slow()) as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert shown.verdict is Verdict.ALLOW


async def test_waiting_for_a_server_that_is_not_there_ends(checkpoint, tmp_path):
    await checkpoint.stop()
    async with checkpoint.scanner(tmp_path) as scanner:
        assert not await scanner.wait_current(0.2)


async def test_a_background_failure_is_said_and_not_hidden(checkpoint, tmp_path, monkeypatch):
    def broken(self, message):
        raise RuntimeError("a defect")

    monkeypatch.setattr(sync.Syncing, "_take", broken)
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().problems)
        assert not scanner.status().online
