"""`python -m quarantine.backup volume | hold | ready | check | look | seal | open`: the steps of a release's backup and restore.

    volume                   that the volume takes a file, and which backups it holds
    hold                     count one snapshot while pg_dump, beside us, dumps it; then delete what is too old
    ready NAME               that the database is empty and the dump undamaged; tells the other container where it lies
    check NAME               EQUAL, or what differs from what was saved
    look                     counts of what is there, its log computed anew
    seal                     the keys, to a recipient who is not here
    open KEY SEALED FOLDER   by the recipient, off line

NAME is a backup's or `latest`. BACKUP_DATABASE_URL and _PASSWORD: a role that reads all schemas; BACKUP_FOLDER: the volume;
BACKUP_HANDSHAKE: a folder shared with the other container; BACKUP_KEEP_DAYS, BACKUP_SECONDS; BACKUP_VAULT, BACKUP_PROVIDED
(a folder for each mounted Secret), BACKUP_RECIPIENT.
Exit code 0: done and equal. 1: there are differences, or the log is not sound. 2: it could not be done.
"""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from chassis.urls import with_password
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from quarantine.backup import comparing, folders, holding, keys
from quarantine.backup.folders import BackupError
from quarantine.backup.inventory import UnsoundError, counted


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quarantine.backup", description="Backup and restore.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("volume", "hold", "look", "seal"):
        commands.add_parser(name)
    for name in ("ready", "check"):
        commands.add_parser(name).add_argument("name", help="of a backup, or `latest`")
    opening = commands.add_parser("open")
    for path in ("key", "sealed", "folder"):
        opening.add_argument(path, type=Path)
    return parser


def main(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """One command; returns the exit code."""
    try:
        return _carry_out(given, environment)
    except UnsoundError as error:
        return _say(1, f"NOT SOUND. {error}.")
    except KeyError as error:
        return _say(2, f"{error.args[0]} is missing.")
    except (BackupError, ValueError) as error:
        return _say(2, f"{error}.")
    except asyncpg.PostgresError as error:
        return _say(2, f"Postgres refused: {type(error).__name__}.")
    except OSError as error:
        return _say(2, f"{type(error).__name__}: {error.strerror or 'no answer'} {error.filename or ''}".rstrip() + ".")


def _carry_out(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    steps = {
        "volume": _try,
        "hold": _hold,
        "look": _look,
        "ready": _ready,
        "check": _check,
        "seal": _seal,
        "open": _open,
    }
    return steps[given.command](given, environment)


def _try(_: argparse.Namespace, environment: Mapping[str, str]) -> int:
    volume = Path(environment["BACKUP_FOLDER"])
    probe = volume / ".probe"
    probe.write_text("")
    probe.unlink()
    names = [path.name for path in (*folders.complete(volume), *keys.copies(volume))]
    return _say(0, f"The volume takes files. It holds {len(names)}: {', '.join(names) or 'nothing yet'}.")


def _hold(_: argparse.Namespace, environment: Mapping[str, str]) -> int:
    volume, handshake = Path(environment["BACKUP_FOLDER"]), _handshake(environment)
    days, seconds = int(environment["BACKUP_KEEP_DAYS"]), float(environment["BACKUP_SECONDS"])
    done, found = asyncio.run(holding.hold(_url(environment), volume, handshake, days, seconds))
    return _say(0, f"{counted(found)}Saved as {done.name}.")


def _look(_: argparse.Namespace, environment: Mapping[str, str]) -> int:
    found = asyncio.run(comparing.look(_url(environment)))
    return _say(0, f"{counted(found)}SOUND. The logs are those of their leaves and of what was published.")


def _ready(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    folder = folders.chosen(Path(environment["BACKUP_FOLDER"]), given.name)
    folders.sound(folder)
    asyncio.run(comparing.ready(_url(environment)))
    (_handshake(environment) / "folder").write_text(str(folder))
    return _say(0, f"The database is empty; {folder.name} is undamaged.")


def _check(given: argparse.Namespace, environment: Mapping[str, str]) -> int:
    folder = folders.chosen(Path(environment["BACKUP_FOLDER"]), given.name)
    if (told := Path(environment.get("BACKUP_HANDSHAKE", "")) / "folder").is_file():
        folder = Path(told.read_text())  # what was restored, though there be a newer one by now
    found = asyncio.run(comparing.check(_url(environment), folder))
    for sentence in found:
        _say(1, sentence)
    if found:
        return _say(1, f"NOT EQUAL. {len(found)} differences from {folder.name}.")
    return _say(0, f"EQUAL. Every table, rule and sequence is as in {folder.name}, and the logs are sound.")


def _seal(_: argparse.Namespace, environment: Mapping[str, str]) -> int:
    provided = {folder.name: folder for folder in sorted(Path(environment["BACKUP_PROVIDED"]).iterdir())}
    sealed = keys.seal(Path(environment["BACKUP_VAULT"]), provided, environment["BACKUP_RECIPIENT"])
    volume, days = Path(environment["BACKUP_FOLDER"]), int(environment["BACKUP_KEEP_DAYS"])
    return _say(0, f"Sealed as {keys.save(sealed, volume, days, datetime.now(UTC)).name}; no day key is in it.")


def _open(given: argparse.Namespace, _: Mapping[str, str]) -> int:
    names = keys.unpack(given.sealed.read_bytes(), _private_key(given.key), given.folder)
    return _say(0, f"{len(names)} files in {given.folder}: {', '.join(names)}.")


def _private_key(path: Path) -> EllipticCurvePrivateKey:
    try:
        return keys.private_key(path.read_bytes(), None)
    except TypeError:
        return keys.private_key(path.read_bytes(), getpass.getpass("password of the key: ").encode())


def _handshake(environment: Mapping[str, str]) -> Path:
    folder = Path(environment["BACKUP_HANDSHAKE"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _url(environment: Mapping[str, str]) -> str:
    return with_password(environment["BACKUP_DATABASE_URL"], environment.get("BACKUP_DATABASE_PASSWORD", ""))


def _say(code: int, sentence: str) -> int:
    (sys.stderr if code else sys.stdout).write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(arguments().parse_args(), os.environ))
