"""The system that P1, P2 and P8 measure: Postgres, NATS, quarantine, and checkpoint replicas that carry the bench's bars."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import psutil
from chassis import urls
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from devstack import processes
from devstack.readiness import wait_ready
from devstack.stack import Stack
from lilitong.checkpoint.v1 import post_pb2
from lilitong.checkpoint.v1.post_pb2_grpc import PostServiceStub
from passes import device

from bench.load_h2 import Load
from bench.load_http import unpack
from bench.make_scans import issuer_key
from bench.run import Bench

AREA = "141102001"
MAKERS = 2
SEEN_SECONDS = 0.3
"""After this a clock that was moved is seen by every process."""


class VoidError(Exception):
    """A scan was not acknowledged, or an acknowledged one is not there: there is no figure."""


@dataclass(slots=True)
class Replica:
    """One checkpoint process."""

    port: int
    pid: int


@dataclass(slots=True)
class Used:
    """CPU seconds since some moment, by side."""

    server: float
    load: float
    postgres: float

    def saturated(self, seconds: float, servers: int = 1) -> str:
        """For a note: which side had no time left, and what each took of one core."""
        parts = {"server": self.server / servers, "load": self.load, "Postgres": self.postgres}
        shares = ", ".join(f"{name} {used / seconds:.0%}" for name, used in parts.items())
        return f"saturated: {max(parts, key=parts.__getitem__)} (of a core each: {shares})"


@dataclass(slots=True)
class Gate:
    """A running system with one enrolled scanner. `at`: the moment that its clock says when a round begins."""

    folder: Path
    stack: Stack
    at: datetime
    cores: Sequence[int]
    device_id: UUID = field(default_factory=uuid4)
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    post: int = 0
    replicas: list[Replica] = field(default_factory=list)

    @classmethod
    async def start(cls, bench: Bench, name: str) -> "Gate":
        """Starts it below the bench's folder; `stop` ends it."""
        folder = bench.folder / name
        stack = await Stack.start(folder, services=("quarantine", "checkpoint"))
        # This many seconds of the present day; a run that passes midnight goes on in the day it began in.
        gate = cls(folder, stack, datetime.fromtimestamp(int(time.time()), UTC), sorted(os.sched_getaffinity(0)))
        try:
            public = issuer_key(gate.vault).public_key()
            gate.issuer.write_bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
            await gate._enrol()
            processes.end(stack.children["checkpoint"].pid)
        except BaseException:
            await gate.stop()
            raise
        return gate

    @property
    def vault(self) -> Path:
        return self.folder / "vault" / "quarantine"

    @property
    def issuer(self) -> Path:
        return self.folder / "issuer.der"

    @property
    def server_core(self) -> int:
        return self.cores[0]

    @property
    def other_cores(self) -> set[int]:
        return set(self.cores[1:]) or set(self.cores)

    async def _enrol(self) -> None:
        metadata = (("authorization", f"Bearer {self.stack.token('checkpoint_lead')}"),)
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        async with grpc.aio.insecure_channel(self.stack.address("checkpoint")) as channel:
            posts: Any = PostServiceStub(channel)
            made = await posts.RegisterPost(
                post_pb2.RegisterPostRequest(
                    request_id=str(uuid4()),
                    post_id=str(uuid4()),
                    name="南关卡口",
                    level=post_pb2.POST_LEVEL_ROAD,
                    area=AREA,
                ),
                metadata=metadata,
                timeout=10,
            )
            await posts.EnrollDevice(
                post_pb2.EnrollDeviceRequest(
                    request_id=str(uuid4()),
                    device_id=str(self.device_id),
                    post_id=made.post.post_id,
                    public_key=public,
                    label="bench",
                ),
                metadata=metadata,
                timeout=10,
            )
        self.post = made.post.post

    async def serve(self, cores: Sequence[int | None]) -> None:
        """Ends the replicas and starts as many as there are cores named; None: it may run on any."""
        self.end_replicas()
        child = self.stack.children["checkpoint"]
        for number, core in enumerate(cores):
            port = processes.free_port()
            env = child.env | {
                "CHECKPOINT_LISTEN": f"127.0.0.1:{port}",
                "CHECKPOINT_METRICS_LISTEN": "",
                "CHECKPOINT_TRACE_EXPORTER": "none",
            }
            log = self.folder / "logs" / f"replica-{number}.log"
            where = "-" if core is None else str(core)
            command = [sys.executable, "-m", "bench.scan_server", where, str(self.issuer)]
            pid = processes.spawn(command, log=log, env=env, cwd=self.folder)
            self.replicas.append(Replica(port, pid))
            await wait_ready("checkpoint", port, pid, log, 60.0)

    def end_replicas(self) -> None:
        for replica in self.replicas:
            processes.end(replica.pid, seconds=25.0)
        self.replicas.clear()

    def move_clock(self) -> None:
        """It is `at` again, for every process of the system."""
        self.stack.set_clock(self.at.timestamp() - time.time())

    def token(self) -> str:
        """The scanner's own, good for five minutes from `at`."""
        return f"Device {device.mint(self.device_id, self.key, self.at)}"

    def admin_url(self) -> str:
        if self.stack.database is None:
            raise RuntimeError("the bench starts its own Postgres: unset DATABASE_URL")
        return self.stack.database.admin_url

    def service_url(self) -> str:
        """The database as the checkpoint service itself reaches it."""
        return self.stack.database_url(self.admin_url(), "checkpoint")

    async def rows(self) -> int:
        """Passages stored so far."""
        async with self._sql() as sql:
            count: int = await sql.fetchval("SELECT count(*) FROM checkpoint.passages")
        return count

    async def empty(self) -> None:
        """No passages, as on the first day; and no pages of theirs that are still to be written."""
        async with self._sql() as sql:
            await sql.execute("TRUNCATE checkpoint.passages")
            await sql.execute("CHECKPOINT")

    @asynccontextmanager
    async def _sql(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        sql = await asyncpg.connect(urls.with_database(self.admin_url(), self.stack.database_name))
        try:
            yield sql
        finally:
            await sql.close(timeout=5)

    async def settings(self, bench: Bench) -> None:
        """Says what decides the figures, as Postgres itself says it."""
        async with self._sql() as sql:
            for name in ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers"):
                bench.setting(f"Postgres {name}", await sql.fetchval(f"SHOW {name}"))

    def pin_postgres(self, cores: set[int]) -> None:
        """Keeps Postgres and all that it starts off the server's core."""
        for process in self._postgres():
            process.cpu_affinity(sorted(cores))

    def _postgres(self) -> list[psutil.Process]:
        parent = psutil.Process(self.stack.pid("postgres"))
        return [parent, *parent.children(recursive=True)]

    def cpu(self) -> tuple[float, float]:
        """CPU seconds until now of (the replicas, Postgres with the connections that have ended)."""
        servers = sum(_seconds(psutil.Process(replica.pid)) for replica in self.replicas)
        return servers, sum(map(_seconds, self._postgres()))

    async def stop(self) -> None:
        self.end_replicas()
        await self.stack.stop()


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


async def made(gate: Gate, program: str, count: int, *more: str) -> Path:
    """A file of `count` messages, made by `MAKERS` processes of `python -m bench.<program>`."""
    target = gate.folder / f"{program}.messages"
    parts = [target.with_suffix(f".{number}") for number in range(MAKERS)]
    share = -(-count // MAKERS)
    when = str(int(gate.at.timestamp()))
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"bench.{program}", str(part), str(share), when, *more
        )
        for part in parts
    ]
    for process in running:
        if await process.wait():
            raise RuntimeError(f"bench.{program} failed")
    with target.open("wb") as out:
        for part in parts:
            out.write(part.read_bytes())
            part.unlink()
    return target


