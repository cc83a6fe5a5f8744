"""Rate, errors and duration of RPCs, counted without locks.

The library's own counters take a lock and several calls each, which shows on a hot call. All calls of a process run in one
loop, so plain integers do, and a collector turns them into metrics when they are scraped.
"""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# From a verdict in memory to the longest deadline, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class MethodStats:
    """One method's counts. The labels are bounded: methods are those registered, codes those of gRPC."""

    __slots__ = ("buckets", "codes", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.codes: dict[str, int] = {"OK": 0}
        self.seconds = 0.0

    def count(self, seconds: float, code: str) -> None:
        """Add one call."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
        self.codes[code] = self.codes.get(code, 0) + 1


class RpcStats(Collector):
    """All methods of the process, under `lilitong_rpc_*`."""

    def __init__(self) -> None:
        self.methods: dict[str, MethodStats] = {}
        self.in_flight = 0

    def method(self, name: str) -> MethodStats:
        """The counts of `/package.Service/Method`; the same object for the same name."""
        return self.methods.setdefault(name, MethodStats())

    def collect(self) -> Iterable[Metric]:
        seconds = HistogramMetricFamily("lilitong_rpc_seconds", "Duration of RPCs served", labels=["method"])
        total = CounterMetricFamily("lilitong_rpc", "RPCs served", labels=["method", "code"])
        for name, stats in self.methods.items():
            running, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), stats.buckets, strict=True):
                running += count
                buckets.append((bound, running))
            seconds.add_metric([name], buckets, stats.seconds)
            for code, count in stats.codes.items():
                total.add_metric([name, code], count)
        yield seconds
        yield total
        yield GaugeMetricFamily("lilitong_rpc_in_flight", "RPCs being served", value=self.in_flight)


RPC = RpcStats()
REGISTRY.register(RPC)
