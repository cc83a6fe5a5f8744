"""Small secret files that are created once, whole, and destroyed for good. Used by the directory vault only."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from passes.errors import VaultError

_UNFINISHED: Final = ".new-"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder's lock against every other process and thread; the lock dies with the process that holds it."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, if it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def try_out(folder: Path) -> None:
    """Lock and link once, so that a file system that cannot is found at the start and not by two processes' different keys.

    Raises `VaultError` on one that cannot, OSError where nothing may be written.
    """
    draft = _draft(folder / "x", b"")
    second = draft.with_name(f"{draft.name}-")
    try:
        with exclusive(folder):
            os.link(draft, second)
            second.unlink()
    except OSError as error:
        raise VaultError(
            f"the file system of {folder} cannot lock and link files ({error.strerror}), which keeps several processes from"
            " making different keys; NFS 4 and local disks can"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def create_once(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, mode 0600, durable on return.

    False when it was there already, which is then left alone.

    The link makes it appear whole or not at all, so that readers need no lock. The caller holds `exclusive`.
    """
    if path.exists():
        return False
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Write `path` anew, whole or not at all, durable on return."""
    _draft(path, content).replace(path)
    _sync_folder(path.parent)


def destroy(path: Path) -> None:
    """Overwrite the file in place, remove it, and make both durable; a file that is gone already is fine.

    Overwriting first covers open handles and hard links. Copy-on-write file systems and flash may keep old blocks:
    where that matters, the vault is a secret store, not a directory.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _write_all(handle, bytes(os.fstat(handle).st_size))
        os.fsync(handle)
    finally:
        os.close(handle)
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove drafts that a killed process left.

    Unlinked, not overwritten: a draft may already be the finished file's second name.
    """
    for draft in folder.glob(f"{_UNFINISHED}*"):
        draft.unlink(missing_ok=True)


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    return draft


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
