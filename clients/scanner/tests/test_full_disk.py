"""A disk without room: a small file system of its own, really filled, and a limit on the size of files."""

import contextlib
import os
import resource
import secrets
import shutil
import subprocess

import pytest
from lilitong.checkpoint.v1.scan_pb2 import VERDICT_ALLOW, OfflineScan
from scanner import checks
from scanner.backlog import MOST_IN_MEMORY, Backlog
from scanner.checks import Level
from scanner.journal import Journal
from scanner.render import Lang, state, verdict
from scanner.shown import Kept
from verdicts.model import Colour, Observations, Verdict

pytestmark = pytest.mark.feature("C4")
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


class Small:
    """A file system of 1 MB."""

    def __init__(self, folder):
        self.folder, self._ballast = folder, folder.parent / "disk" / "ballast"

    def fill(self):
        with self._ballast.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            for _ in range(10_000):
                ballast.write(bytes(512))
        assert shutil.disk_usage(self.folder).free == 0

    def free(self):
        self._ballast.unlink()


class Limited:
    """No file may grow: what is left of a disk whose quota is used up. Works without any rights."""

    def __init__(self, folder):
        self.folder, self._before = folder, resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._before[1]))

    def free(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@pytest.fixture(params=["small disk", "quota"])
def disk(request, tmp_path):
    if request.param == "quota":
        found = Limited(tmp_path / "state")
        yield found
        found.free()
        return
    (tmp_path / "disk").mkdir()
    if os.getuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk; the quota is tried anyhow")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path / "disk")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here; the quota is tried anyhow")
    try:
        (tmp_path / "state").symlink_to(tmp_path / "disk" / "state")
        (tmp_path / "disk" / "state").mkdir(mode=0o700)
        yield Small(tmp_path / "state")
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)


def item(number):
    scan = OfflineScan(scan_id=number.to_bytes(8, "big"), day=19061, verdict=VERDICT_ALLOW)
    scan.scanned_at.FromSeconds(1_646_884_800 + number)
    return scan


def ids(scans):
    return [int.from_bytes(scan.scan_id, "big") for scan in scans]


def test_what_the_disk_does_not_take_is_kept_in_memory_and_goes_there_in_order_when_there_is_room(disk):
    disk.folder.mkdir(exist_ok=True)
    backlog = Backlog(disk.folder / "journal.db")
    assert backlog.add(item(0)) is Kept.ON_DISK
    disk.fill()
    kept = [backlog.add(item(number)) for number in range(1, 400)]
    first = kept.index(Kept.IN_MEMORY)
    assert set(kept[first:]) == {Kept.IN_MEMORY}, "once full, nothing is said to be on disk"
    assert backlog.trouble
    assert backlog.counts() == (400, 0, 399 - first)
    assert ids(backlog.oldest(1000)) == list(range(400))
    disk.free()
    assert backlog.add(item(400)) in (Kept.ON_DISK, Kept.IN_MEMORY)
    backlog.save()
    assert (backlog.trouble, backlog.counts()) == ("", (401, 0, 0))
    backlog.close()
    journal = Journal(disk.folder / "journal.db")
    assert (journal.damaged, ids(journal.oldest(1000))) == (None, list(range(401)))
    journal.close()


def test_what_was_on_disk_is_whole_after_the_power_fails_on_a_full_disk(disk, tmp_path):
    disk.folder.mkdir(exist_ok=True)
    backlog = Backlog(disk.folder / "journal.db")
    said = [backlog.add(item(number)) for number in range(5)]
    disk.fill()
    said += [backlog.add(item(number)) for number in range(5, 300)]
    on_disk = said.count(Kept.ON_DISK)
    copy = tmp_path / "after the power came back"
    disk.free()
    shutil.copytree(disk.folder, copy)  # as the files lie there, without any closing
    journal = Journal(copy / "journal.db")
    assert (journal.damaged, ids(journal.oldest(1000))) == (None, list(range(on_disk)))
    journal.close()
    backlog.close()


