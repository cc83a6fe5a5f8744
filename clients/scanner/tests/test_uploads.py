"""Scans made without acknowledgement: on disk before they are shown, with the server exactly once."""

import asyncio
import secrets
from datetime import timedelta

import pytest
from passes.days import day_number, local_day
from scanner.link import CallError
from verdicts.model import Colour, Observations, Verdict

pytestmark = [pytest.mark.connected, pytest.mark.feature("C4")]
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


async def scan_off_line(checkpoint, folder, count=3):
    """Scans made while the server is away; their ids, in order."""
    async with checkpoint.scanner(folder) as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()
    async with checkpoint.scanner(folder) as scanner:
        shown = [await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL) for _ in range(count)]
        assert all(one.queued for one in shown)
    return [one.scan_id for one in shown]


async def test_a_queue_from_a_former_run_is_uploaded_by_itself_once(checkpoint, tmp_path):
    alice = secrets.token_bytes(16)
    async with checkpoint.scanner(tmp_path) as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16), alice, presence=0b11), WELL)
    made_at = checkpoint.clock.now()
    checkpoint.clock.advance(hours=1)
    await checkpoint.start()
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
    (item,) = checkpoint.stored[shown.scan_id]
    assert item.tags[1] == alice
    assert (item.day, item.verdict) == (day_number(local_day(made_at)), Verdict.ALLOW)
    assert abs(item.scanned_at.ToDatetime(made_at.tzinfo) - made_at) < timedelta(seconds=1)
    assert item.observations.temperature_decicelsius == 366


async def test_lost_answers_make_no_second_copy(checkpoint, tmp_path):
    ids = await scan_off_line(checkpoint, tmp_path)
    checkpoint.lose_answers = 2
    await checkpoint.start()
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
    assert checkpoint.batches == 3
    assert {scan_id: len(rows) for scan_id, rows in checkpoint.stored.items()} == dict.fromkeys(ids, 1)


async def test_what_the_server_could_not_commit_is_sent_again_under_the_same_id(checkpoint, scanner):
    checkpoint.recorded = False
    alice = secrets.token_bytes(16)
    shown = await scanner.scan(checkpoint.show(alice), WELL)
    assert (shown.verdict, shown.online, shown.recorded, shown.queued) == (Verdict.ALLOW, True, False, True)
    await checkpoint.until(lambda: scanner.status().queue == 0)
    (item,) = checkpoint.stored[shown.scan_id]
    assert list(item.tags) == [alice]


async def test_a_scan_that_was_committed_though_its_answer_was_late_is_one_scan(checkpoint, scanner):
    checkpoint.delay = 1.0
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.online, shown.queued) == (False, True)
    checkpoint.delay = 0
    checkpoint.beat()
    await checkpoint.until(lambda: scanner.status().queue == 0)
    assert [len(rows) for rows in checkpoint.stored.values()] == [1]


async def test_scans_older_than_72_hours_are_kept_aside_and_said(checkpoint, tmp_path):
    (old,) = await scan_off_line(checkpoint, tmp_path, 1)
    checkpoint.clock.advance(hours=71, minutes=58)
    async with checkpoint.scanner(tmp_path) as scanner:
        await scanner.scan("", WELL)
        checkpoint.clock.advance(minutes=3)
        assert (scanner.status().queue, scanner.status().overdue, scanner.status().aside) == (2, 1, 0)
    await checkpoint.start()
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
        (kept,) = scanner.aside()
        assert (kept.scan_id, kept.reason, scanner.status().aside) == (old, "TOO_OLD", 1)
        assert len(checkpoint.stored) == 1
        assert scanner.clear_aside() == 1
        assert scanner.status().aside == 0


async def test_a_scan_that_the_server_rejects_is_kept_aside_and_the_others_go_on(checkpoint, tmp_path):
    ids = await scan_off_line(checkpoint, tmp_path)
    checkpoint.refuse[ids[1]] = "DAY_AND_TIME_DISAGREE"
    await checkpoint.start()
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
        assert [(item.scan_id, item.reason) for item in scanner.aside()] == [(ids[1], "DAY_AND_TIME_DISAGREE")]
    assert set(checkpoint.stored) == {ids[0], ids[2]}


async def test_a_scan_that_spoils_its_whole_batch_is_found_and_put_aside(checkpoint, tmp_path):
    ids = await scan_off_line(checkpoint, tmp_path, 7)
    checkpoint.refuse[ids[4]] = "POISON"
    await checkpoint.start()
    async with checkpoint.scanner(tmp_path) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
        assert [item.scan_id for item in scanner.aside()] == [ids[4]]
    assert set(checkpoint.stored) == set(ids) - {ids[4]}


async def test_an_upload_on_demand_says_when_the_server_is_away(checkpoint, tmp_path):
    await scan_off_line(checkpoint, tmp_path, 1)
    async with checkpoint.scanner(tmp_path) as scanner:
        with pytest.raises(CallError, match="UNAVAILABLE"):
            await scanner.upload()
        assert scanner.status().queue == 1


async def test_a_stale_pass_of_another_day_is_kept_without_its_tags(checkpoint, tmp_path):
    await scan_off_line(checkpoint, tmp_path, 0)
    text = checkpoint.show(secrets.token_bytes(16))
    checkpoint.clock.advance(hours=20)
    async with checkpoint.scanner(tmp_path) as scanner:
        shown = await scanner.scan(text, WELL)
        await checkpoint.start()
        await checkpoint.until(lambda: scanner.status().queue == 0)
    (item,) = checkpoint.stored[shown.scan_id]
    assert (list(item.tags), item.day) == ([], day_number(local_day(checkpoint.clock.now())))


async def test_a_journal_that_cannot_be_written_does_not_stop_the_gate(checkpoint, scanner):
    await checkpoint.stop()
    journal = scanner._backlog._journal
    journal.close()
    shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
    assert (shown.verdict, shown.recorded, shown.queued) == (Verdict.ALLOW, False, False)
    assert any("journal" in problem for problem in scanner.status().problems)


async def test_many_scans_at_once_during_an_outage_all_arrive_once(checkpoint, scanner):
    async def one(number):
        if number == 20:
            await checkpoint.stop()
        if number == 40:
            await checkpoint.start()
        return await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)

    shown = []
    for start in range(0, 60, 10):
        shown += await asyncio.gather(*(one(number) for number in range(start, start + 10)))
    await checkpoint.until(lambda: scanner.status().queue == 0 and scanner.status().online, 15)
    assert {one.verdict for one in shown} == {Verdict.ALLOW}
    assert {scan_id: len(rows) for scan_id, rows in checkpoint.stored.items()} == {one.scan_id: 1 for one in shown}
