"""Honest clients, and a look at the servers' memory, while others flood them."""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import grpc
import httpx
import psutil
import pytest
import pytest_asyncio
from access_matrix.world import new_id, new_key, public_key
from attack_tools import crowd
from chassis.rpc.channel import service_config
from devstack.stack import Stack
from lilitong.checkpoint.v1 import post_pb2, post_pb2_grpc, scan_pb2, scan_pb2_grpc
from lilitong.venue.v1 import venue_pb2, venue_pb2_grpc
from passes import device

HOME = "141102002001"
SECONDS = 5.0
PAUSE = 0.1


@dataclass(slots=True)
class Honest:
    """What an honest crowd got: seconds of each answer by who was asked, and what failed."""

    answers: dict[str, list[float]] = field(default_factory=lambda: {"checkpoint": [], "venue": [], "gateway": []})
    failures: list[str] = field(default_factory=list)


class Ordinary:
    """A scanner, an officer and an app backend, each calling all the time on connections of their own, old and new.

    A call waits for its connection within its deadline: what is promised is an answer in time, not one at the first try.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.device_id, self.key = "", new_key()

    async def enrol(self) -> None:
        token = (("authorization", f"Bearer {self.stack.token('checkpoint_lead')}"),)
        async with grpc.aio.insecure_channel(self.stack.address("checkpoint")) as channel:
            stub = post_pb2_grpc.PostServiceStub(channel)
            post = post_pb2.RegisterPostRequest(
                request_id=new_id(), post_id=new_id(), name="东门", level=post_pb2.POST_LEVEL_COMPOUND, area=HOME
            )
            await stub.RegisterPost(post, timeout=SECONDS, metadata=token)
            self.device_id = new_id()
            enrolment = post_pb2.EnrollDeviceRequest(
                request_id=new_id(), device_id=self.device_id, post_id=post.post_id, public_key=public_key(self.key)
            )
            await stub.EnrollDevice(enrolment, timeout=SECONDS, metadata=token)

    def authorization(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Device {device.mint(UUID(self.device_id), self.key, datetime.now(UTC))}"),)

    async def scan(self, channel: grpc.aio.Channel) -> None:
        request = scan_pb2.ScanRequest(scan_id=secrets.token_bytes(8))
        stub = scan_pb2_grpc.ScanServiceStub(channel)
        await stub.Scan(request, timeout=SECONDS, wait_for_ready=True, metadata=self.authorization())

    async def list_venues(self, channel: grpc.aio.Channel) -> None:
        token = (("authorization", f"Bearer {self.stack.token('venue_officer')}"),)
        request = venue_pb2.ListVenuesRequest(area=HOME, page_size=5)
        stub = venue_pb2_grpc.VenueServiceStub(channel)
        await stub.ListVenues(request, timeout=SECONDS, wait_for_ready=True, metadata=token)

    async def ask_gateway(self, client: httpx.AsyncClient) -> None:
        token = {"authorization": f"Bearer {self.stack.token('venue_officer')}"}
        answer = await client.get(f"{self.stack.gateway_url}/v1/venues", params={"area": HOME}, headers=token)
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Honest]:
        """While the block runs every call is to be answered within its deadline; every fifth one on a new connection."""
        found, ended = Honest(), asyncio.Event()
        works = [asyncio.create_task(self._work(name, found, ended)) for name in found.answers]
        try:
            yield found
        finally:
            ended.set()
            await asyncio.gather(*works)

    async def _work(self, name: str, found: Honest, ended: asyncio.Event) -> None:
        while not ended.is_set():
            async with self._connected(name) as call:
                for _ in range(5):
                    began = time.perf_counter()
                    try:
                        await call()
                    except (grpc.aio.AioRpcError, httpx.HTTPError, AssertionError) as error:
                        found.failures.append(f"{name}: {error!r}"[:500])
                    found.answers[name].append(time.perf_counter() - began)
                    if ended.is_set():
                        return
                    await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def _connected(self, name: str):
        if name == "gateway":
            async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
                yield lambda: self.ask_gateway(client)
            return
        # Channels of one process share their connections unless they are told not to.
        # Like our own channels they try once more what the library ended before its handler (chassis.rpc.channel).
        again = service_config(["lilitong.checkpoint.v1.ScanService", "lilitong.venue.v1.VenueService"])
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", again), ("grpc.enable_retries", 1)]
        async with grpc.aio.insecure_channel(self.stack.address(name), options=options) as channel:
            yield (lambda: self.scan(channel)) if name == "checkpoint" else (lambda: self.list_venues(channel))


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="ordinary")
async def _ordinary(stack) -> AsyncIterator[Ordinary]:
    made = Ordinary(stack)
    await made.enrol()
    await asyncio.sleep(1)  # the replica takes the device up a moment after it was enrolled
    async with made.at_work() as honest:  # once through everything, so that no first call counts
        await asyncio.sleep(1.5)
    assert not honest.failures
    yield made


def megabytes(stack: Stack, name: str) -> float:
    return psutil.Process(stack.pid(name)).memory_info().rss / 2**20


@dataclass(slots=True)
class Memory:
    """MiB of a server: before, at most since `watch` began, and now."""

    stack: Stack
    name: str
    before: float = 0.0
    most: float = 0.0

    @property
    def now(self) -> float:
        return megabytes(self.stack, self.name)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator["Memory"]:
        self.before = self.most = self.now

        async def look() -> None:
            while True:
                self.most = max(self.most, self.now)
                await asyncio.sleep(0.05)

        looking = asyncio.create_task(look())
        try:
            yield self
        finally:
            looking.cancel()

    def __str__(self) -> str:
        return f"{self.name}: {self.before:.0f} MiB before, {self.most:.0f} at most, {self.now:.0f} afterwards"


@pytest.fixture
def memory(stack):
    return lambda name: Memory(stack, name)


class Crowd:
    """Connections held by processes of their own."""

    def __init__(self, port: int, hello: bytes) -> None:
        self._port, self._hello = port, hello
        self._processes: list[asyncio.subprocess.Process] = []
        self.open = self.refused = self.closed = 0

    async def gather(self, count: int, *, processes: int = 2, seconds: float = 60) -> None:
        arguments = [str(self._port), str(count // processes), self._hello.hex(), str(seconds)]
        program = [sys.executable, str(Path(crowd.__file__))]
        for _ in range(processes):
            pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
            self._processes.append(await asyncio.create_subprocess_exec(*program, *arguments, **pipes))
        for process in self._processes:
            told = json.loads(await process.stdout.readline())
            self.open, self.refused = self.open + told["open"], self.refused + told["refused"]

    async def leave(self) -> None:
        for process in self._processes:
            said, _ = await process.communicate(b"\n")
            self.closed += json.loads(said)["closed"]


@pytest.fixture
def crowd_of():
    return Crowd
