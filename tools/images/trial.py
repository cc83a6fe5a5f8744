"""Starts the built images as the chart does: read-only, without rights, under its memory limits, with mutual TLS; plays the loop.

Postgres and NATS are devstack's, on the loopback; everything else comes from the images: prepare, migrate, bus, the four
services, the rehearsal.
"""

import asyncio
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devstack import broker, nats, postgres, processes
from devstack.readiness import grpc_ready, http_ready
from devstack.system import SERVICES, STORES

from tools.images import cgroups, probe, sheet
from tools.images.credentials import ISSUER, write_credentials
from tools.images.engines import STATE, Engine, EngineError, Run

USER = 65532
MIB = 1 << 20
SMALL = 256 * MIB  # what a command that runs once may take
GRACE_SECONDS = 30.0
SETTLE_SECONDS = 3.0
START_SECONDS = 60.0
COMMAND_SECONDS = 60


@dataclass(slots=True)
class Started:
    """One running service and what was seen of it. Bytes and seconds."""

    pid: int
    listen: int
    log: Path
    group: cgroups.Group | None
    ready_seconds: float = 0.0
    idle_bytes: int = 0
    loop_bytes: int = 0
    peak_bytes: int = 0


@dataclass(slots=True)
class Trial:
    """A system whose parts are images. `folder`: for all state; `limits`: service → bytes of memory."""

    engine: Engine
    folder: Path
    limits: Mapping[str, int]
    running: dict[str, Started] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    async def play(self) -> dict[str, object]:
        """The whole trial; the rehearsal's last line. Raises EngineError, DevstackError."""
        state = self.folder / "state"
        write_credentials(state, SERVICES, USER)
        users = (*STORES, *(f"{name}_owner" for name in STORES), *broker.ACCOUNTS)
        self.passwords = {name: secrets.token_hex(16) for name in users}
        database = postgres.start(self.folder / "postgres")
        bus = nats.start(self.folder / "nats", passwords={name: self.passwords[name] for name in broker.ACCOUNTS})
        try:
            await self._prepare(database, bus)
            for service in SERVICES:
                await self._serve(service, database, bus)
            await asyncio.sleep(SETTLE_SECONDS)
            self._measure("idle_bytes")
            result = self._rehearse()
            self._measure("loop_bytes")
            self._end()
        finally:
            for started in self.running.values():
                processes.end(started.pid)
                _remove(started.group)
            bus.stop()
            database.stop()
        return result

    def _measure(self, name: str) -> None:
        """Memory of each; with another engine than buildah the process here is only the engine's client."""
        if self.engine.name == "buildah":
            for started in self.running.values():
                setattr(started, name, _resident(started.pid))
                started.peak_bytes = started.group.peak() if started.group else 0

    async def _prepare(self, database: postgres.Server, bus: nats.Server) -> None:
        """What the chart's Job and initContainers do, twice, because both may run any number of times."""
        roles = [role for name in STORES for role in (name, f"{name}_owner")]
        prepared = {f"PREPARE_PASSWORD_{role.upper()}": self.passwords[role] for role in roles}
        prepared |= {"PREPARE_ADMIN_URL": database.admin_url, "PREPARE_SCHEMAS": ",".join(STORES)}
        admin = {"NATS_URL": bus.address, "NATS_USER": "admin", "NATS_PASSWORD": self.passwords["admin"]}
        for _ in range(2):
            self.once("venue", ["-m", "chassis.prepare"], prepared, program="python")
            for service in STORES:
                owner = f"{service}_owner"
                login = {
                    "OWNER_DATABASE_URL": self._database(database, owner),
                    "OWNER_DATABASE_PASSWORD": self.passwords[owner],
                }
                self.once(service, ["migrate"], _prefixed(service, login))
            # At the same time, as jobs do: each needs the streams of the others.
            jobs = (asyncio.to_thread(self.once, name, ["bus"], _prefixed(name, admin)) for name in STORES)
            await asyncio.gather(*jobs)

    def _database(self, database: postgres.Server, role: str) -> str:
        place = database.admin_url.rpartition("@")[2].partition("/")[0]
        return f"postgresql://{role}@{place}/lilitong"

    async def _serve(self, service: str, database: postgres.Server, bus: nats.Server) -> None:
        listen, metrics, health = (processes.free_port() for _ in range(3))
        settings = {
            "LISTEN": f"127.0.0.1:{listen}",
            "METRICS_LISTEN": f"127.0.0.1:{metrics}",
            "HEALTH_LISTEN": f"127.0.0.1:{health}",
            "JWKS": f"{STATE}/issuer.crt",
            "ISSUER": ISSUER,
            "WORKLOAD_KEY" if service != "quarantine" else "WORKLOAD_TRUST": (
                f"{STATE}/workload/{service}.key" if service != "quarantine" else f"{STATE}/trust"
            ),
            **_tls(service),
        }
        if service in STORES:
            settings |= {
                "DATABASE_URL": self._database(database, service),
                "DATABASE_PASSWORD": self.passwords[service],
                "NATS_URL": bus.address,
                "NATS_USER": service,
                "NATS_PASSWORD": self.passwords[service],
                "EVENT_TRACE_KEY": b64encode(bytes(32)).decode(),
                "VAULT": f"{STATE}/vault-{service}",
            }
        settings |= {f"{peer.upper()}_TARGET": f"127.0.0.1:{one.listen}" for peer, one in self.running.items()}
        # The first of the three that keep data calls nobody before the others are there.
        settings.setdefault("QUARANTINE_TARGET", f"127.0.0.1:{listen}")
        group = cgroups.make(f"lilitong-{service}-{os.getpid()}", self.limits[service])
        log = self.folder / f"{service}.log"
        run = Run(
            service,
            self.folder / "state",
            _prefixed(service, settings),
            self.limits[service],
            group=group.folder if group else None,
        )
        command, environment = self.engine.command(run)
        began = time.monotonic()
        started = Started(processes.spawn(command, log=log, env=environment), listen, log, group)
        self.running[service] = started
        await self._ready(service, health)
        started.ready_seconds = time.monotonic() - began

    async def _ready(self, service: str, health: int) -> None:
        """What a probe asks: health in plain text, or /readyz over TLS. Raises EngineError with the end of the log."""
        started = self.running[service]
        trusted = ssl.create_default_context(cafile=str(self.folder / "state/tls.pem"))
        deadline = time.monotonic() + START_SECONDS
        while True:
            if service == "gateway":
                ready = await http_ready(started.listen, "https", verify=trusted)
            else:
                ready = await grpc_ready(health)
            if ready:
                return
            if processes.started_at(started.pid) is None or time.monotonic() > deadline:
                said = processes.tail(started.log)
                raise EngineError(f"{service} does not become ready; the end of its log:\n{said}")
            await asyncio.sleep(0.05)

    def once(
        self, image: str, arguments: Sequence[str], env: dict[str, str], *, program: str = "", code: int = 0
    ) -> str:
        """Runs an image until it ends; what it said. Raises EngineError when it ends with another code."""
        command, environment = self.engine.command(
            Run(image, self.folder / "state", env, SMALL, arguments=arguments, program=program)
        )
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"{image} {' '.join(arguments)} was not done after {COMMAND_SECONDS} s") from None
        if done.returncode != code:
            said = (done.stderr or done.stdout)[-1500:]
            raise EngineError(f"{image} {' '.join(arguments)} ended with {done.returncode}, {code} was due:\n{said}")
        return done.stdout if code == 0 else done.stderr

    def _rehearse(self) -> dict[str, object]:
        said = self.once(
            "rehearsal",
            [],
            {
                "REHEARSAL_GATEWAY_URL": f"https://127.0.0.1:{self.running['gateway'].listen}",
                "REHEARSAL_CHECKPOINT_TARGET": f"127.0.0.1:{self.running['checkpoint'].listen}",
                "REHEARSAL_QUARANTINE_TARGET": f"127.0.0.1:{self.running['quarantine'].listen}",
                "REHEARSAL_ISSUER_KEY": f"{STATE}/issuer.key",
                "REHEARSAL_ISSUER": ISSUER,
                "REHEARSAL_START_POLICY": "true",
                **_prefixed("rehearsal", _tls("rehearsal")),
            },
        )
        result: dict[str, object] = json.loads(said.splitlines()[-1])
        return result

    def _end(self) -> None:
        """SIGTERM to each, last first: they drain and leave with 0 within the grace period. Raises EngineError."""
        for service, started in reversed(self.running.items()):
            if started.group is not None and started.group.killed():
                raise EngineError(f"{service} was killed for want of memory below {self.limits[service] // MIB} MiB")
            os.kill(started.pid, signal.SIGTERM)
            code = _waited(started.pid, GRACE_SECONDS)
            if code != 0:
                raise EngineError(
                    f"{service} ended with {code} on SIGTERM; the end of its log:\n{processes.tail(started.log)}"
                )

    def inspect(self, image: str) -> probe.Seen:
        """What an intruder would find in an image. Raises EngineError when it is more than there should be."""
        seen = probe.Seen(**json.loads(self.once(image, ["-c", probe.CODE], {}, program="python")))
        if complaint := seen.complaint(image):
            raise EngineError(f"{image}: {complaint}")
        return seen

    def drawn(self) -> None:
        """The venue's image draws Chinese text as the environment here does. Raises EngineError."""
        here = subprocess.run([sys.executable, "-c", sheet.CODE], check=True, capture_output=True, text=True).stdout
        if self.once("venue", ["-c", sheet.CODE], {}, program="python") != here:
            raise EngineError("the venue's image draws a page otherwise than it is drawn here: are its fonts there?")

    def refused(self, image: str) -> str:
        """The one sentence with which it refuses to start without settings. Raises EngineError."""
        said = self.once(image, [], {}, code=2).strip()
        if "\n" in said or not said.startswith("Cannot start: "):
            raise EngineError(f"{image} without settings says no single sentence: {said}")
        return said


def _tls(name: str) -> dict[str, str]:
    """Settings of mutual TLS."""
    files = {"TLS_AUTHORITY": "tls.pem", "TLS_CERTIFICATE": f"{name}.crt", "TLS_KEY": f"{name}.key"}
    return {setting: f"{STATE}/{file}" for setting, file in files.items()}


def _prefixed(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    """As the service's own variables."""
    return {f"{service.upper()}_{name}": value for name, value in settings.items()}


def _waited(pid: int, seconds: float) -> int | None:
    """Exit code of a child of ours; None when it does not end in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return None


def _resident(pid: int) -> int:
    """Bytes of a process that no other shares: what a node needs for it."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:", "Shared_Clean:", "Shared_Dirty:")):
            total += int(line.split()[1]) * 1024
    return total


def _remove(group: cgroups.Group | None) -> None:
    if group is not None:
        with suppress(OSError):
            group.remove()
