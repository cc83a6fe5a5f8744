"""What each service can export, asked of the service's own modules in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

SERVICES: Final = ("venue", "checkpoint", "quarantine", "gateway")
SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
PREFIX: Final = "lilitong_"
"""The client library's own metrics, process_… and python_…, are no promise of ours."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `kind`: counter, gauge or histogram; `labels` in the order of the code."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    def series(self) -> tuple[str, ...]:
        """The names that queries use."""
        return tuple(self.name + suffix for suffix in SUFFIXES[self.kind])


@cache
def families(service: str) -> tuple[Family, ...]:
    """All families of a service, by name."""
    command = [sys.executable, "-m", "tools.operations.exported", service]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return tuple(Family(name, kind, tuple(labels), meaning) for name, kind, labels, meaning in json.loads(told.stdout))


def everything() -> dict[Family, list[str]]:
    """Each family with the services that export it."""
    found: dict[Family, list[str]] = {}
    for service in SERVICES:
        for family in families(service):
            found.setdefault(family, []).append(service)
    return dict(sorted(found.items(), key=lambda item: item[0].name))


def known_series() -> set[str]:
    """Every name that a query may use."""
    return {name for family in everything() for name in family.series()}


def _of(service: str) -> list[tuple[str, str, tuple[str, ...], str]]:
    from chassis.expiry import Certificates, Disks
    from prometheus_client import REGISTRY

    import_module(f"{service}.app")
    collectors: list[Any] = [*REGISTRY._collector_to_names, Certificates({}), Disks({})]  # noqa: SLF001 - no other way to labels
    if service == "gateway":
        collectors.append(import_module("gateway.stats").HttpStats())  # registered when the gateway is built
    found = set()
    for collector in collectors:
        metrics = [collector] if hasattr(collector, "_labelnames") else collector.collect()
        for metric in metrics:
            name = str(getattr(metric, "_name", None) or metric.name)
            if name.startswith(PREFIX):
                kind = str(getattr(metric, "_type", None) or metric.type)
                meaning = str(getattr(metric, "_documentation", None) or metric.documentation)
                found.add((name, kind, tuple(metric._labelnames), meaning.rstrip(".")))  # noqa: SLF001 - as above
    return sorted(found)


if __name__ == "__main__":
    print(json.dumps(_of(sys.argv[1])))
