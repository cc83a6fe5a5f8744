"""`python -m passes.vault_copy take | put VAULT`: of a vault only what may be copied, as a tar on standard output or input.

Signing keys and named secrets (among them the key that wraps all people's keys) are needed for ever, so they are copied.
**Day keys are not**: they are destroyed after fourteen days, and a copy somewhere would undo that. What is copied instead is
which days are destroyed, so that no old vault ever makes a second key for one.
"""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from passes import keyfiles
from passes.errors import VaultError

KEPT: Final = (("keys", "*.pem"), ("secrets", "*.bin"))
LIMIT: Final = "days/destroyed-before"
LARGEST: Final = 65_536
"""Bytes; no key is near it."""


def take(vault: Path) -> bytes:
    """The archive. Raises `VaultError` when there is no vault."""
    if not (vault / "keys").is_dir():
        raise VaultError("there is no vault in this folder")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in _copied(vault):
            content = path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(vault).as_posix())
            entry.size, entry.mode = len(content), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def put(vault: Path, data: bytes) -> int:
    """Put an archive's keys and secrets into a vault; how many were not there. Nothing is overwritten.

    Raises `VaultError`, before anything is written, when the vault has another key under a name, or when the archive holds
    anything but what `take` puts there.
    """
    found = dict(_entries(data))
    limit = found.pop(LIMIT, None)
    for name, content in found.items():
        path = vault / name
        if path.exists() and path.read_bytes() != content:
            raise VaultError(f"the vault has another {name}; an archive is put into an empty vault, or into its own")
    made = 0
    for folder in ("keys", "secrets", "days"):
        keyfiles.make_folder(vault / folder)
        with keyfiles.exclusive(vault / folder):
            for name, content in found.items():
                if name.startswith(f"{folder}/"):
                    made += keyfiles.create_once(vault / name, content)
            if folder == "days" and limit is not None:
                _never_back(vault / LIMIT, date.fromisoformat(limit.decode()))
    return made


def _never_back(path: Path, limit: date) -> None:
    """What is destroyed stays so: the later of the two limits holds."""
    standing = date.fromisoformat(path.read_text()) if path.exists() else date.min
    if limit > standing:
        keyfiles.replace(path, limit.isoformat().encode())


def _copied(vault: Path) -> Iterator[Path]:
    for folder, pattern in KEPT:
        yield from sorted((vault / folder).glob(pattern))
    if (vault / LIMIT).exists():
        yield vault / LIMIT


def _entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                name = Path(entry.name)
                known = entry.name == LIMIT or any(
                    name.parent == Path(folder) and name.match(pattern) for folder, pattern in KEPT
                )
                opened = archive.extractfile(entry) if known and entry.isreg() and entry.size <= LARGEST else None
                if opened is None:
                    raise VaultError(f"the archive holds {entry.name!r}, which is no key or secret")
                yield entry.name, opened.read()
    except tarfile.TarError:
        raise VaultError("this is no archive of a vault") from None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m passes.vault_copy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("command", choices=["take", "put"])
    parser.add_argument("vault", type=Path)
    given = parser.parse_args(arguments)
    try:
        if given.command == "take":
            sys.stdout.buffer.write(take(given.vault))
        else:
            made = put(given.vault, sys.stdin.buffer.read())
            sys.stderr.write(
                f"{made} keys and secrets put in. Day keys are in no archive: see docs/operations/disaster.md.\n"
            )
    except (VaultError, OSError) as error:
        sys.stderr.write(f"Not done: {error}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
