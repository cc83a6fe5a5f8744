"""The self-test: what it finds, what it says to do, and that it works off line and beside a running scanner."""

import io
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from lilitong.checkpoint.v1.scan_pb2 import VERDICT_ALLOW, OfflineScan
from passes import cards, vector_passes
from rich.console import Console
from scanner import checks, standing
from scanner.backlog import Backlog
from scanner.checks import Level
from scanner.clock import SystemClock
from scanner.enrol import Device, Enrolment, make_device, save_device, save_enrolment
from scanner.peek import Heard, Peek
from scanner.render import Lang
from scanner.selftest import SelfTest
from scanner.sound import Sound, Speaker
from scanner.state import StateError

pytestmark = pytest.mark.feature("C4")
PASS = next(vector["text"] for vector in vector_passes.accepted() if vector["context"] == "")
NOWHERE = "127.0.0.1:1"


def told(check):
    return check.level, check.found.en, check.fix.en if check.fix else ""


def test_a_key_that_others_may_read_fails_with_the_command_that_mends_it(tmp_path):
    make_device(tmp_path)
    assert checks.key(tmp_path).level is Level.OK
    (tmp_path / "device.json").chmod(0o640)
    level, found, fix = told(checks.key(tmp_path))
    assert (level, fix) == (Level.FAILED, f"run chmod 600 {tmp_path}/device.json")
    assert "0640" in found


def test_a_key_that_is_missing_or_damaged_fails(tmp_path):
    assert told(checks.key(tmp_path)) == (Level.FAILED, "there is none", "run lilitong-scanner new-device")
    (tmp_path / "device.json").write_text(json.dumps({"device_id": "x"}))
    assert checks.key(tmp_path).level is Level.FAILED


@pytest.mark.parametrize(("free", "level"), [(10**9, Level.OK), (49_000_000, Level.ATTENTION), (10**6, Level.FAILED)])
def test_room_for_an_outage_is_asked_for(tmp_path, monkeypatch, free, level):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    assert checks.folder(tmp_path).level is level
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_write_fails(tmp_path):
    level, found, fix = told(checks.folder(tmp_path / "nowhere"))
    assert (level, bool(fix)) == (Level.FAILED, True)
    assert "cannot be written" in found


def test_verification_is_timed_on_a_real_pass_and_slowness_is_said(monkeypatch):
    assert checks.signature().level is Level.OK
    monkeypatch.setattr(checks, "SLOW_MS", 0.0)
    assert checks.signature().level is Level.ATTENTION


def test_a_verification_that_refuses_a_good_pass_fails(monkeypatch):
    monkeypatch.setattr(checks, "read", lambda *_, **__: None)
    assert checks.signature().level is Level.FAILED


def test_decoding_of_typed_input_is_tried_with_every_end_of_line(monkeypatch):
    assert checks.wedge().level is Level.OK
    monkeypatch.setattr("scanner.keyboard._ENDS", b"\r\n")
    assert checks.wedge().level is Level.FAILED


@pytest.mark.parametrize(
    ("line", "level", "hint"),
    [
        (PASS, Level.OK, ""),
        (cards.card_text(bytes(16)), Level.OK, ""),
        (None, Level.ATTENTION, "cable"),
        ("", Level.ATTENTION, "next self-test"),
        (PASS.replace(":", ";", 1), Level.FAILED, "US keyboard layout"),
        (PASS.swapcase()[:-1], Level.FAILED, "US keyboard layout"),
        ("6901234567892", Level.ATTENTION, "pass or a paper card"),
    ],
)
def test_what_a_trigger_pull_brought_in_is_judged(line, level, hint):
    found, _, fix = told(checks.scanned(line))
    assert found is level
    assert hint in fix


@pytest.fixture
def enrolled(checkpoint, tmp_path):
    """A folder enrolled for the checkpoint, never used yet."""
    folder = tmp_path / "gate"
    device = Device(checkpoint.device_id, checkpoint.device_key)
    save_device(folder, device)
    save_enrolment(folder, Enrolment(checkpoint.target, tuple(checkpoint.log.keys), plaintext=True))
    return folder


async def report(folder, **more):
    """Levels by name, and the printed text."""
    screen = io.StringIO()
    test = SelfTest(Console(file=screen, width=200, no_color=True), more.pop("lang", Lang.EN), plain=False)
    await test.run(folder, Speaker(Sound.OFF, lambda: None), **more)
    return {check.name.en: check for check in test.checks}, screen.getvalue()


@pytest.mark.connected
async def test_all_is_well_with_an_enrolled_device_that_has_its_list(live_checkpoint, tmp_path):
    folder = tmp_path / "gate"
    save_device(folder, Device(live_checkpoint.device_id, live_checkpoint.device_key))
    save_enrolment(folder, Enrolment(live_checkpoint.target, tuple(live_checkpoint.log.keys), plaintext=True))
    async with live_checkpoint.scanner(folder, clock=None) as scanner:
        assert await scanner.wait_current(10)
    found, printed = await report(folder)
    assert {name: check.level for name, check in found.items() if check.level} == {}
    assert {"server", "clock", "list", "queue", "log key", "device key", "signature check"} <= set(found)
    assert "+0.0 s against the server" in printed or "-0.0 s against the server" in printed
    assert found["log key"].found.en.startswith(live_checkpoint.log.keys[0].name)


