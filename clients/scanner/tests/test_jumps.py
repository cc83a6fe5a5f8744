"""A machine's clock that is set while the scanner runs, or while it is off."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lilitong.checkpoint.v1.scan_pb2 import VERDICT_ALLOW, OfflineScan
from passes.days import day_number, local_day
from scanner.clock import CorrectedClock, boot, counter
from scanner.journal import Journal, Mark
from scanner.state import Reading, Saved
from verdicts.model import Colour, Observations, Reason, Verdict

pytestmark = [pytest.mark.feature("C4")]
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)
NOON = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)
HOURS = timedelta(hours=1)


class Machine:
    """A clock that can be set, beside a counter that cannot. `true`: the time outside."""

    def __init__(self, true=NOON, off=timedelta()):
        self.began, self.true, self.off = true, true, off

    def now(self):
        return self.true + self.off

    def steady(self):
        return 1000 + (self.true - self.began).total_seconds()

    def wait(self, **time):
        self.true += timedelta(**time)


@given(
    st.floats(-1e7, 1e7),
    st.lists(st.tuples(st.floats(0, 90_000), st.floats(-1e7, 1e7)), min_size=1, max_size=8),
)
def test_between_two_words_of_the_server_no_setting_of_the_machines_clock_moves_the_time(off, steps):
    machine = Machine(off=timedelta(seconds=off))
    clock = CorrectedClock(machine, steady=machine.steady)
    clock.hear(machine.true)
    for waited, set_to in steps:
        machine.wait(seconds=waited)
        machine.off = timedelta(seconds=set_to)
        assert abs(clock.now() - machine.true) < timedelta(milliseconds=1)
        assert abs(machine.now() + clock.correction - machine.true) < timedelta(milliseconds=1)
    assert not clock.doubtful


def test_a_jump_is_told_until_the_server_is_heard_again():
    machine = Machine()
    clock = CorrectedClock(machine, steady=machine.steady)
    clock.hear(machine.true)
    machine.off = 3 * HOURS
    assert clock.jump == 3 * HOURS
    machine.wait(seconds=10)
    clock.hear(machine.true)
    assert (clock.jump, clock.correction, clock.now()) == (timedelta(), -3 * HOURS, machine.true)


def test_a_clock_that_nobody_confirmed_is_in_doubt_once_it_jumps():
    machine = Machine()
    clock = CorrectedClock(machine, steady=machine.steady, known=NOON - HOURS)
    assert not clock.doubtful
    machine.off = -HOURS
    assert clock.doubtful
    clock.hear(machine.true)
    assert not clock.doubtful


def test_a_dead_battery_is_in_doubt_and_whoever_sets_the_clock_is_believed():
    machine = Machine(off=datetime(1970, 1, 1, tzinfo=UTC) - NOON)
    clock = CorrectedClock(machine, timedelta(seconds=4), steady=machine.steady, known=NOON - HOURS)
    assert clock.doubtful
    machine.off = timedelta(minutes=1)
    assert clock.now() == machine.true + timedelta(minutes=1)


@pytest.mark.parametrize("set_meanwhile", [-30 * HOURS, 5 * HOURS, timedelta()])
def test_over_a_restart_of_the_program_the_counter_knows_what_time_it_is(set_meanwhile):
    machine = Machine()
    saved = Saved(clock_offset=timedelta(seconds=7), reading=Reading("boot", machine.steady(), machine.true, True))
    machine.wait(hours=2)
    machine.off = set_meanwhile
    offset, confirmed = saved.offset_now(machine.now(), "boot", machine.steady())
    assert (machine.now() + offset, confirmed) == (machine.true, True)


@pytest.mark.parametrize(
    ("this_boot", "confirmed", "counted"), [("other", True, 1), ("", True, 1), ("boot", False, 1), ("boot", True, -1)]
)
def test_over_a_restart_of_the_machine_or_without_a_servers_word_the_last_offset_is_all_there_is(
    this_boot, confirmed, counted
):
    saved = Saved(clock_offset=timedelta(seconds=7), reading=Reading("boot", 5.0, NOON, confirmed))
    assert saved.offset_now(NOON, this_boot, 5.0 + counted) == (timedelta(seconds=7), False)


def test_the_machines_counter_counts_and_its_start_has_a_name():
    first = counter()
    assert counter() >= first > 0
    assert boot() == boot()


def queued(number, at, *, tags=(), day=None):
    scan = OfflineScan(scan_id=bytes([number]) * 8, tags=tags, verdict=VERDICT_ALLOW)
    scan.day = day_number(day or local_day(at))
    scan.scanned_at.FromDatetime(at)
    return scan


def test_times_of_a_doubtful_clock_are_mended_and_the_order_stays(tmp_path):
    journal, wrong = Journal(tmp_path / "journal.db"), datetime(1970, 1, 1, tzinfo=UTC)
    journal.add(queued(1, wrong), Mark("boot", 100.0))
    journal.add(queued(2, NOON))
    journal.add(queued(3, wrong, tags=[bytes(16)]), Mark("boot", 160.0))
    journal.add(queued(4, wrong), Mark("another start", 1.0))
    journal.add(queued(5, NOON - 2 * HOURS, tags=[bytes(16)]), Mark("boot", 220.0))
    assert journal.mend("boot", NOON, 3700.0) == 3
    first, second, tagged, other, same_day = journal.oldest(9)
    assert first.scanned_at.ToDatetime(UTC) == NOON - HOURS
    assert first.day == day_number(local_day(NOON))
    assert second.scanned_at.ToDatetime(UTC) == NOON
    assert tagged.scanned_at.ToDatetime(UTC) == NOON - HOURS + timedelta(minutes=1)
    assert (list(tagged.tags), tagged.day) == ([], first.day)
    assert (list(same_day.tags), same_day.scanned_at.ToDatetime(UTC)) == ([bytes(16)], NOON - timedelta(minutes=58))
    assert other.scanned_at.ToDatetime(UTC) == wrong
    assert list(journal.older_than(NOON - 72 * HOURS)) == [other.scan_id]
    assert journal.mend("boot", NOON + HOURS, 3700.0) == 0
    journal.close()


connected = pytest.mark.connected


class Outside:
    """The checkpoint's clock: the true time."""

    def __init__(self, machine):
        self.machine = machine

    def now(self):
        return self.machine.true