class LoadProcess:
    """`bench.load_h2`, started once and told several times."""

    def __init__(self, process: asyncio.subprocess.Process, answers: Path) -> None:
        self._process, self._answers = process, answers

    @classmethod
    async def start(cls, gate: Gate, file: Path, *, connections: int, streams: int, core: int | None) -> "LoadProcess":
        """`connections` to each replica, `streams` calls at a time on each; pinned to a core, if one is named."""
        ports = ",".join(str(replica.port) for replica in gate.replicas)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.load_h2",
            ports,
            str(connections),
            str(streams),
            str(file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        made = cls(process, gate.folder / "answers")
        if await made._line() != "ready":
            raise RuntimeError("the load process did not start")
        return made

    async def drive(self, path: str, token: str, first: int, count: int) -> tuple[Load, list[bytes]]:
        """Sends `count` messages from the `first` on; what it saw, and the answers without their framing."""
        order = {
            "path": path,
            "authorization": token,
            "first": first,
            "count": count,
            "answers": str(self._answers),
        }
        if self._process.stdin is None:
            raise RuntimeError("the load process has no input")
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        load = Load(**json.loads(await self._line()))
        if load.succeeded != count:
            raise RuntimeError(f"{count - load.succeeded} of {count} calls to {path} failed")
        return load, [answer[5:] for answer in unpack(self._answers.read_bytes())]

    async def _line(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("the load process has no output")
        return (await asyncio.wait_for(self._process.stdout.readline(), 120)).decode().strip()

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
