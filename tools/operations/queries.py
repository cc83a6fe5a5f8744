"""Which metrics an expression asks for: enough of PromQL to read names, nothing more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/helm/lilitong/files/rules"
DASHBOARDS: Final = ROOT / "deploy/helm/lilitong/files/dashboards"

_KUBELET: Final = (
    "the kubelet, for every mounted claim (kubernetes/kubernetes, pkg/kubelet/metrics/collectors/volume_stats.go)"
)
_STATE: Final = "kube-state-metrics (kubernetes/kube-state-metrics, docs/metrics/workload/cronjob-metrics.md)"
_CNPG: Final = "CloudNativePG, in each instance (cloudnative-pg/cloudnative-pg, config/manager/default-monitoring.yaml)"
_CNPG_OWN: Final = (
    "the exporter in each instance of CloudNativePG (cloudnative-pg/cloudnative-pg, docs/src/monitoring.md)"
)
_BARMAN: Final = (
    "the Barman Cloud plugin, beside it (cloudnative-pg/plugin-barman-cloud, internal/cnpgi/instance/metrics.go)"
)
_NATS: Final = "prometheus-nats-exporter (nats-io/prometheus-nats-exporter, collector/{})"
PLATFORM: Final = {
    "up": "Prometheus itself, for every scrape",
    "kubelet_volume_stats_available_bytes": _KUBELET,
    "kubelet_volume_stats_capacity_bytes": _KUBELET,
    "kube_cronjob_created": _STATE,
    "kube_cronjob_next_schedule_time": _STATE,
    "kube_cronjob_spec_suspend": _STATE,
    "kube_cronjob_status_last_schedule_time": _STATE,
    "kube_cronjob_status_last_successful_time": _STATE,
    "cnpg_pg_stat_archiver_last_archived_time": _CNPG,
    "cnpg_pg_stat_archiver_last_failed_time": _CNPG,
    "cnpg_pg_replication_lag": _CNPG,
    "cnpg_pg_replication_streaming_replicas": _CNPG,
    "cnpg_collector_pg_wal_archive_status": _CNPG_OWN,
    "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp": _BARMAN,
    "gnatsd_healthz_status": _NATS.format("healthz.go"),
    "gnatsd_varz_slow_consumers": _NATS.format("collector.go: a number of /varz, by its name"),
    "jetstream_server_max_storage": _NATS.format("jsz.go"),
    "jetstream_server_total_message_bytes": _NATS.format("jsz.go"),
}
"""What the services cannot export about themselves, who does, and where that was read."""

_NOISE: Final = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)'
)
_NAME: Final = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS: Final = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "inf", "nan"}


def names(expression: str) -> set[str]:
    """Metric names in a PromQL expression, recorded ones included."""
    bare = re.sub(r"\{[^}]*\}", "", re.sub(r'"[^"]*"', "", expression))
    bare = _NOISE.sub("", bare)
    bare = re.sub(r"\boffset\s+\w+", "", bare)
    bare = re.sub(r"\b\d\w*(?:\.\d+)?", "", bare)
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every file."""
    for path in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> set[str]:
    return {rule["alert"] for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def panel_expressions() -> Iterator[tuple[str, str]]:
    """(dashboard and panel, expression) of every panel."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']}", target["expr"]
