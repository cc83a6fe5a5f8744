"""Two replicas of a service, as a Deployment has them: one after the other gets SIGTERM under load, and no call fails.

Pause and linger are the chart's own: with a linger of 1 s and no pause, 7 calls failed, because clients had not
yet found the first replica again when the second one went.
"""

import asyncio
import signal
import sys

import httpx
import pytest
from devstack import processes
from devstack.readiness import wait_ready
from devstack.tokens import DISTRICT

pytestmark = [pytest.mark.slow, pytest.mark.feature("X11"), pytest.mark.feature("R5")]
READS = {
    "venue": ("/v1/venues", "command"),
    "checkpoint": ("/v1/posts", "command"),
    "quarantine": ("/v1/cases", "tracer"),
}
CALLERS = 6
PRE_STOP = 3  # seconds, as the chart has it


class Replica:
    """One more process of a service of the stack, on ports of its own."""

    def __init__(self, stack, service, **changes):
        self.stack, self.service = stack, service
        self.listen = processes.free_port()
        prefix = f"{service.upper()}_"
        own = {"LISTEN": f"127.0.0.1:{self.listen}", "METRICS_LISTEN": "", "LINGER_SECONDS": "2", "DRAIN_SECONDS": "10"}
        own |= {"TRACE_EXPORTER": "none"} | changes
        self.env = stack.children[service].env | {f"{prefix}{name}": value for name, value in own.items()}
        self.log = stack.folder / "logs" / f"{service}-{self.listen}.log"
        self.pid = 0

    async def start(self):
        command = [sys.executable, "-m", self.service]
        self.pid = processes.spawn(command, log=self.log, env=self.env, cwd=self.stack.folder)
        await wait_ready(self.service, self.listen, self.pid, self.log, 60)

    async def restart(self):
        # preStop. A client that saw the other replica go looks for it again after up to 2 s (`chassis.rpc.channel`).
        await asyncio.sleep(PRE_STOP)
        await asyncio.to_thread(processes.end, self.pid, polite=signal.SIGTERM, seconds=20)
        await self.start()


async def under_load(restart, addresses, path, token):
    """Calls all the while that `restart` takes; the failed ones, and how many there were.

    A caller that finds a port closed goes to the next address, as a Service of the cluster sends it elsewhere.
    """
    failed, count, done = [], 0, asyncio.Event()

    async def calls(number):
        nonlocal count
        async with httpx.AsyncClient(
            trust_env=False, timeout=10, headers={"Authorization": f"Bearer {token}"}
        ) as client:
            turn = number
            while not done.is_set():
                address = addresses[turn % len(addresses)]
                try:
                    answer = await client.get(f"http://{address}{path}", params={"area": DISTRICT, "page_size": 5})
                    if answer.status_code != httpx.codes.OK:
                        failed.append(f"{answer.status_code} {answer.text[:200]}")
                    count += 1
                    turn += answer.headers.get("connection") == "close"
                except httpx.ConnectError:
                    turn += 1
                except httpx.HTTPError as error:
                    failed.append(repr(error))
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for number in range(CALLERS):
            tasks.create_task(calls(number))
        await asyncio.sleep(1)
        await restart()
        await asyncio.sleep(1)
        done.set()
    return failed, count


@pytest.mark.usefixtures("district")
@pytest.mark.parametrize("service", [*READS, "gateway"])
async def test_replicas_are_replaced_under_load_without_a_failed_call(stack, service):
    path, role = READS.get(service, READS["venue"])
    replicas, doors = [Replica(stack, service) for _ in range(2)], []
    if service != "gateway":
        both = ",".join(f"127.0.0.1:{replica.listen}" for replica in replicas)
        doors.append(Replica(stack, "gateway", **{f"{service.upper()}_TARGET": f"ipv4:{both}"}))
    try:
        for each in (*replicas, *doors):
            await each.start()
        addresses = [f"127.0.0.1:{each.listen}" for each in doors or replicas]

        async def one_after_the_other():
            for replica in replicas:
                await replica.restart()

        failed, count = await under_load(one_after_the_other, addresses, path, stack.token(role))
    finally:
        for each in (*replicas, *doors):
            await asyncio.to_thread(processes.end, each.pid, seconds=15)
    assert failed == []
    assert count > 300
