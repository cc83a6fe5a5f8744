"""The whole system on this machine: Postgres, NATS and the four services as processes of their own.

    stack = await Stack.start(folder)
    stack.token("tracer")            a person's token
    stack.kill("venue")              SIGKILL; `stack.restart("venue")` brings it back on the same ports
    await stack.stop()

Used by `make run`, `make loop` and tests/integration. Everything it makes lies below one folder.
"""

import asyncio
import base64
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import psutil
from chassis import migrate, urls
from chassis.events import Login

from devstack import broker, given, nats, postgres, processes
from devstack.processes import DevstackError
from devstack.readiness import wait_ready
from devstack.system import SERVICES, STORES
from devstack.tokens import AUDIENCE, DISTRICT, ISSUER, Minter

ROOT = Path(__file__).resolve().parents[4]
DATABASE_LOGIN = "database-password"  # name of a secret
LEAST_FREE_BYTES = 1_500_000_000
LONG = 40 * 24 * 3600  # services may be asked to live some days ago; their own tokens must hold there too


@dataclass(slots=True)
class Child:
    """One service process and how to start it again."""

    name: str
    listen: int
    metrics: int
    env: dict[str, str] = field(repr=False)  # holds secrets
    pid: int = 0


@dataclass(slots=True)
class Stack:
    """A running system. Made by `start`."""

    folder: Path
    minter: Minter
    database: postgres.Server | None
    bus: nats.Server | None
    children: dict[str, Child] = field(default_factory=dict)
    database_name: str = "lilitong"
    database_settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        services: Sequence[str] = SERVICES,
        clock_offset: float = 0.0,
        gateway_port: int = 0,
        extra_env: Mapping[str, str] | None = None,
        database_settings: Mapping[str, str] | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> "Stack":
        """Starts everything and returns when all of it is ready.

        Args:
            folder: state of this system; what a former run left there is used again.
            services: which of SERVICES.
            clock_offset: seconds added to every service's clock (negative: the past).
            gateway_port: where the gateway listens; 0: any free port.
            extra_env: settings that replace the defaults, e.g. {"QUARANTINE_FUTURE_FLUSH_SECONDS": "1"}.
            database_settings: of the Postgres that it starts, e.g. {"shared_buffers": "1GB"}.
            progress: told what is being done.

        Raises:
            DevstackError: with the fix in its text; what was started until then is stopped again.

        """
        if gateway_port:
            processes.check_port(gateway_port, "the gateway")
        gateway_port = gateway_port or processes.free_port()
        prepare_folder(folder)
        stack = cls(folder, Minter(folder / "tokens"), None, None, database_settings=database_settings or {})
        stack.set_clock(clock_offset)
        try:
            progress("starting Postgres and NATS")
            database_url, nats_url = await stack._servers()
            progress("migrating three schemas, making three streams")
            await stack._migrate(database_url)
            await broker.prepare(nats_url, stack.account("admin"))
            for service in services:
                stack._add(service, database_url, nats_url, dict(extra_env or {}), gateway_port)
            for child in stack.children.values():
                stack._spawn(child)
            progress("waiting for the services to be ready")
            await asyncio.gather(*(stack.ready(name) for name in stack.children))
        except BaseException:
            await stack.stop()
            raise
        return stack

    async def _servers(self) -> tuple[str, str]:
        """Starts the servers that the environment does not give; returns their URLs."""
        database_url, nats_url = os.environ.get("DATABASE_URL", ""), os.environ.get("NATS_URL", "")
        anew = not (self.folder / "secrets" / DATABASE_LOGIN).exists()
        if database_url:
            self.database_name = given.database_name(self.folder)
            if anew:
                await given.empty_database(database_url, self.database_name)
        if nats_url and anew:
            await given.empty_streams(nats_url)
        if not database_url:
            self.database = postgres.start(self.folder / "postgres", settings=self.database_settings)
            database_url = self.database.admin_url
        if not nats_url:
            passwords = {user: self.secret(f"nats-{user}") for user in broker.ACCOUNTS}
            self.bus = nats.start(self.folder / "nats", passwords=passwords)
            nats_url = self.bus.address
        return database_url, nats_url

    async def _migrate(self, admin_url: str) -> None:
        await migrate.prepare(admin_url, self.database_name, dict.fromkeys(STORES, self.secret(DATABASE_LOGIN)))
        for schema in STORES:
            folders = import_module(f"{schema}.schema").migration_dirs(ROOT)
            owner = self.database_url(admin_url, f"{schema}_owner")
            await asyncio.to_thread(migrate.migrate, owner, schema, folders)

    def database_url(self, admin_url: str, role: str) -> str:
        """URL of a role on the system's database."""
        return urls.with_user(urls.with_database(admin_url, self.database_name), role, self.secret(DATABASE_LOGIN))

    def account(self, user: str) -> Login | None:
        """Whose name somebody has on our own broker; None on one that was given."""
        return None if self.bus is None else Login(user, self.secret(f"nats-{user}"))

    def secret(self, name: str) -> str:
        """A secret of this system, made once."""
        path = self.folder / "secrets" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            path.write_text(secrets.token_hex(16))
            path.chmod(0o600)
        return path.read_text()

    def _add(self, service: str, database_url: str, nats_url: str, extra: dict[str, str], gateway: int) -> None:
        port = gateway if service == "gateway" else processes.free_port()
        child = Child(service, port, processes.free_port(), {})
        self.children[service] = child
        token = self.folder / "tokens" / f"{service}.jwt"
        token.write_text(self.minter.workload(service, seconds=2 * LONG, now=time.time() - LONG))
        trace_key = base64.b64encode(bytes.fromhex(self.secret("trace-key-a") + self.secret("trace-key-b"))).decode()
        settings = {
            "ENVIRONMENT": "devstack",
            "LISTEN": f"127.0.0.1:{child.listen}",
            "METRICS_LISTEN": f"127.0.0.1:{child.metrics}",
            "JWKS": str(self.minter.jwks),
            "ISSUER": ISSUER,
            "AUDIENCE": AUDIENCE,
            "WORKLOAD_TOKEN_FILE": str(token),
            "CLOCK_FILE": str(self.clock_file(service)),
            "TRACE_EXPORTER": f"file:{self.folder / 'spans' / service}.jsonl",
            "VAULT": str(self.folder / "vault" / service),
            "VERIFICATION_URL": f"http://127.0.0.1:{gateway}/v1/document-verifications/{{verification_id}}",
        }
        if service in STORES:
            settings |= {
                "DATABASE_URL": self.database_url(database_url, service),
                "NATS_URL": nats_url,
                "EVENT_TRACE_KEY": trace_key,
            }
            if (account := self.account(service)) is not None:
                settings |= {"NATS_USER": account.user, "NATS_PASSWORD": account.password}
        settings |= {f"{peer.upper()}_TARGET": self.address(peer) for peer in STORES if peer in self.children}
        prefix = f"{service.upper()}_"
        own = {f"{prefix}{name}": value for name, value in settings.items()}
        child.env = dict(os.environ) | own | {name: value for name, value in extra.items() if name.startswith(prefix)}

    def _spawn(self, child: Child) -> None:
        command = [sys.executable, "-m", child.name]
        child.pid = processes.spawn(command, log=self.log(child.name), env=child.env, cwd=self.folder)
        processes.record(self.folder / f"{child.name}.pid", child.pid)

    async def ready(self, service: str, seconds: float = 60.0) -> None:
        """Returns when the service says that it is ready."""
        child = self.children[service]
        await wait_ready(child.name, child.listen, child.pid, self.log(service), seconds)

    def clock_file(self, service: str) -> Path:
        """What a service's clock follows."""
        return self.folder / "clocks" / f"{service}.json"

    def set_clock(self, offset: float, services: Sequence[str] = SERVICES) -> None:
        """Moves these services' clocks to `offset` seconds from the machine's; seen within 0.1 s."""
        for service in services:
            path = self.clock_file(service)
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps({"offset_seconds": offset}))
            draft.replace(path)

    def address(self, service: str) -> str:
        """host:port of a service."""
        return f"127.0.0.1:{self.children[service].listen}"

    @property
    def gateway_url(self) -> str:
        return f"http://{self.address('gateway')}"

    def token(
        self, role: str, *, subject: str = "", areas: Sequence[str] = (DISTRICT,), now: float | None = None
    ) -> str:
        """A person's token with one role; the subject is made up from the role unless given."""
        return self.minter.person(subject or f"{role}-1", [role], areas, now=now)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Sends a signal to a service, or to `postgres` or `nats`."""
        os.kill(self.pid(name), number)

    def freeze(self, name: str) -> None:
        """SIGSTOP to a process and all its children: it is there and does not answer."""
        self._signal_all(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT after `freeze`."""
        self._signal_all(name, signal.SIGCONT)

    def _signal_all(self, name: str, number: int) -> None:
        parent = psutil.Process(self.pid(name))
        for process in (parent, *parent.children(recursive=True)):
            process.send_signal(number)

    def pid(self, name: str) -> int:
        """Process id of a service, of `postgres` or of `nats`."""
        if name == "postgres" and self.database:
            return self.database.pid
        if name == "nats" and self.bus:
            return self.bus.pid
        return self.children[name].pid

    def names(self) -> list[str]:
        """Every process of ours that is to run: servers first, then services."""
        servers = {"postgres": self.database, "nats": self.bus}
        return [*(name for name, server in servers.items() if server is not None), *self.children]

    def log(self, name: str) -> Path:
        """Where a process writes."""
        if name in self.children:
            return self.folder / "logs" / f"{name}.log"
        return self.folder / name / f"{name}.log"

    async def restart(self, name: str) -> None:
        """Starts a process again, on its former ports, and returns when it is ready (servers) or started (services)."""
        if name in self.children:
            processes.end(self.children[name].pid)
            self._spawn(self.children[name])
            return
        server = self.database if name == "postgres" else self.bus
        if server is not None:
            processes.end(server.pid, polite=signal.SIGKILL)
            await asyncio.to_thread(server.start)

    async def stop(self) -> None:
        """Stops what this object started, last first, and nothing else."""
        for child in reversed(self.children.values()):
            if child.pid:
                await asyncio.to_thread(processes.end, child.pid, seconds=25.0)
                (self.folder / f"{child.name}.pid").unlink(missing_ok=True)
        for server in (self.bus, self.database):
            if server is not None:
                await asyncio.to_thread(server.stop)


def prepare_folder(folder: Path) -> None:
    """Makes the state folder and ends what a killed former run left running in it."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise DevstackError(
            f"only {free // 1_000_000} MB are free on this disk, 1500 are needed; make room or `make clean`"
        )
    end_leftovers(folder)
    for name in ("clocks", "logs", "spans", "vault", "secrets"):
        (folder / name).mkdir(exist_ok=True, mode=0o700)


def end_leftovers(folder: Path) -> None:
    """Ends what a killed run left running: only processes on record, recognised by pid and start time."""
    servers = {"nats": signal.SIGTERM, "postgres": signal.SIGINT}  # SIGINT: Postgres drops its clients
    records = [(record, signal.SIGTERM) for record in folder.glob("*.pid")]
    records += [(folder / name / f"{name}.pid", polite) for name, polite in servers.items()]
    for record, polite in records:
        if (left := processes.recorded(record)) is not None:
            processes.end(left, polite=polite)
        record.unlink(missing_ok=True)
