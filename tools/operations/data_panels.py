"""The dashboard of what keeps the data: disks, backups, Postgres under its operator, NATS' store; no metric of ours."""

from typing import Final

from tools.operations.panels import HERE, Panel, Row

_CLAIMS: Final = f'{{{HERE}, persistentvolumeclaim=~".*(postgres|nats|vault|photos|backup|pg-).*"}}'
_FREE: Final = "kubelet_volume_stats_available_bytes"
_SIZE: Final = "kubelet_volume_stats_capacity_bytes"
_DONE: Final = "kube_cronjob_status_last_successful_time"
_BASE: Final = "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp"
_FAILED, _ARCHIVED = "cnpg_pg_stat_archiver_last_failed_time", "cnpg_pg_stat_archiver_last_archived_time"
_STORED, _LIMIT = "jetstream_server_total_message_bytes", "jetstream_server_max_storage"

DATA: Final[tuple[Row, ...]] = (
    (
        "Disks and backups",
        (
            Panel(
                "Free of each claim",
                "percentunit",
                (
                    (
                        f"min by (persistentvolumeclaim) ({_FREE}{_CLAIMS} / {_SIZE}{_CLAIMS})",
                        "{{persistentvolumeclaim}}",
                    ),
                ),
                "Below a tenth LilitongVolumeFull tells. A volume of backups is measured only while one is made.",
            ),
            Panel(
                "Since the last good run of each backup",
                "s",
                ((f'time() - max by (cronjob) ({_DONE}{{{HERE}, cronjob=~".*-backup(-keys)?"}})', "{{cronjob}}"),),
                "From kube-state-metrics; empty without it.",
                bad=2 * 86400,
            ),
            Panel(
                "Age of the newest base backup",
                "s",
                ((f"time() - max({_BASE}{{{HERE}}} > 0)", "base backup"),),
                "CloudNativePG with the Barman Cloud plugin alone.",
                stat=True,
                bad=2 * 86400,
            ),
        ),
    ),
    (
        "Postgres under CloudNativePG",
        (
            Panel(
                "WAL files that wait for the archive",
                "short",
                ((f'max by (pod) (cnpg_collector_pg_wal_archive_status{{{HERE}, value="ready"}})', "{{pod}}"),),
                bad=32,
            ),
            Panel(
                "Last failure after last success of archiving",
                "s",
                ((f"clamp_min(max by (pod) ({_FAILED}{{{HERE}}} - {_ARCHIVED}{{{HERE}}}), 0)", "{{pod}}"),),
                "Zero is well.",
                bad=1,
            ),
            Panel(
                "Replay behind the primary",
                "s",
                ((f"max by (pod) (cnpg_pg_replication_lag{{{HERE}}})", "{{pod}}"),),
                bad=30,
            ),
            Panel(
                "Standbys that follow",
                "short",
                ((f"max(cnpg_pg_replication_streaming_replicas{{{HERE}}})", "standbys"),),
                stat=True,
            ),
        ),
    ),
    (
        "NATS",
        (
            Panel(
                "Stored of what JetStream may store",
                "percentunit",
                ((f"max by (pod) ({_STORED}{{{HERE}}} / ({_LIMIT}{{{HERE}}} > 0))", "{{pod}}"),),
                "From nats.quickstart.exporter; empty without it.",
                bad=0.7,
            ),
            Panel(
                "Servers that are not healthy",
                "short",
                ((f"sum(gnatsd_healthz_status{{{HERE}}})", "servers"),),
                stat=True,
                bad=1,
            ),
            Panel(
                "Clients cut off because they read too slowly",
                "short",
                ((f"sum by (pod) (increase(gnatsd_varz_slow_consumers{{{HERE}}}[15m]))", "{{pod}}"),),
                bad=1,
            ),
        ),
    ),
)
