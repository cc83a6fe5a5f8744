"""Where a pod lives: a network namespace with one address on a bridge, its volumes, and its containers in control groups."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from devstack import processes

from tools.images import cgroups, volumes
from tools.images.pods import Container, Image, Pod
from tools.images.volumes import PodError

CONFINED: Final = Path(__file__).with_name("confined.sh")
NODE: Final = "10.244.0.1"
"""The trial's own address, where servers listen that are no pods."""
BRIDGE: Final = "pods"
MASK: Final = 24
INSIDE: Final = (
    'ip link set lo up; ip addr add "$1" dev eth0; ip link set eth0 up; echo "$0" >/proc/sys/kernel/hostname'
)
_NUMBERS = iter(range(10, 255))
RESOLVER: Final = (
    f"search lilitong.svc.cluster.local svc.cluster.local cluster.local\nnameserver {NODE}\noptions ndots:5\n"
)


def _ip(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PodError(f"`{' '.join(words)}` failed: {done.stderr.strip()}")


def open_network() -> None:
    """A bridge in this namespace, which is no other program's: whoever calls runs in `unshare --net`."""
    _ip("ip", "link", "set", "lo", "up")
    _ip("ip", "link", "add", BRIDGE, "type", "bridge")
    _ip("ip", "addr", "add", f"{NODE}/{MASK}", "dev", BRIDGE)
    _ip("ip", "link", "set", BRIDGE, "up")


def address() -> str:
    """One that no pod had before: neighbours would look for it at the old place."""
    return f"{NODE.rpartition('.')[0]}.{next(_NUMBERS)}"


@dataclass(frozen=True, slots=True)
class Root:
    """An image, unpacked. `added`: files from here that it gets beside its own, by path."""

    folder: str
    image: Image
    added: Mapping[str, Path] = field(default_factory=dict)


@dataclass(slots=True)
class Process:
    """A container that was started. `group`: None where control groups cannot be made; `log`: all it said."""

    process: asyncio.subprocess.Process
    group: cgroups.Group | None
    log: Path

    @property
    def first(self) -> int | None:
        """Id of the container's first process, seen from here; None when it is gone or not there yet."""
        pid = self.process.pid
        with suppress(OSError, ValueError):
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return None

    def resident(self) -> int:
        """Bytes of all its processes, pages of files included that others map too."""
        members = self.group.members() if self.group else [one for one in [self.first] if one]
        return sum(map(resident, members))

    def peak(self) -> int:
        return self.group.peak() if self.group else 0

    def killed(self) -> bool:
        """Whether memory was wanting."""
        return bool(self.group and self.group.killed())

    def signal(self, number: int) -> None:
        if (pid := self.first) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def forget(self) -> None:
        """Takes its control group away, once it has ended."""
        for _ in range(40):
            if self.group is None:
                return
            with suppress(OSError):
                self.group.remove()
                self.group = None
            await asyncio.sleep(0.05)


def resident(pid: int) -> int:
    """Bytes of a process; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Rss:"))


@dataclass(slots=True)
class Sandbox:
    """A pod's. `folder`: its volumes and logs; `claims`: volumes that outlive pods; `holder`: a process that keeps namespaces."""

    pod: Pod
    folder: Path
    claims: Path
    address: str
    holder: int = 0

    def open(self) -> None:
        """Namespaces, address and volumes, as before the first container."""
        self.folder.mkdir(mode=0o755)
        self.write_hosts("")
        (self.folder / "resolv.conf").write_text(RESOLVER)
        for one in self.pod.volumes:
            volumes.lay(one, self.pod.fs_group, self.place(one))
        holding = ["unshare", "--net", "--uts", "--ipc", "sleep", "infinity"]
        self.holder = processes.spawn(processes.tied(holding, "KILL"), log=self.folder / "holder.log")
        self._settled()
        link = f"pod{self.address.rpartition('.')[2]}"
        _ip("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder))
        _ip("ip", "link", "set", link, "master", BRIDGE, "up")
        _ip(*self.within(), "sh", "-euc", INSIDE, self.pod.name, f"{self.address}/{MASK}")

    def _settled(self) -> None:
        """Waits until the holder has its own namespaces; it is a moment."""
        for _ in range(200):
            with suppress(OSError):
                if Path(f"/proc/{self.holder}/comm").read_text().strip() == "sleep":
                    return
            time.sleep(0.01)
        raise PodError(f"{self.pod.name}: no namespace can be made here")

    def within(self) -> list[str]:
        """How a command is run in the pod's namespaces."""
        return ["nsenter", f"--target={self.holder}", "--net", "--uts", "--ipc"]

    def place(self, one: volumes.Volume) -> Path:
        """Where a volume lies."""
        return self.claims / one.claim if one.kind == "claim" else self.folder / "volumes" / one.name

    def write_hosts(self, text: str) -> None:
        """In place: containers have the file mounted."""
        with (self.folder / "hosts").open("w") as file:
            file.write(text)

    async def start(self, one: Container, root: Root) -> Process:
        """Starts a container. Raises PodError when one of its mounts is no volume of the pod."""
        group = cgroups.make(f"lilitong-{os.getpid()}-{self.pod.name}-{one.name}", one.limit) if one.limit else None
        mounts = self.folder / f"{one.name}.mounts"
        mounts.write_text("".join(f"{line}\n" for line in mount_lines(self, one, root)))
        groups = str(one.group if self.pod.fs_group is None else self.pod.fs_group)
        command = [
            *self.within(), str(CONFINED), sys.executable, root.folder, str(mounts), str(group.folder if group else ""),
            f"{one.user}:{one.group}:{groups}", "ro" if one.read_only else "rw", root.image.folder,
            *one.program(root.image),
        ]  # fmt: skip
        env = {**root.image.env, "HOSTNAME": self.pod.name, **one.env}
        log = self.folder / f"{one.name}.log"
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *processes.tied(command, "KILL"), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=env
            )
        return Process(process, group, log)

    def evictions(self) -> list[str]:
        """Volumes that hold more than they may."""
        return [one.name for one in self.pod.volumes if one.limit and volumes.held(self.place(one)) > one.limit]

    def close(self) -> None:
        processes.end(self.holder, polite=9)


def mount_lines(sandbox: Sandbox, one: Container, root: Root) -> Sequence[str]:
    """What confined.sh mounts, parents before what lies in them."""
    by_name = {volume.name: volume for volume in sandbox.pod.volumes}
    lines = {
        "/etc/hosts": f"ro {sandbox.folder}/hosts /etc/hosts",
        "/etc/resolv.conf": f"ro {sandbox.folder}/resolv.conf /etc/resolv.conf",
    }
    lines |= {path: f"ro {source} {path}" for path, source in root.added.items()}
    for mount in one.mounts:
        if mount.volume not in by_name:
            raise PodError(f"{sandbox.pod.name}: there is no volume {mount.volume}")
        volume = by_name[mount.volume]
        access = "ro" if mount.read_only or volume.kind == "provided" else "rw"
        lines[mount.path] = f"{access} {sandbox.place(volume)} {mount.path}"
    return [lines[path] for path in sorted(lines)]
