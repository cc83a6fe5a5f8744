"""What ends by itself or fills up: certificates and disks, looked at when metrics are scraped."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Certificates(Collector):
    """The ends of certificates in PEM files, by the names that the service gives them; a chain ends when its first part does.

    A file is read again when it has changed, as the servers and channels do that use it. One that cannot be read counts
    as ended at 0, so that a broken renewal is an alarm and no gap in a graph.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._known: dict[str, tuple[int, float]] = {}

    def describe(self) -> Iterable[Metric]:
        return ()  # claims no name, so that several services may live in one test process

    def collect(self) -> Iterable[Metric]:
        ends = GaugeMetricFamily(
            "lilitong_certificate_ends_timestamp_seconds",
            "When this certificate ends, Unix time; 0 when it cannot be read.",
            labels=["certificate"],
        )
        for name, path in self._files.items():
            ends.add_metric([name], self._end(name, path))
        yield ends

    def _end(self, name: str, path: Path) -> float:
        try:
            changed = path.stat().st_mtime_ns
            if name not in self._known or self._known[name][0] != changed:
                chain = x509.load_pem_x509_certificates(path.read_bytes())
                self._known[name] = changed, min(part.not_valid_after_utc for part in chain).timestamp()
        except (OSError, ValueError):
            self._known.pop(name, None)
            return 0.0
        return self._known[name][1]


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
