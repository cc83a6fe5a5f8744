"""What ends by itself or fills up: certificates and disks, looked at when metrics are scraped."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.files import Stamp, stamp


class Certificates(Collector):
    """The ends of certificates in PEM files, by the names that the service gives them.

    `shown`: what the process shows of itself; such a chain ends when its first part does. `trusted` gives, at each scrape, whom
    it believes then; such a file may hold the former certificate beside the new one, and ends with its last. A file is read
    again when it has changed, as the servers and channels do that use it. One that cannot be read counts as ended at 0, so that
    a broken renewal is an alarm and no gap in a graph.
    """

    def __init__(self, shown: Mapping[str, Path], trusted: Callable[[], Mapping[str, Path]] = dict) -> None:
        self._shown = dict(shown)
        self._trusted = trusted
        self._known: dict[Path, tuple[Stamp, list[float]]] = {}

    def describe(self) -> Iterable[Metric]:
        return ()  # claims no name, so that several services may live in one test process

    def collect(self) -> Iterable[Metric]:
        ends = GaugeMetricFamily(
            "lilitong_certificate_ends_timestamp_seconds",
            "When this certificate ends, Unix time; 0 when it cannot be read.",
            labels=["certificate"],
        )
        for names, which in ((self._shown, min), (self._trusted(), max)):
            for name, path in names.items():
                ends.add_metric([name], which(self._ends(path), default=0.0))
        yield ends

    def _ends(self, path: Path) -> list[float]:
        try:
            seen = stamp(path)
            if path not in self._known or self._known[path][0] != seen:
                parts = x509.load_pem_x509_certificates(path.read_bytes())
                self._known[path] = seen, [part.not_valid_after_utc.timestamp() for part in parts]
        except (OSError, ValueError):
            self._known.pop(path, None)
            return []
        return self._known[path][1]


class Disks(Collector):
    """Free and whole size of the volumes that the service writes to, by the names that it gives them."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)

    def describe(self) -> Iterable[Metric]:
        return ()  # as above

    def collect(self) -> Iterable[Metric]:
        free = GaugeMetricFamily("lilitong_disk_free_bytes", "Free bytes of the volume.", labels=["volume"])
        size = GaugeMetricFamily("lilitong_disk_size_bytes", "Size of the volume in bytes.", labels=["volume"])
        for name, folder in self._folders.items():
            try:
                usage = shutil.disk_usage(folder)
            except OSError:  # not there yet, or not any more: readiness tells
                continue
            free.add_metric([name], usage.free)
            size.add_metric([name], usage.total)
        yield free
        yield size
