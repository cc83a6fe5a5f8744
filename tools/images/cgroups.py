"""A control group with a memory limit for one process, of either version; None where they cannot be made."""

from dataclasses import dataclass
from pathlib import Path

BASE = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Group:
    """A made group. `version`: 1 or 2."""

    folder: Path
    version: int

    def peak(self) -> int:
        """The most bytes that were charged to it at once; pages of files belong to whoever read them first."""
        name = "memory.peak" if self.version == 2 else "memory.max_usage_in_bytes"
        return int((self.folder / name).read_text())

    def killed(self) -> int:
        """How often the kernel killed for want of memory here."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(lines.get("oom_kill", 0))

    def members(self) -> list[int]:
        """Ids of its processes."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """Once its process has ended."""
        self.folder.rmdir()


def make(name: str, limit: int) -> Group | None:
    """A group with `limit` bytes of memory, and no swap beyond it where the kernel counts that."""
    version = 2 if (BASE / "cgroup.controllers").exists() else 1
    folder = (BASE if version == 2 else BASE / "memory") / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    try:
        (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(limit))
        if (swap := folder / ("memory.swap.max" if version == 2 else "memory.memsw.limit_in_bytes")).exists():
            swap.write_text("0" if version == 2 else str(limit))
    except OSError:  # groups can be made, and memory is not handed down to them
        folder.rmdir()
        return None
    return Group(folder, version)
