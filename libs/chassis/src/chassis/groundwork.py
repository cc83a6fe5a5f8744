"""What the commands `migrate` and `bus` do, see `chassis.commands`."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import asyncpg
import nats.errors
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import events, migrate
from chassis.commands import CommandError, Schema
from chassis.events import BusPlan, BusUnavailableError, plan
from chassis.joining import login_of
from chassis.settings import BrokerSettings, PostgresUrl, SettingsError, load
from chassis.urls import with_password, with_query
from chassis.waiting import NotInTimeError, NotYetError, patiently

_IMAGE: Final = Path("/opt/lilitong")
Seconds = Annotated[float, Field(gt=0, le=3600)]


class MigrateSettings(BaseSettings):
    """What `migrate` is told."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    owner_database_url: PostgresUrl
    owner_database_password: Annotated[str, Field(repr=False)] = ""
    wait_seconds: Seconds = 300.0


class BusSettings(BrokerSettings):
    """What `bus` is told."""

    wait_seconds: Seconds = 300.0


def share() -> Path:
    """The folder that holds libs/ and services/ with their SQL: in an image beside the environment, else the repository.

    Raises `SettingsError` when there is none.
    """
    home = Path(sys.prefix).resolve().parent
    told = Path(os.environ.get("LILITONG_SHARE") or home / "share")  # an image says so
    for folder in (told, home / "share", _IMAGE / "share", home, *Path(__file__).resolve().parents):
        if (folder / "libs/chassis/migrations").is_dir():
            return folder
    raise SettingsError(f"the migrations are neither in {home / 'share'} nor in a repository around {sys.prefix}.")


def prepare_schema(prefix: str, schema: Schema) -> str:
    """Migrates; returns what to say. Raises `SettingsError` or `CommandError`."""
    return _run(_migrate(load(MigrateSettings, prefix), prefix, schema))


def prepare_bus(prefix: str, wanted: BusPlan) -> str:
    """Makes or changes stream and durables; returns what to say. Raises `SettingsError` or `CommandError`."""
    return _run(_bus(load(BusSettings, prefix), wanted))


def _run(work: Coroutine[Any, Any, str]) -> str:
    try:
        return asyncio.run(work)
    except (NotInTimeError, migrate.MigrationError, asyncpg.PostgresError, nats.errors.Error) as error:
        raise CommandError(" ".join(str(error).split()) or type(error).__name__) from None


async def _migrate(settings: MigrateSettings, prefix: str, schema: Schema) -> str:
    folders = schema.folders(share())
    try:
        url = with_password(settings.owner_database_url, settings.owner_database_password)
    except ValueError as error:
        raise SettingsError(f"{prefix}OWNER_DATABASE_URL is wrong: {error}.") from None

    async def ready() -> str:
        """The URL for dbmate, which insists on encryption where a URL says nothing, other than our driver."""
        try:
            connection = await asyncpg.connect(url, timeout=5)
        except ValueError as error:  # an option in its query that there is not
            raise SettingsError(f"{prefix}OWNER_DATABASE_URL is wrong: {error}.") from None
        try:
            if not await connection.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", schema.name):
                raise NotYetError(f"the database has no schema {schema.name}, which `python -m chassis.prepare` makes")
            encrypted = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        finally:
            await connection.close(timeout=2)
        return url if "sslmode=" in url else with_query(url, sslmode="require" if encrypted else "disable")

    found = await patiently("Postgres", ready, settings.wait_seconds)
    await asyncio.to_thread(migrate.migrate, found, schema.name, folders)
    return f"The schema {schema.name} is up to date."


async def _bus(settings: BusSettings, wanted: BusPlan) -> str:
    bus = events.connect(
        settings.nats_url, f"{wanted.service}-bus", login=login_of(settings), authority=settings.nats_authority
    )

    async def once() -> None:
        try:
            await plan.bring_about(bus.jetstream, wanted, settings.nats_replicas)
        except (BusUnavailableError, nats.errors.TimeoutError, nats.errors.NoRespondersError):
            raise NotYetError(f"it does not answer{f' ({bus.trouble})' if bus.trouble else ''}") from None

    try:
        await patiently("NATS", once, settings.wait_seconds)
    finally:
        await bus.close()
    return f"The stream {wanted.stream.name} and {len(wanted.durables)} durable consumers are up to date."
