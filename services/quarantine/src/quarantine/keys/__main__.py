"""`python -m quarantine.keys list | rotate USE | revoke KID | rewrap | retire people-kek VERSION`: the operator's commands.

They take the service's own settings and work while it runs: replicas take the change over within seconds, verifiers are told by
an event, and passes that were issued before stay good unless their key is revoked. A new log key signs after the
next restart of the service, since one process signs with one key.

`rotate people-kek` makes a new key-encryption key, or takes the provided one; it wraps from two minutes later on. `rewrap` then
wraps everybody's data key by it, as often as it is called, and `retire` ends the former one.
"""

import argparse
import sys

import asyncpg
from chassis import key_versions
from chassis import pool as pools
from chassis.clock import Clock
from chassis.commands import operate
from chassis.events import sealing
from chassis.key_versions import KeyVersionError
from chassis.pool import Connection
from daysets.trust import Use
from passes.errors import VaultError
from passes.vault import DirectoryVault

from quarantine.keys import changing, store
from quarantine.people import rewrapping
from quarantine.people.wrapping import KEK, Wrapping
from quarantine.settings import QuarantineSettings


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m quarantine.keys", description="Signing keys, and the key of people's keys."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every key, with its use, period and state")
    rotate = commands.add_parser("rotate", help="make a new key that signs, or wraps, from now on")
    rotate.add_argument("use", choices=[*(use.value for use in Use), KEK])
    revoke = commands.add_parser("revoke", help="believe nothing any more that a key signed")
    revoke.add_argument("kid", type=bytes.fromhex, help="key id, 16 hexadecimal digits")
    commands.add_parser("rewrap", help="wrap everybody's data key by the newest key-encryption key")
    retire = commands.add_parser("retire", help="end a key-encryption key that wraps nobody's data key any more")
    retire.add_argument("name", choices=[KEK])
    retire.add_argument("version", type=int)
    retire.add_argument(
        "--lost", action="store_true", help="even if people are wrapped by it, who cannot be read any more"
    )
    return parser


async def run(settings: QuarantineSettings, given: argparse.Namespace, clock: Clock) -> int:
    """Carries out one command; returns the exit code."""
    vault = DirectoryVault(settings.vault, provided=settings.vault_provided)
    pool = await pools.create(settings.store_url, application_name="quarantine-keys", max_size=1)
    try:
        if given.command in ("rewrap", "retire") or vars(given).get("use") == KEK:
            return await _on_keks(pool, Wrapping.of(vault), given, clock)
        async with pool.acquire() as conn, conn.transaction():
            await _on_signing_keys(conn, settings, vault, given, clock)
    except changing.UnknownKeyError:
        _say("there is no such key, or it is revoked already; `list` shows them")
        return 1
    except (KeyVersionError, VaultError) as error:
        _say(f"{error}")
        return 1
    finally:
        await pools.close(pool)
    return 0


async def _on_signing_keys(
    conn: Connection,
    settings: QuarantineSettings,
    vault: DirectoryVault,
    given: argparse.Namespace,
    clock: Clock,
) -> None:
    seal = sealing(settings.event_trace_key)
    if given.command == "rotate":
        key = await changing.rotate(conn, vault, Use(given.use), clock.now(), seal)
        _say(f"{key.use.value} {key.version}: {key.kid.hex()} signs from now on")
    elif given.command == "revoke":
        await changing.revoke(conn, vault, given.kid, clock.now(), seal)
        _say(f"{given.kid.hex()} is revoked")
    else:
        for key in await store.every(conn):
            state = "revoked" if key.revoked_at else f"until {key.not_after:%Y-%m-%d %H:%M}Z"
            _say(f"{key.kid.hex()}  {key.use.value:<10}  {key.version:>3}  {state}")
        for version in await key_versions.every(conn, KEK):
            _say(key_versions.line(KEK, version, clock.now()))


async def _on_keks(pool: asyncpg.Pool, wrapping: Wrapping, given: argparse.Namespace, clock: Clock) -> int:
    now = clock.now()
    async with pool.acquire() as conn, conn.transaction():
        if given.command == "rotate":
            made = await key_versions.rotate(conn, wrapping.keks, now)
            _say(f"{KEK} {made.version} wraps from {made.begins_at:%Y-%m-%d %H:%M:%S}Z on; run `rewrap` then")
            return 0
        if given.command == "retire":
            await rewrapping.retire(conn, wrapping, given.version, now, lost=given.lost)
            _say(f"{KEK} {given.version} is retired: its file may be taken away")
            return 0
        await key_versions.load(conn, [wrapping.keks], now)
        newest = await key_versions.waiting(conn, KEK, now)
    if newest is not None:
        raise KeyVersionError(f"{KEK} {newest.version} wraps from {newest.begins_at:%H:%M:%S}Z on: run `rewrap` then")
    found = await rewrapping.rewrap(pool, wrapping, told=lambda more: _say(f"{more} more"))
    _say(f"{found.done} wrapped by {KEK} {wrapping.keks.current[0]}, {found.left} left")
    if found.unreadable:
        _say(f"of these {found.unreadable} do not open, under any key that is here")
    return 1 if found.left else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    return operate(arguments(), QuarantineSettings, run)


if __name__ == "__main__":
    sys.exit(main())