@pytest.fixture
async def gate(checkpoint, tmp_path):
    """A machine, and a function that opens the scanner on it."""
    machine = Machine()
    checkpoint.clock = Outside(machine)
    return machine, lambda: checkpoint.scanner(tmp_path / "gate", clock=machine, steady=machine.steady)


@connected
@pytest.mark.parametrize("set_by", [9 * HOURS, -9 * HOURS, 13 * HOURS, -200 * HOURS])
async def test_off_line_no_jump_ages_a_list_makes_a_pass_stale_or_moves_a_restriction(checkpoint, gate, set_by):
    machine, opened = gate
    alice, bob = secrets.token_bytes(16), secrets.token_bytes(16)
    checkpoint.restrict(alice, end_minute=14 * 60)  # two in the afternoon, in two hours
    async with opened() as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        machine.wait(hours=1)
        machine.off = set_by
        denied = await scanner.scan(checkpoint.show(alice), WELL)
        passed = await scanner.scan(checkpoint.show(bob), WELL)
        status = scanner.status()
        machine.wait(hours=1, minutes=1)
        ended = await scanner.scan(checkpoint.show(alice), WELL)
    assert (denied.verdict, passed.verdict, ended.verdict) == (Verdict.DENY, Verdict.ALLOW, Verdict.ALLOW)
    assert passed.list_age_seconds == 3600
    assert status.clock_jump_seconds == set_by.total_seconds()
    assert not status.clock_doubtful


