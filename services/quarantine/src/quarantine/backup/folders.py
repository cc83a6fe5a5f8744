"""Backups on a volume: a folder each, named by its moment; a manifest says that it is complete and what is in it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

from quarantine.backup.inventory import Inventory

DUMP: Final = "lilitong.dump"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
UNFINISHED: Final = ".part"
LATEST: Final = "latest"
_NAME: Final = "%Y-%m-%dT%H%M%SZ"


class BackupError(Exception):
    """One sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was saved: the inventory, and the dump's bytes and SHA-256 (empty in manifests of before these were written down)."""

    inventory: Inventory
    size: int = 0
    sha256: str = ""


def name_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_NAME)


def moment_of(name: str) -> datetime | None:
    """The moment in a name; None when it is no backup's."""
    try:
        return datetime.strptime(name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def write(folder: Path, inventory: Inventory) -> None:
    """The manifest of a folder with a dump in it: the last thing that is written."""
    with (folder / DUMP).open("rb") as dump:
        digest = file_digest(dump, "sha256").hexdigest()
    manifest = {
        "format": FORMAT,
        "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "dump": {"bytes": (folder / DUMP).stat().st_size, "sha256": digest},
        "inventory": inventory,
    }
    draft = folder / f"{MANIFEST}.new"
    draft.write_text(json.dumps(manifest, indent=1))
    settle(draft)
    draft.replace(folder / MANIFEST)


def settle(path: Path) -> None:
    """Wait until a file is on its disk: without that one that got its name before a crash may be empty after it."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


def read(folder: Path) -> Manifest:
    """Raises `BackupError` when this is no backup."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        raise BackupError(f"{folder / MANIFEST} cannot be read: this is no backup") from None
    if manifest.get("format") != FORMAT:
        raise BackupError("this backup was made by another version of this program")
    dump = manifest.get("dump", {})
    return Manifest(manifest["inventory"], dump.get("bytes", 0), dump.get("sha256", ""))


def sound(folder: Path) -> Manifest:
    """The manifest, once the dump is what it was when it was made. Raises `BackupError`."""
    manifest = read(folder)
    try:
        with (folder / DUMP).open("rb") as dump:
            same = file_digest(dump, "sha256").hexdigest() == manifest.sha256
    except OSError:
        raise BackupError(f"{folder / DUMP} cannot be read") from None
    if manifest.sha256 and not same:
        raise BackupError(f"{folder / DUMP} is not the file that was saved; take an older backup")
    return manifest


def complete(volume: Path) -> list[Path]:
    """Every complete backup, oldest first."""
    return sorted(path for path in volume.iterdir() if moment_of(path.name) and (path / MANIFEST).is_file())


def chosen(volume: Path, name: str) -> Path:
    """The folder of a name, or of the newest for `latest`. Raises `BackupError`, which tells the names that there are."""
    if not (found := complete(volume)):
        raise BackupError(f"there is no complete backup in {volume}")
    if name == LATEST:
        return found[-1]
    if volume / name not in found:
        raise BackupError(f"{name} is no complete backup; in {volume} are {', '.join(path.name for path in found)}")
    return volume / name


def prune(volume: Path, days: int, now: datetime) -> list[str]:
    """Deletes what is older than `days`, never the newest; their names."""
    doomed = outdated(complete(volume), lambda path: moment_of(path.name), days, now)
    for path in doomed:
        shutil.rmtree(path)
    return [path.name for path in doomed]


def make_room(volume: Path, given_up: timedelta, now: datetime) -> None:
    """Delete what runs that were given up by now left unfinished: on a full volume no run would end that could do it."""
    for path in volume.glob(f"*{UNFINISHED}"):
        began = moment_of(path.name.removesuffix(UNFINISHED))
        if began is not None and now - began > given_up:
            shutil.rmtree(path, ignore_errors=True)


def outdated(paths: Sequence[Path], made: Callable[[Path], datetime | None], days: int, now: datetime) -> list[Path]:
    """Of paths in the order of their moments those older than `days`; the last is never among them."""
    return [path for path in paths[:-1] if (moment := made(path)) is not None and now - moment > timedelta(days=days)]
