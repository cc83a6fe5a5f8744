"""The last step into a container: its root, its user, no rights, then its program. Started by confined.sh, with mounts done.

    python -I enter.py ROOT USER:GROUP:GROUPS FOLDER PATH PROGRAM [ARGUMENT…]

The environment is the container's, but for its PATH.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

WITH_PARENT, DROP_FROM_BOUNDING_SET, NO_NEW_PRIVILEGES = 1, 24, 38  # of prctl(2)


def forgo(option: int, value: int) -> None:
    """Gives something up. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} {value}")


def main(root: str, identity: str, folder: str, path: str, *program: str) -> None:
    """Does not return."""
    user, group, groups = map(int, identity.split(":"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        forgo(DROP_FROM_BOUNDING_SET, capability)
    os.chroot(root)
    os.chdir(folder)
    os.setgroups([groups])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)  # from root to another: no capability is left
    forgo(NO_NEW_PRIVILEGES, 1)
    # Life without its parent: the change of the user has undone what `unshare --kill-child` had set.
    forgo(WITH_PARENT, signal.SIGKILL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # this interpreter ignores them, and the next program would too
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(program[0], program, os.environ | {"PATH": path})  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    main(*sys.argv[1:])
