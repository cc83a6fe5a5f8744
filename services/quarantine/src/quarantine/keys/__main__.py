"""`python -m quarantine.keys list | rotate USE | revoke KID`: the operator's commands on the signing keys.

They take the service's own settings and work while it runs: replicas take the change over within seconds, verifiers are told by
an event, and passes that were issued before stay good unless their key is revoked. A new log key signs after the
next restart of the service, since one process signs with one key.
"""

import argparse
import asyncio
import sys

from chassis import pool as pools
from chassis.clock import Clock
from chassis.events import sealing
from chassis.settings import load_or_exit
from chassis.starting import clock_of
from daysets.trust import Use
from passes.vault import DirectoryVault

from quarantine.keys import changing, store
from quarantine.settings import QuarantineSettings


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quarantine.keys", description="Signing keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every key, with its use, period and state")
    rotate = commands.add_parser("rotate", help="make a new key that signs from now on")
    rotate.add_argument("use", choices=[use.value for use in Use])
    revoke = commands.add_parser("revoke", help="believe nothing any more that a key signed")
    revoke.add_argument("kid", type=bytes.fromhex, help="key id, 16 hexadecimal digits")
    return parser


async def run(settings: QuarantineSettings, given: argparse.Namespace, clock: Clock) -> int:
    """Carries out one command; returns the exit code."""
    vault, seal = DirectoryVault(settings.vault, provided=settings.vault_provided), sealing(settings.event_trace_key)
    pool = await pools.create(settings.store_url, application_name="quarantine-keys", max_size=1)
    try:
        async with pool.acquire() as conn, conn.transaction():
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
    except changing.UnknownKeyError:
        _say("there is no such key, or it is revoked already; `list` shows them")
        return 1
    finally:
        await pools.close(pool)
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    given = arguments().parse_args()
    settings = load_or_exit(QuarantineSettings)
    return asyncio.run(run(settings, given, clock_of(settings)))


if __name__ == "__main__":
    sys.exit(main())
