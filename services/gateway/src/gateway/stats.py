"""Rate, errors and duration of REST requests, counted without locks as the RPCs' are."""

from collections.abc import Iterable

from chassis.rpc.stats import BOUNDS, MethodStats
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class HttpStats(Collector):
    """By route (its template, never an address) and status, under `lilitong_http_*`."""

    def __init__(self) -> None:
        self._routes: dict[str, MethodStats] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """Add one request. Routes are those of the API, so the labels are bounded."""
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = MethodStats()
            found.codes.clear()
        found.count(seconds, str(status))

    def collect(self) -> Iterable[Metric]:
        seconds = HistogramMetricFamily("lilitong_http_seconds", "Duration of REST requests", labels=["route"])
        total = CounterMetricFamily("lilitong_http_requests", "REST requests answered", labels=["route", "status"])
        for route, stats in self._routes.items():
            running, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), stats.buckets, strict=True):
                running += count
                buckets.append((bound, running))
            seconds.add_metric([route], buckets, stats.seconds)
            for code, count in stats.codes.items():
                total.add_metric([route, code], count)
        yield seconds
        yield total