def test_what_the_server_took_is_not_sent_again_though_the_disk_cannot_forget_it(disk):
    disk.folder.mkdir(exist_ok=True)
    backlog = Backlog(disk.folder / "journal.db")
    for number in range(3):
        backlog.add(item(number))
    disk.fill()
    next(number for number in range(3, 10_000) if backlog.add(item(number)) is Kept.IN_MEMORY)
    everything = backlog.oldest(10_000)
    backlog.settle([scan.scan_id for scan in everything[1:]], [(everything[0].scan_id, "TOO_OLD")])
    assert backlog.oldest(10_000) == []
    assert backlog.counts()[0] == 0
    disk.free()
    backlog.save()
    assert backlog.counts() == (0, 1, 0)
    assert [(kept.scan_id, kept.reason) for kept in backlog.aside()] == [(everything[0].scan_id, "TOO_OLD")]
    backlog.close()


def test_a_memory_that_is_full_too_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("scanner.backlog.MOST_IN_MEMORY", 2)
    limited = Limited(tmp_path)
    backlog = Backlog(tmp_path / "journal.db")
    limited.fill()
    try:
        said = [backlog.add(item(number)) for number in range(60)]
    finally:
        limited.free()
    assert said[-1] is Kept.NOWHERE
    assert said.count(Kept.IN_MEMORY) == 2
    assert MOST_IN_MEMORY >= 10_000
    backlog.close()


@pytest.mark.connected
async def test_off_line_with_a_full_disk_verdicts_go_on_staff_are_told_and_every_scan_arrives_once(checkpoint, disk):
    alice = secrets.token_bytes(16)
    checkpoint.restrict(alice)
    async with checkpoint.scanner(disk.folder) as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        disk.fill()
        shown = []
        while not (shown and shown[-1].in_memory) and len(shown) < 500:
            shown.append(await scanner.scan("", WELL))
        denied = await scanner.scan(checkpoint.show(alice), WELL)
        shown.append(denied)
        assert (denied.verdict, denied.recorded, denied.queued, denied.in_memory) == (Verdict.DENY, False, False, True)
        status = scanner.status()
        assert (status.queue, status.in_memory) == (len(shown), sum(one.in_memory for one in shown))
        said = "\n".join(line.plain for line in verdict(denied, Lang.BOTH, scanner.clock.now(), status.queue))
        assert "磁盘写不进，仅存内存！ NOT ON DISK, in memory only!" in said
        assert "make room on the disk, do not switch off" in state(status, Lang.EN).plain
        assert any("journal cannot be written" in problem for problem in status.problems)
        assert checkpoint.stored == {}
        disk.free()
        await checkpoint.until(lambda: scanner.status().in_memory == 0)
        assert not any("journal" in problem for problem in scanner.status().problems)
        assert scanner.status().queue == len(shown)
    await checkpoint.start()
    async with checkpoint.scanner(disk.folder) as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0 and scanner.status().online)
    assert {scan_id: len(rows) for scan_id, rows in checkpoint.stored.items()} == {one.scan_id: 1 for one in shown}


@pytest.mark.connected
async def test_with_a_full_disk_scans_reach_the_server_from_memory_once_it_is_there(checkpoint, disk):
    async with checkpoint.scanner(disk.folder) as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        disk.fill()
        shown = [await scanner.scan("", WELL) for _ in range(3)]
        await checkpoint.start()
        await checkpoint.until(lambda: scanner.status().queue == 0 and scanner.status().online)
        later = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert later.recorded
        disk.free()
    assert set(checkpoint.stored) == {one.scan_id for one in [*shown, later]}


@pytest.mark.connected
async def test_a_scanner_starts_on_a_full_disk_and_says_so(checkpoint, disk):
    async with checkpoint.scanner(disk.folder) as scanner:
        assert await scanner.wait_current(10)
    disk.fill()
    async with checkpoint.scanner(disk.folder) as scanner:
        assert await scanner.wait_current(10)
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (shown.verdict, shown.recorded) == (Verdict.ALLOW, True)
        await checkpoint.stop()
        away = await scanner.scan("", WELL)
        assert away.verdict is Verdict.REFER
        assert away.in_memory or away.queued
        assert checks.folder(disk.folder).level is Level.FAILED
        disk.free()
        await checkpoint.until(lambda: scanner.status().problems == ())
        assert scanner.status().queue == 1
