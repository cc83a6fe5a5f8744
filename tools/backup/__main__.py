"""`python -m tools.backup save | restore | check`: the record, saved with its counts and hashes, and compared when it is back.

BACKUP_DATABASE_URL is the database's URL as a superuser (or as an owner of all three schemas). Exit code 0: done and equal.
1: there are differences, or the log is not sound. 2: it could not be done.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from quarantine.backup.folders import BackupError
from quarantine.backup.inventory import UnsoundError, counted

from tools.backup import commands

URL = "BACKUP_DATABASE_URL"


def main(arguments: Sequence[str] | None = None) -> int:
    """One command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.backup", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("command", choices=["save", "restore", "check"])
    parser.add_argument("folder", type=Path, help="the backup: lilitong.dump and manifest.json")
    parser.add_argument("--programs", type=Path, help="folder of pg_dump and pg_restore; else they are found as usual")
    given = parser.parse_args(arguments)
    if not (url := os.environ.get(URL, "")):
        return _say(2, f"{URL} is missing.")
    began = time.monotonic()
    try:
        code = asyncio.run(_carry_out(given.command, commands.Database(url, given.programs), given.folder))
    except UnsoundError as error:
        return _say(1, f"NOT SOUND. {error}.")
    except BackupError as error:
        return _say(2, f"{error}.")
    except (OSError, asyncpg.PostgresError) as error:
        return _say(2, f"Postgres refused: {type(error).__name__}.")
    print(f"{time.monotonic() - began:.1f} s")
    return code


async def _carry_out(command: str, database: commands.Database, folder: Path) -> int:
    if command == "save":
        found = await commands.save(database, folder)
        return _say(0, f"{counted(found)}Saved to {folder}.")
    different = await (commands.restore if command == "restore" else commands.check)(database, folder)
    for sentence in different:
        print(sentence, file=sys.stderr)
    if different:
        return _say(1, f"NOT EQUAL. {len(different)} differences from what was saved.")
    return _say(0, "EQUAL. Every table, rule and sequence is as it was saved, and the logs are sound.")


def _say(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
