"""How much memory a running system takes."""

from pathlib import Path

from devstack.stack import Stack


def family(roots: list[int]) -> list[int]:
    """The processes and all their descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # gone meanwhile
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid for pid in roots if pid in parents]
    for pid in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _kilobytes(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # gone meanwhile, or another user's
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def private_kilobytes(pids: list[int]) -> int:
    """What would be free again if these processes ended: unlike the proportional size, no other process moves it."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup") for pid in pids]
    return sum(_kilobytes(path, name) for path in rollups for name in ("Private_Clean", "Private_Dirty"))


def megabytes(stack: Stack) -> tuple[int, int]:
    """(resident, proportional) of all processes. Resident counts memory that Postgres' processes share once for each."""
    pids = family([stack.pid(name) for name in stack.names()])
    resident = sum(_kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") for pid in pids)
    proportional = sum(_kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids)
    return resident // 1024, proportional // 1024