@connected
@pytest.mark.parametrize("set_by", [8 * HOURS, -30 * HOURS])
async def test_across_midnight_and_a_jump_the_queue_keeps_its_order_its_times_and_its_window(checkpoint, gate, set_by):
    machine, opened = gate
    async with opened() as scanner:
        assert await scanner.wait_current(10)
        await checkpoint.stop()
        times, ids = [], []
        for step in range(6):
            machine.wait(hours=4)
            machine.off = set_by if step % 2 else timedelta()
            shown = await scanner.scan("", WELL)
            times.append(machine.true)
            ids.append(shown.scan_id)
        found = scanner._backlog.oldest(10)
        assert [scan.scan_id for scan in found] == ids
        assert [scan.scanned_at.ToDatetime(UTC) for scan in found] == times
        assert {scan.day for scan in found} == {day_number(local_day(at)) for at in times}
        machine.wait(hours=72 - 20, minutes=1)
        assert scanner.status().overdue == 1
    machine.off = set_by * 3
    await checkpoint.start()
    async with opened() as scanner:
        await checkpoint.until(lambda: scanner.status().queue == 0)
        assert [item.scan_id for item in scanner.aside()] == ids[:1]
    assert list(checkpoint.stored) == ids[1:]


@connected
async def test_a_restart_off_line_after_a_jump_goes_on_with_the_true_time(checkpoint, gate):
    machine, opened = gate
    async with opened() as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()
    machine.wait(minutes=10)
    machine.off = timedelta(days=40)
    async with opened() as scanner:
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        status = scanner.status()
    assert (shown.verdict, shown.list_age_seconds) == (Verdict.ALLOW, 600)
    assert status.clock_offset_seconds == -timedelta(days=40).total_seconds()


@connected
async def test_after_a_dead_battery_everybody_is_referred_staff_are_told_and_times_are_mended(
    checkpoint, gate, monkeypatch
):
    machine, opened = gate
    async with opened() as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()
    monkeypatch.setattr("scanner.client.boot", lambda: "the next start")
    monkeypatch.setattr("scanner.upload.boot", lambda: "the next start")
    machine.wait(hours=1)
    machine.off = datetime(2021, 1, 1, tzinfo=UTC) - machine.true
    async with opened() as scanner:
        shown = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        assert (shown.verdict, scanner.status().clock_doubtful) == (Verdict.REFER, True)
        assert Reason.CLOCK in [reason.number for reason in shown.reasons]
        nobody, at = await scanner.scan("", WELL), machine.true
        machine.wait(minutes=30)
        await checkpoint.start()
        await checkpoint.until(lambda: scanner.status().queue == 0 and scanner.status().online)
        assert not scanner.status().clock_doubtful
        assert scanner.aside() == []
    (item,) = checkpoint.stored[nobody.scan_id]
    assert abs(item.scanned_at.ToDatetime(UTC) - at) < timedelta(seconds=1)
    assert item.day == day_number(local_day(at))


@connected
@pytest.mark.parametrize("ahead", [5 * HOURS, 30 * HOURS])
async def test_scans_of_a_clock_that_started_ahead_unnoticed_are_given_their_true_times(
    checkpoint, gate, monkeypatch, ahead
):
    """Nothing can tell such a clock from a right one; without mending, the service would refuse what is in its future."""
    machine, opened = gate
    async with opened() as scanner:
        assert await scanner.wait_current(10)
    await checkpoint.stop()
    monkeypatch.setattr("scanner.client.boot", lambda: "the next start")
    monkeypatch.setattr("scanner.upload.boot", lambda: "the next start")
    machine.wait(minutes=10)
    machine.off = ahead
    async with opened() as scanner:
        stale = await scanner.scan(checkpoint.show(secrets.token_bytes(16)), WELL)
        nobody, at = await scanner.scan("", WELL), machine.true
        assert stale.verdict is Verdict.REFER
        machine.wait(minutes=5)
        await checkpoint.start()
        await checkpoint.until(lambda: scanner.status().queue == 0 and scanner.status().online)
    for shown in (stale, nobody):
        (item,) = checkpoint.stored[shown.scan_id]
        assert abs(item.scanned_at.ToDatetime(UTC) - at) < timedelta(seconds=1)
        assert item.day == day_number(local_day(at))
    assert len(checkpoint.stored[stale.scan_id][0].tags) == (1 if ahead < 12 * HOURS else 0)
