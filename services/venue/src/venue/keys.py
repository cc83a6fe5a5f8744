"""`python -m venue.keys list | rotate NAME | resign | retire NAME VERSION [--stolen]`: the operator's commands on venue's keys.

They take the service's own settings and work while it runs; replicas know within five seconds. A new version has to be in
the mounted Secret first (`venue-code-2.pem`) and is used two minutes after `rotate`; what former versions made is believed
until `retire`. `resign` then has posters printed by the newest key. A new key of the log signs from the next restart on.
"""

import argparse
import sys

import asyncpg
from chassis import key_versions
from chassis import pool as pools
from chassis.clock import Clock
from chassis.commands import operate
from chassis.key_versions import KeyVersionError
from chassis.pool import Connection
from ledger.note import Verifier
from passes.errors import VaultError
from passes.vault import DirectoryVault

from venue.key_versions import CODES, DRAWS, LOG, SCREENS, VenueKeys
from venue.register import resigning
from venue.register.codes import VenueCodes
from venue.settings import VenueSettings
from venue.spotcheck import store as draws

NAMES = (CODES, SCREENS, LOG, DRAWS)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m venue.keys", description="Keys that have versions.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every version with its state, and what the log's are verified by")
    rotate = commands.add_parser("rotate", help="use the next version; former ones stay believed")
    rotate.add_argument("name", choices=NAMES)
    commands.add_parser("resign", help="sign posters' codes anew by the newest key; those that hang stay good")
    retire = commands.add_parser("retire", help="believe a former version no more")
    retire.add_argument("name", choices=NAMES)
    retire.add_argument("version", type=int)
    retire.add_argument(
        "--stolen",
        action="store_true",
        help="even if posters in force go by it, or open draws: refused at once, never drawn",
    )
    return parser


async def run(settings: VenueSettings, given: argparse.Namespace, clock: Clock) -> int:
    """Carries out one command; returns the exit code."""
    vault = DirectoryVault(settings.vault, provided=settings.vault_provided)
    keys = VenueKeys.of(vault, brought=settings.vault_provided is not None)
    pool = await pools.create(settings.store_url, application_name="venue-keys", max_size=1)
    try:
        if given.command == "resign":
            return await _resign(pool, keys, clock)
        async with pool.acquire() as conn, conn.transaction():
            if given.command == "rotate":
                made = await key_versions.rotate(conn, keys.named(given.name), clock.now())
                when = "the next restart" if given.name == LOG else f"{made.begins_at:%Y-%m-%d %H:%M:%S}Z"
                _say(f"{given.name} {made.version} is used from {when} on")
            elif given.command == "retire":
                await _retire(conn, keys, given, clock)
            else:
                await _list(conn, settings, clock)
    except (KeyVersionError, VaultError) as error:
        _say(f"{error}")
        return 1
    finally:
        await pools.close(pool)
    return 0


async def _resign(pool: asyncpg.Pool, keys: VenueKeys, clock: Clock) -> int:
    async with pool.acquire() as conn:
        await key_versions.load(conn, [keys.codes, keys.screens], clock.now())
        newest = await key_versions.waiting(conn, CODES, clock.now())
    if newest is not None:
        raise KeyVersionError(f"{CODES} {newest.version} is used from {newest.begins_at:%H:%M:%S}Z on: ask again then")
    done, left = await resigning.resign(pool, VenueCodes(keys))
    _say(f"{done} signed by {CODES} {keys.codes.current[0]}, {left} left")
    return 1 if left else 0


async def _retire(conn: Connection, keys: VenueKeys, given: argparse.Namespace, clock: Clock) -> None:
    """Retired first, then looked at what needs it: one of both is undone with the transaction."""
    named = keys.named(given.name)
    known = {one.version: one.mark for one in await key_versions.every(conn, given.name)}
    await key_versions.retire(conn, named, given.version, clock.now())
    file = named.source.file(given.version)
    if given.name == CODES and not given.stolen:
        posters = (await resigning.signed_by(conn)).get(known[given.version], 0)
        if posters:
            raise KeyVersionError(
                f"{file} has signed the posters in force of {posters} zones: run `resign` and have them printed"
            )
    if given.name == DRAWS and not given.stolen:
        waiting = await draws.waiting_for(conn, given.version, clock.now())
        if waiting:
            raise KeyVersionError(f"{waiting} spot checks that are not drawn yet follow from {file}")
    _say(f"{given.name} {given.version} is retired: its file may be taken away")


async def _list(conn: Connection, settings: VenueSettings, clock: Clock) -> None:
    for name in NAMES:
        for one in await key_versions.every(conn, name):
            said = key_versions.line(name, one, clock.now())
            if name == LOG and one.public_key is not None:
                said += f"  {Verifier(settings.log_origin, one.public_key).encode()}"
            _say(said)
    _say(
        "posters in force: "
        + ", ".join(f"{kid.hex()} {count}" for kid, count in (await resigning.signed_by(conn)).items())
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    return operate(arguments(), VenueSettings, run)


if __name__ == "__main__":
    sys.exit(main())
