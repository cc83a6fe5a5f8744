"""Child processes that are ours: a record of each on disk, so that a later run can tell what a killed one left behind."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PORTS = 10_240, 32_768
"""Below where Linux takes the ports of outgoing connections from (ip_local_port_range)."""
PORT_TRIES = 200


class DevstackError(Exception):
    """Something a person can mend; the text names the fix."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, and that no outgoing connection will be given by the system.

    A service that is killed and started again on its port would else find a client's connection there.
    """
    for _ in range(PORT_TRIES):
        port = random.randrange(*PORTS)  # noqa: S311 - no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise DevstackError(f"no port between {PORTS[0]} and {PORTS[1]} is free; stop what listens there")


def check_port(port: int, what: str, *, patience: float = 2.0) -> None:
    """Refuses a port that somebody else has. A process just killed may keep its port for a moment, so it asks again."""
    deadline = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if time.monotonic() > deadline:
                    raise DevstackError(
                        f"port {port} for {what} is taken; stop what listens there or choose another"
                    ) from error
            else:
                return
        time.sleep(0.05)


def check_space(folder: Path, megabytes: int, what: str) -> None:
    """Refuses a disk that would run full at once; servers say so only deep in their logs."""
    free = shutil.disk_usage(folder).free // 2**20
    if free < megabytes:
        raise DevstackError(
            f"{folder} has {free} MB left and {what} needs {megabytes} MB; free some space or choose another folder"
        )


def started_at(pid: int) -> str | None:
    """The kernel's start time of a living process; with the pid it names one process for good. None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def record(pid_file: Path, pid: int) -> None:
    """Writes down which process is ours."""
    pid_file.write_text(f"{pid} {started_at(pid)}\n")


def recorded(pid_file: Path) -> int | None:
    """The process an earlier run started and that still lives, or None."""
    try:
        pid, _, started = pid_file.read_text().strip().partition(" ")
    except FileNotFoundError:
        return None
    return int(pid) if pid.isdigit() and started and started_at(int(pid)) == started else None


def dwellers(folder: Path) -> list[int]:
    """Living processes whose working directory is `folder`, whoever started them, as far as we may see."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder.resolve() and started_at(int(entry.name)):
                    found.append(int(entry.name))
            except OSError:  # gone meanwhile, or another user's
                continue
    return found


def kill(pid_file: Path) -> None:
    """SIGKILL to the process on record; nothing when it is gone, so that a reused pid is never hit."""
    if pid := recorded(pid_file):
        os.kill(pid, signal.SIGKILL)
        end(pid)


def end(pid: int, *, polite: int = signal.SIGTERM, seconds: float = 10.0) -> None:
    """Ends one process: politely first, then with SIGKILL. Returns when it is gone."""
    if pid <= 0:  # never started; to the kernel it would mean a whole group of processes, ourselves among them
        return
    for signal_number, patience in ((polite, seconds), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience
        try:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        while time.monotonic() < deadline:
            if started_at(pid) is None:
                reap(pid)
                return
            time.sleep(0.02)


def reap(pid: int, seconds: float = 2.0) -> None:
    """Takes the exit status of a child of ours, if it is one. Its other threads may still be ending; they hold its files."""
    deadline = time.monotonic() + seconds
    try:
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
    except ChildProcessError:
        return


def tied(command: Sequence[str], signal_name: str = "TERM") -> list[str]:
    """The command as it must be run to get a signal when the thread that started it ends, however it ends.

    For tests: a run that is killed cannot clean up, and its data folder is known to nobody afterwards. Where `setpriv` is not
    there (only Linux has it) the command is left as it is.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, *command] if setpriv else list(command)


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Starts a program in a session of its own (a terminal's Ctrl-C reaches only us), its output in a log file."""
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=None if env is None else dict(env),
            cwd=cwd, start_new_session=True,
        )  # fmt: skip
    child.returncode = 0  # we keep the pid and reap it in end(); without this the handle complains when it is collected
    return child.pid


def tail(log: Path, lines: int = 5) -> str:
    """The end of a log file, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
