"""One demo at a time in a state folder. The kernel frees the lock however its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.processes import DevstackError


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Holds the folder for this process. Raises DevstackError when another one has it, or when it cannot be written."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DevstackError(f"{state} cannot be written ({error.strerror}); choose another with --state") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DevstackError(f"already running (process {holder}); stop it with Ctrl-C there") from None
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
