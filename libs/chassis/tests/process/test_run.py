import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap

import pytest
from chassis.run import Service, _open_files
from chassis.tasks import supervise


class FakeServer:
    def __init__(self, story):
        self.story = story

    async def start(self):
        self.story.append("start")
        return 1

    async def serving(self, ready):
        self.story.append(f"serving {ready}")

    async def drain(self, grace, *, linger=0.0):
        self.story.append("drain")
        return True


async def live(wire, *, until=None):
    service = Service("test", drain_seconds=1)
    living = asyncio.create_task(service.serve(wire))
    if until is not None:
        async with asyncio.timeout(5):
            while not until(service):  # noqa: ASYNC110 - any condition
                await asyncio.sleep(0.01)
    service.stop()
    async with asyncio.timeout(10):
        return service, await living


async def test_an_end_asked_for_while_the_start_waits_is_not_kept_waiting():
    """A database that does not come is waited for, for a minute; SIGTERM meanwhile is heard at once."""
    story, waits = [], asyncio.Event()

    async def close():
        story.append("closed")

    async def wire(service):
        service.closer("bus", close)
        waits.set()
        await asyncio.sleep(60)
        story.append("wired")

    service = Service("test", drain_seconds=1)
    living = asyncio.create_task(service.serve(wire))
    await waits.wait()
    service.stop()
    async with asyncio.timeout(2):
        assert await living == 0
    assert story == ["closed"]


async def test_a_condition_that_holds_again_during_the_drain_makes_nobody_ready():
    story, holds, draining = [], [True], asyncio.Event()

    class Lasting(FakeServer):
        async def drain(self, grace, *, linger=0.0):
            draining.set()
            await asyncio.sleep(1.2)
            return await super().drain(grace, linger=linger)

    async def wire(service):
        service.server(Lasting(story))
        service.check("store", lambda: holds[0])

    service = Service("test", drain_seconds=5)
    living = asyncio.create_task(service.serve(wire))
    async with asyncio.timeout(5):
        while not service.ready:  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.01)
        holds[0] = False
        while service.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        service.stop()
        await draining.wait()
        holds[0] = True
        assert await living == 0
    assert story == ["start", "serving True", "serving False", "drain"]


async def test_a_start_that_somebody_else_cancels_is_cancelled():
    waits = asyncio.Event()

    async def wire(service):
        waits.set()
        await asyncio.sleep(60)

    living = asyncio.create_task(Service("test").serve(wire))
    await waits.wait()
    living.cancel()
    with pytest.raises(asyncio.CancelledError):
        await living


async def test_a_start_is_ready_soon_after_its_conditions_hold():
    looks = 0

    def tenth_time():
        nonlocal looks
        looks += 1
        return looks >= 10

    async def wire(service):
        service.server(FakeServer([]))
        service.check("list", tenth_time)

    began = asyncio.get_running_loop().time()
    await live(wire, until=lambda service: service.ready)
    assert asyncio.get_running_loop().time() - began < 4  # a look every half second would take longer


async def test_the_end_is_the_start_in_reverse():
    story = []

    async def close(what):
        story.append(f"close {what}")

    async def forever():
        try:
            await asyncio.sleep(60)
        finally:
            story.append("task cancelled")

    async def wire(service):
        service.closer("pool", lambda: close("pool"))
        service.closer("bus", lambda: close("bus"))
        service.task("relay", forever)
        service.server(FakeServer(story))

    _, code = await live(wire, until=lambda service: service.ready)
    assert code == 0
    assert story == ["start", "serving True", "drain", "task cancelled", "close bus", "close pool"]


async def test_readiness_follows_the_checks_and_a_check_that_fails_or_hangs_is_no():
    state = {"ok": False, "error": False}
    story = []

    async def check():
        if state["error"]:
            raise RuntimeError
        return state["ok"]

    async def wire(service):
        service.check("state", check)
        service.server(FakeServer(story))

    service = Service("test")
    living = asyncio.create_task(service.serve(wire))
    async with asyncio.timeout(5):
        while not service.ports:  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.01)
    assert not await service.look()
    state["ok"] = True
    assert await service.look()
    state["error"] = True
    assert not await service.look()
    service.stop()
    assert await living == 0
    assert story == ["start", "serving True", "serving False", "drain"]


async def test_a_crashed_task_is_started_again_and_an_essential_one_ends_the_process():
    runs = []

    async def crash_twice():
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError
        await asyncio.sleep(60)

    async def wire(service):
        service.task("flaky", crash_twice)

    _, code = await live(wire, until=lambda _: len(runs) == 3)
    assert code == 0

    async def boom():
        raise RuntimeError

    async def wire_essential(service):
        service.task("core", boom, essential=True)

    async with asyncio.timeout(5):
        assert await Service("test").serve(wire_essential) == 1


async def test_a_failure_while_wiring_closes_what_was_open():
    closed = []

    async def close():
        closed.append(True)

    async def wire(service):
        service.closer("pool", close)
        raise RuntimeError

    assert await Service("test").serve(wire) == 1
    assert closed == [True]


async def test_a_closer_that_hangs_or_fails_does_not_keep_the_others_from_closing():
    closed = []

    async def fail():
        raise RuntimeError

    async def close():
        closed.append(True)

    async def wire(service):
        service.closer("last", close)
        service.closer("failing", fail)
        service.closer("hanging", lambda: asyncio.sleep(60), limit=0.1)

    _, code = await live(wire)
    assert (code, closed) == (0, [True])


async def test_supervision_ends_when_the_work_returns():
    async def once():
        return None

    async with asyncio.timeout(1):
        await supervise("once", once, None)


PROGRAM = """
    import asyncio, sys
    from chassis import logs
    from chassis.rpc.server import Server
    from chassis.run import run

    logs.setup("demo")

    async def wire(service):
        async def slow():
            if {slow}:
                await asyncio.sleep(60)
        service.closer("slow", slow, limit=60)
        service.server(Server("127.0.0.1:0"))

    sys.exit(run("demo", wire, drain_seconds=1))
"""


def start(*, slow=False):
    program = textwrap.dedent(PROGRAM).replace("{slow}", str(slow))
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    for line in process.stderr:
        if '"ready"' in line:
            return process
    raise AssertionError("it ended before it was ready")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_real_process_cleanly(number):
    with start() as process:
        process.send_signal(number)
        said = process.stderr.read()
        assert process.wait(10) == 0
    assert '"stopped"' in said


def test_a_second_signal_ends_it_at_once():
    with start(slow=True) as process:
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGKILL


@pytest.mark.feature("R9")
@pytest.mark.parametrize(("hard", "expected"), [(4096, 4096), (1_000_000, 65_536), (-1, 65_536)])
def test_a_process_may_open_as_many_files_as_its_hard_limit_allows(monkeypatch, hard, expected):
    """Else a crowd of idle clients shuts all others out at the usual soft limit."""
    given = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    _open_files()
    assert given == [(expected, hard)]
