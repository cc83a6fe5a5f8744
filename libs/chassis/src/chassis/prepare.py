"""`python -m chassis.prepare`: database, roles and schemas for the services, made with an administrator's URL.

PREPARE_ADMIN_URL, PREPARE_ADMIN_PASSWORD (optional, put into the URL), PREPARE_DATABASE, PREPARE_SCHEMAS (names separated
by commas). Each schema has two roles, `<schema>` and `<schema>_owner`; a role's password is PREPARE_PASSWORD_<ROLE> or
the file of the role's name in the folder PREPARE_PASSWORDS. May run any number of times; it changes passwords to those it
is given.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import asyncpg
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis import migrate
from chassis.settings import EXIT_CODE, PostgresUrl, SettingsError, load
from chassis.urls import with_password
from chassis.waiting import NotInTimeError, patiently

_PREFIX = "PREPARE_"


class PrepareSettings(BaseSettings):
    """See the module. `wait_seconds`: how long Postgres may take to answer."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    admin_url: PostgresUrl
    admin_password: Annotated[str, Field(repr=False)] = ""
    database: Annotated[str, Field(pattern=migrate.NAME)] = "lilitong"
    schemas: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*(,[a-z_][a-z0-9_]*)*$")]
    passwords: Path | None = None
    wait_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0


def password_of(role: str, folder: Path | None, environment: Mapping[str, str]) -> str:
    """A role's password; raises `SettingsError` naming both places where it was looked for."""
    name = f"{_PREFIX}PASSWORD_{role.upper()}"
    found = environment.get(name, "")
    if not found and folder is not None:
        try:
            found = (folder / role).read_text().strip("\r\n")
        except OSError:
            found = ""
    if not found:
        raise SettingsError(f"{name} is missing, and so is a file {role} in the folder {_PREFIX}PASSWORDS.")
    return found


async def prepare(settings: PrepareSettings, environment: Mapping[str, str]) -> None:
    """Makes everything. Raises `SettingsError`, `NotInTimeError` or Postgres's refusal."""
    schemas = settings.schemas.split(",")
    passwords = {schema: password_of(schema, settings.passwords, environment) for schema in schemas}
    owners = {schema: password_of(f"{schema}_owner", settings.passwords, environment) for schema in schemas}
    try:
        admin = with_password(settings.admin_url, settings.admin_password)
    except ValueError as error:
        raise SettingsError(f"{_PREFIX}ADMIN_URL is wrong: {error}.") from None

    async def once() -> None:
        try:
            await migrate.prepare(admin, settings.database, passwords, owner_passwords=owners)
        except ValueError as error:  # an option in its query that there is not
            raise SettingsError(f"{_PREFIX}ADMIN_URL is wrong: {error}.") from None

    await patiently("Postgres", once, settings.wait_seconds)


def main(environment: Mapping[str, str]) -> int:
    """The program; returns the exit code."""
    try:
        settings = load(PrepareSettings)
        asyncio.run(prepare(settings, environment))
    except SettingsError as error:
        print(f"Cannot prepare: {error}", file=sys.stderr)  # noqa: T201 - for a person
        return EXIT_CODE
    except (NotInTimeError, asyncpg.PostgresError) as error:
        print(f"Cannot prepare: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"Prepared: database {settings.database}, schemas {settings.schemas}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    import os

    sys.exit(main(os.environ))