@pytest.mark.connected
async def test_it_changes_nothing_and_works_beside_a_running_scanner(live_checkpoint, tmp_path):
    folder = tmp_path / "gate"
    save_device(folder, Device(live_checkpoint.device_id, live_checkpoint.device_key))
    save_enrolment(folder, Enrolment(live_checkpoint.target, tuple(live_checkpoint.log.keys), plaintext=True))
    async with live_checkpoint.scanner(folder, clock=None) as scanner:
        assert await scanner.wait_current(10)
        await live_checkpoint.stop()
        await scanner.scan("")
        before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".json", ".bin"}}
        found, printed = await report(folder, seconds=0.5)
        after = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".json", ".bin"}}
        assert after == before
        assert found["queue"].found.en == "1 to upload, 0 put aside"
        assert "a scanner is running" in printed
        assert scanner.status().queue == 1


@pytest.mark.connected
async def test_off_line_it_says_what_cannot_be_known_and_that_work_goes_on(checkpoint, enrolled):
    await checkpoint.stop()
    found, printed = await report(enrolled, seconds=0.5)
    assert found["server"].level is Level.ATTENTION
    assert "work goes on off line" in printed
    assert found["clock"].level is Level.ATTENTION
    assert told(found["list"])[0] is Level.FAILED
    alone, _ = await report(enrolled, seconds=0)
    assert "server" not in alone


@pytest.mark.connected
async def test_a_revoked_device_fails_and_is_named_for_the_checkpoint_lead(live_checkpoint, tmp_path):
    folder = tmp_path / "gate"
    save_device(folder, Device(live_checkpoint.device_id, live_checkpoint.device_key))
    save_enrolment(folder, Enrolment(live_checkpoint.target, tuple(live_checkpoint.log.keys), plaintext=True))
    live_checkpoint.revoked = True
    found, printed = await report(folder)
    assert found["server"].level is Level.FAILED
    assert f"enrol device {live_checkpoint.device_id}" in printed


@pytest.mark.connected
async def test_a_clock_that_is_years_off_is_measured_though_the_server_refuses_its_token(checkpoint, enrolled):
    """The fixture's checkpoint lives in 2022."""
    found, _ = await report(enrolled)
    behind = (checkpoint.clock.now() - Peek(enrolled).clock.now()).total_seconds()
    level, said, fix = told(found["clock"])
    assert level is Level.ATTENTION
    assert abs(float(said.split(" s ")[0]) + behind) < 5
    assert "timedatectl" in fix
    assert found["server"].level is Level.OK
    assert found["list"].level is Level.OK


def age(peek, **back):
    peek.held.current_at = peek.clock.now() - timedelta(**back)


@pytest.mark.connected
async def test_an_old_or_missing_list_is_judged_by_the_policy(live_checkpoint, tmp_path):
    folder = tmp_path / "gate"
    save_device(folder, Device(live_checkpoint.device_id, live_checkpoint.device_key))
    async with live_checkpoint.scanner(folder, clock=None) as scanner:
        assert await scanner.wait_current(10)
    peek = Peek(folder)
    assert standing.restricted_list(peek).level is Level.OK
    age(peek, hours=7)
    assert standing.restricted_list(peek).level is Level.ATTENTION
    age(peek, hours=12, minutes=1)
    assert "everybody is REFER" in standing.restricted_list(peek).found.en
    age(peek, hours=-1)
    assert standing.restricted_list(peek).level is Level.FAILED


def test_overdue_and_refused_scans_ask_for_attention(tmp_path):
    make_device(tmp_path)
    assert told(standing.queue(Peek(tmp_path))) == (Level.OK, "0 to upload, 0 put aside", "")
    backlog, now = Backlog(tmp_path / "journal.db"), SystemClock().now()
    for number, hours in enumerate((73, 71, 1)):
        scan = OfflineScan(scan_id=bytes([number]) * 8, day=1, verdict=VERDICT_ALLOW)
        scan.scanned_at.FromDatetime(now - timedelta(hours=hours))
        backlog.add(scan)
    level, found, fix = told(standing.queue(Peek(tmp_path)))
    assert (level, fix) == (Level.ATTENTION, "go on line, and tell the checkpoint lead")
    assert found.startswith("3 to upload, 0 put aside, 1 older than 72 h")
    backlog.settle([bytes([1]) * 8], [(bytes(8), "TOO_OLD")])
    backlog.close()
    level, found, fix = told(standing.queue(Peek(tmp_path)))
    assert (level, found) == (Level.ATTENTION, "1 to upload, 1 put aside")
    assert "queue --clear" in fix


def test_a_clock_behind_what_is_known_fails(tmp_path):
    device = make_device(tmp_path)
    peek = Peek(tmp_path)
    assert standing.clock(peek, Heard(None, 2.0)).level is Level.OK
    assert standing.clock(peek, Heard(None, -40.0)).level is Level.ATTENTION
    peek.clock.known = peek.clock.now() + timedelta(hours=1)
    assert standing.clock(peek, None).level is Level.FAILED
    assert standing.log_key(peek).level is Level.FAILED
    assert str(device.device_id) in checks.key(tmp_path).found.en


def test_a_folder_that_is_not_there_is_said_with_what_to_do(tmp_path):
    with pytest.raises(StateError, match="enrol this scanner first"):
        Peek(tmp_path / "nowhere")


@pytest.mark.feature("X9")
async def test_every_line_and_every_fix_is_in_both_languages(tmp_path):
    make_device(tmp_path)
    zh, zh_printed = await report(tmp_path, lang=Lang.ZH, seconds=0)
    en, en_printed = await report(tmp_path, lang=Lang.EN, seconds=0)
    assert [check.level for check in zh.values()] == [check.level for check in en.values()]
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in en_printed)
    for line in zh_printed.splitlines():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in line), line


def test_the_whole_is_as_bad_as_its_worst_line(tmp_path):
    make_device(tmp_path)
    good = checks.key(tmp_path)
    assert checks.worst([]) is Level.OK
    assert checks.worst([good]) is Level.OK
    assert checks.worst([good, checks.scanned(""), good]) is Level.ATTENTION
