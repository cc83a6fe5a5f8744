"""Fixtures that every test may use: real servers, a database cloned from a migrated template, a clock that stands still."""

import asyncio
import base64
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest
from chassis import migrate, urls
from chassis.clock import ManualClock
from chassis.settings import ServiceSettings

import bench  # noqa: F401 - before pytest takes the folder of that name for the package

ROOT = Path(__file__).parent
PASSWORD = "test"
pytest_plugins = ["devstack.features"]


@pytest.fixture(scope="session")
def state_dir() -> Iterator[Path]:
    """A folder for servers' data that an unprivileged user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="lilitong-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class PostgresAddress:
    """Where the tests' Postgres is."""

    admin_url: str

    def url(self, user: str, database: str) -> str:
        return urls.with_user(urls.with_database(self.admin_url, database), user, PASSWORD)


@pytest.fixture(scope="session")
def postgres_server(state_dir: Path) -> Iterator[PostgresAddress]:
    """One Postgres for the whole run: DATABASE_URL's, or an embedded one."""
    if given := os.environ.get("DATABASE_URL"):
        yield PostgresAddress(given)
        return
    from devstack import postgres

    server = postgres.start(state_dir / "postgres", settings={"fsync": "off"}, tied=True)
    yield PostgresAddress(server.admin_url)
    server.stop()


@pytest.fixture(scope="session")
def nats_server(state_dir: Path) -> Iterator[str]:
    """URL of one NATS for the whole run: NATS_URL's, or an embedded one."""
    if given := os.environ.get("NATS_URL"):
        yield given
        return
    from devstack import nats

    server = nats.start(state_dir / "nats", tied=True)
    yield server.url
    server.stop()


@pytest.fixture
def fresh_nats(state_dir: Path) -> Iterator[object]:
    """A NATS server of the test's own (`.url .kill() .wipe() .start()`), for tests that break it or need empty streams."""
    from devstack import nats

    server = nats.start(state_dir / f"nats-{uuid.uuid4().hex[:8]}", tied=True)
    yield server
    server.stop()


@pytest.fixture
def fresh_postgres(state_dir: Path) -> Iterator[object]:
    """A Postgres server of the test's own, for tests that break it."""
    from devstack import postgres

    server = postgres.start(state_dir / f"postgres-{uuid.uuid4().hex[:8]}", tied=True)
    yield server
    server.stop()


@dataclass(frozen=True)
class Database:
    """A test's own database with the schemas it asked for."""

    name: str
    admin_url: str

    def url(self, service: str) -> str:
        """As the service's own login role."""
        return urls.with_user(urls.with_database(self.admin_url, self.name), service, PASSWORD)

    def owner_url(self, service: str) -> str:
        """As the role that migrates."""
        return self.url(f"{service}_owner")

    def superuser_url(self) -> str:
        return urls.with_database(self.admin_url, self.name)


def schema_folders(service: str) -> list[Path]:
    """The migration folders of a service; `chassis` and other unknown names get the chassis's own only."""
    try:
        folders: list[Path] = import_module(f"{service}.schema").migration_dirs(ROOT)
    except ModuleNotFoundError:
        return [ROOT / "libs/chassis/migrations"]
    return folders


async def make_database(admin_url: str, name: str, folders: dict[str, list[Path]]) -> Database:
    """Makes and migrates a database, without cloning."""
    await migrate.prepare(admin_url, name, dict.fromkeys(folders, PASSWORD))
    database = Database(name, admin_url)
    for schema, directories in folders.items():
        await asyncio.to_thread(migrate.migrate, database.owner_url(schema), schema, directories)
    return database


@pytest.fixture(scope="session")
def templates() -> dict[tuple[str, ...], str]:
    """Template databases made so far in this run, by the schemas they hold."""
    return {}


MakeDatabase = Callable[..., Awaitable[Database]]


@pytest.fixture
async def make_service_database(
    postgres_server: PostgresAddress, templates: dict[tuple[str, ...], str]
) -> AsyncIterator[MakeDatabase]:
    """`await make_service_database("venue")` → a fresh migrated database, cloned from a template, dropped afterwards.

    A keyword gives a schema other folders: `make_service_database(chassis=[…])`.
    """
    made: list[str] = []
    admin = await asyncpg.connect(postgres_server.admin_url)

    async def make(*services: str, **folders: list[Path]) -> Database:
        wanted = {service: schema_folders(service) for service in services} | folders
        key = tuple(f"{schema}:{'|'.join(map(str, wanted[schema]))}" for schema in sorted(wanted))
        if key not in templates:
            template = f"template_{uuid.uuid4().hex[:12]}"
            await make_database(postgres_server.admin_url, template, wanted)
            templates[key] = template
        name = f"test_{uuid.uuid4().hex[:12]}"
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{templates[key]}" STRATEGY FILE_COPY')
        await admin.execute(
            f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC'
        )  # rights on a database are not copied with it
        for schema in wanted:
            await admin.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{schema}", "{schema}_owner"')
        made.append(name)
        return Database(name, postgres_server.admin_url)

    yield make
    for name in made:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
def start_in_vain() -> Callable[..., Awaitable[tuple[int | None, str]]]:
    """`await start_in_vain("venue", settings)` → exit code and standard error of the service's own process, which must end."""

    async def start(service: str, settings: ServiceSettings) -> tuple[int | None, str]:
        known = settings.model_dump(exclude_none=True)
        known["event_trace_key"] = base64.b64encode(settings.event_trace_key).decode()
        env = os.environ | {settings.variable(name): str(value) for name, value in known.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, env=env, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, said.decode()

    return start


@pytest.fixture
def clock() -> ManualClock:
    """Noon of 10 March 2022 in the district."""
    return ManualClock(datetime(2022, 3, 10, 4, 0, tzinfo=UTC))
