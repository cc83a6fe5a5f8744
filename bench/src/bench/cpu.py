"""CPU time of processes, and how busy the whole machine was, over a stretch of time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Used:
    """seconds: that went by. cpu: seconds of CPU by name. machine: seconds of CPU that everything used; cores: of the machine."""

    seconds: float
    cpu: dict[str, float]
    machine: float
    cores: int

    @property
    def busiest(self) -> tuple[str, float]:
        """The process with the most CPU, and its share of one core."""
        name = max(self.cpu, key=lambda each: self.cpu[each])
        return name, self.cpu[name] / self.seconds

    @property
    def busy(self) -> float:
        """The share of the machine that was used, by whomever."""
        return self.machine / (self.seconds * self.cores)

    @property
    def saturated(self) -> str:
        """What could give no more, in words."""
        name, share = self.busiest
        if self.busy >= _FULL:
            return f"all {self.cores} cores; most by {name}, {share:.0%} of a core"
        if share >= _FULL:
            return f"{name}, {share:.0%} of a core"
        return f"nothing; most used {name}, {share:.0%} of a core"

    @property
    def others(self) -> float:
        """The share of the machine that went to processes not named."""
        return max(self.machine - sum(self.cpu.values()), 0.0) / (self.seconds * self.cores)


class Meter:
    """`Meter({"venue": pid})`, then `used()` once. A process counts with its children, such as Postgres' backends."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: _family(pid) for name, pid in self._pids.items()}
        self._machine = _machine()
        self._began = time.perf_counter()

    def used(self) -> Used:
        seconds = time.perf_counter() - self._began
        cpu = {}
        for name, pid in self._pids.items():
            before = self._before[name]
            cpu[name] = sum(spent - before.get(each, 0.0) for each, spent in _family(pid).items())
        return Used(seconds, cpu, _machine() - self._machine, psutil.cpu_count() or 1)


def _family(pid: int) -> dict[int, float]:
    found = {}
    parent = psutil.Process(pid)
    for process in (parent, *parent.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = times.user + times.system
    return found


def _machine() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))
