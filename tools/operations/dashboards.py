"""Grafana's dashboards, made from the few lines that differ; the JSON is committed because the chart carries it."""

import json
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_VERSION: Final = 41
WIDTH, HEIGHT, ACROSS = 8, 8, 3
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
HERE: Final = 'namespace="$namespace"'
JOB: Final = 'namespace="$namespace", job=~"$job"'


@dataclass(frozen=True, slots=True)
class Panel:
    """`series`: pairs of an expression and its legend. `stat`: one number instead of a graph. `bad`: where red begins."""

    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    text: str = ""
    stat: bool = False
    bad: float | None = None


Row = tuple[str, tuple[Panel, ...]]


def p(quantile: float, metric: str, where: str, by: str) -> str:
    """A percentile of a histogram over five minutes."""
    return f"histogram_quantile({quantile}, sum by ({by}, le) (rate({metric}_bucket{{{where}}}[5m])))"


GOLDEN: Final[tuple[Row, ...]] = (
    (
        "RPCs",
        (
            Panel("RPCs a second", "reqps", ((f"sum by (job) (rate(lilitong_rpc_total{{{JOB}}}[5m]))", "{{job}}"),)),
            Panel(
                "Errors of ours",
                "percentunit",
                ((f"job:lilitong_rpc_errors:ratio_rate5m{{{JOB}}}", "{{job}}"),),
                "INTERNAL, UNKNOWN, UNAVAILABLE, DATA_LOSS, DEADLINE_EXCEEDED; the objective is one in a thousand.",
                bad=0.001,
            ),
            Panel(
                "Duration, 99th percentile",
                "s",
                ((p(0.99, "lilitong_rpc_seconds", JOB, "job"), "{{job}}"),),
            ),
            Panel(
                "Slowest methods, 99th percentile",
                "s",
                ((f"topk(8, {p(0.99, 'lilitong_rpc_seconds', JOB, 'method')})", "{{method}}"),),
            ),
            Panel(
                "Answers by code",
                "reqps",
                ((f'sum by (job, code) (rate(lilitong_rpc_total{{{JOB}, code!="OK"}}[5m]))', "{{job}} {{code}}"),),
                "Codes that are the caller's too: what bad clients do.",
            ),
            Panel("RPCs being served", "short", ((f"sum by (job) (lilitong_rpc_in_flight{{{JOB}}})", "{{job}}"),)),
        ),
    ),
    (
        "REST",
        (
            Panel(
                "Requests a second",
                "reqps",
                ((f"sum by (route) (rate(lilitong_http_requests_total{{{HERE}}}[5m]))", "{{route}}"),),
            ),
            Panel(
                "Answers that are no success",
                "reqps",
                ((f'sum by (status) (rate(lilitong_http_requests_total{{{HERE}, status!~"2.."}}[5m]))', "{{status}}"),),
            ),
            Panel("Duration, 99th percentile", "s", ((p(0.99, "lilitong_http_seconds", HERE, "route"), "{{route}}"),)),
        ),
    ),
    (
        "Saturation",
        (
            Panel(
                "CPU, cores",
                "short",
                ((f"sum by (job) (rate(process_cpu_seconds_total{{{JOB}}}[5m]))", "{{job}}"),),
                "One process serves one core: near 1 a pod is full.",
            ),
            Panel("Memory", "bytes", ((f"max by (job, pod) (process_resident_memory_bytes{{{JOB}}})", "{{pod}}"),)),
            Panel(
                "Ready", "short", ((f"sum by (job) (lilitong_ready{{{JOB}}})", "{{job}}"),), "Pods that take traffic."
            ),
            Panel(
                "Readiness checks that do not hold",
                "short",
                ((f"lilitong_ready_check{{{JOB}}} == 0", "{{pod}} {{check}}"),),
            ),
            Panel(
                "Crashes of background tasks",
                "short",
                ((f"sum by (job, task) (increase(lilitong_task_crashes_total{{{JOB}}}[1h]))", "{{job}} {{task}}"),),
                bad=3,
            ),
            Panel(
                "Sweep: time since a task last ended well, in its intervals",
                "short",
                (
                    (
                        (
                            f"(time() - max by (job, task) (lilitong_sweep_done_timestamp_seconds{{{JOB}}}))"
                            f" / max by (job, task) (lilitong_sweep_interval_seconds{{{JOB}}})"
                        ),
                        "{{job}} {{task}}",
                    ),
                ),
                bad=5,
            ),
            Panel(
                "Sweep: failures",
                "short",
                ((f"sum by (job, task) (increase(lilitong_sweep_failures_total{{{JOB}}}[1h]))", "{{job}} {{task}}"),),
            ),
            Panel(
                "Disk left",
                "percentunit",
                ((f"lilitong_disk_free_bytes{{{JOB}}} / lilitong_disk_size_bytes{{{JOB}}}", "{{pod}} {{volume}}"),),
            ),
            Panel(
                "Certificates end in",
                "s",
                (
                    (
                        f"min by (job, certificate) (lilitong_certificate_ends_timestamp_seconds{{{JOB}}}) - time()",
                        "{{job}} {{certificate}}",
                    ),
                ),
            ),
        ),
    ),
)
LOOP: Final[tuple[Row, ...]] = (
    (
        "The clock 从批准到卡口",
        (
            Panel(
                "Second approval → last projection, 99th percentile",
                "s",
                ((f"namespace:lilitong_loop_seconds:p99{{{HERE}}}", "loop"),),
                "The promise is two seconds.",
                stat=True,
                bad=2,
            ),
            Panel(
                "A confirmed case waits",
                "s",
                ((f"max(lilitong_loop_waiting_seconds{{{HERE}}})", "waiting"),),
                stat=True,
                bad=30,
            ),
            Panel(
                "Days with a published list",
                "short",
                ((f"max(lilitong_day_sets_published{{{HERE}}})", "days"),),
                "Three when all is well.",
                stat=True,
            ),
            Panel(
                "Hops, 99th percentile",
                "s",
                (
                    (f"namespace:lilitong_loop_impose_seconds:p99{{{HERE}}}", "approval → restricted and listed"),
                    (f"namespace:lilitong_relay_seconds:p99{{{HERE}}}", "→ on the bus"),
                    (f"namespace:lilitong_projection_seconds:p99{{{HERE}}}", "→ in venue and checkpoint"),
                ),
            ),
            Panel(
                "Age of the list",
                "s",
                ((f"max by (job, pod) (lilitong_list_age_seconds{{{HERE}}})", "{{pod}}"),),
                "Since a replica's list was last known to be all there is.",
                bad=60,
            ),
            Panel(
                "People found for cases",
                "short",
                ((f"sum by (kind) (increase(lilitong_contacts_found_total{{{HERE}}}[1h]))", "{{kind}}"),),
            ),
        ),
    ),
    (
        "At the gates 卡口",
        (
            Panel(
                "Scans a second",
                "reqps",
                ((f"sum by (verdict) (rate(lilitong_scans_total{{{HERE}}}[5m]))", "{{verdict}}"),),
            ),
            Panel(
                "Scans answered without a record",
                "percentunit",
                (
                    (
                        (
                            f"sum(rate(lilitong_scans_unrecorded_total{{{HERE}}}[5m]))"
                            f" / (sum(rate(lilitong_scans_total{{{HERE}}}[5m])) > 0)"
                        ),
                        "unrecorded",
                    ),
                ),
                bad=0.01,
            ),
            Panel(
                "Uploads",
                "short",
                ((f"sum by (outcome) (rate(lilitong_scan_uploads_total{{{HERE}}}[5m]))", "{{outcome}}"),),
            ),
            Panel("Scanners connected", "short", ((f"sum(lilitong_sync_streams{{{HERE}}})", "connected"),)),
            Panel(
                "Scanners by the time since they followed the list",
                "short",
                ((f"max by (synced_within) (lilitong_devices{{{HERE}}})", "{{synced_within}}"),),
            ),
            Panel(
                "Check-ins a second",
                "reqps",
                ((f"sum by (fate) (rate(lilitong_check_ins_total{{{HERE}}}[5m]))", "{{fate}}"),),
            ),
        ),
    ),
    (
        "Keys 密钥",
        (
            Panel(
                "Day keys ahead",
                "short",
                ((f"max(lilitong_day_keys_ahead{{{HERE}}})", "days"),),
                "Eight when all is well.",
                stat=True,
            ),
            Panel(
                "Age of the newest signing key",
                "s",
                ((f"time() - min by (use) (lilitong_signing_key_made_timestamp_seconds{{{HERE}}})", "{{use}}"),),
            ),
            Panel(
                "Hits that led nowhere",
                "short",
                ((f"sum by (cause) (increase(lilitong_exposure_dropped_total{{{HERE}}}[1h]))", "{{cause}}"),),
            ),
        ),
    ),
)
FLOW: Final[tuple[Row, ...]] = (
    (
        "Out of the outbox",
        (
            Panel(
                "Oldest event that is not published",
                "s",
                ((f"max by (job) (lilitong_outbox_oldest_seconds{{{JOB}}})", "{{job}}"),),
                bad=30,
            ),
            Panel(
                "Events not published", "short", ((f"max by (job) (lilitong_outbox_unpublished{{{JOB}}})", "{{job}}"),)
            ),
            Panel(
                "Published a second",
                "short",
                ((f"sum by (job) (rate(lilitong_outbox_published_total{{{JOB}}}[5m]))", "{{job}}"),),
            ),
            Panel(
                "Commit → on the bus, 99th percentile",
                "s",
                ((p(0.99, "lilitong_relay_seconds", JOB, "job"), "{{job}}"),),
            ),
            Panel(
                "Events that the bus can never take",
                "short",
                ((f"sum by (job) (increase(lilitong_outbox_undeliverable_total{{{JOB}}}[1h]))", "{{job}}"),),
            ),
            Panel(
                "Streams filled again",
                "short",
                ((f"sum by (stream) (increase(lilitong_stream_rebuilds_total{{{JOB}}}[1h]))", "{{stream}}"),),
            ),
        ),
    ),
    (
        "Into the inbox",
        (
            Panel(
                "Events that wait",
                "short",
                ((f"max by (durable) (lilitong_consumer_pending{{{JOB}}})", "{{durable}}"),),
                bad=1000,
            ),
            Panel(
                "Stalled for",
                "s",
                ((f"max by (durable) (lilitong_consumer_stalled_seconds{{{JOB}}})", "{{durable}}"),),
                bad=60,
            ),
            Panel(
                "On the bus → effect, 99th percentile",
                "s",
                ((p(0.99, "lilitong_event_delay_seconds", JOB, "durable"), "{{durable}}"),),
            ),
            Panel(
                "Handled a second",
                "short",
                ((f"sum by (durable) (rate(lilitong_consumer_handled_total{{{JOB}}}[5m]))", "{{durable}}"),),
            ),
            Panel(
                "Seen before",
                "short",
                ((f"sum by (durable) (rate(lilitong_consumer_repeated_total{{{JOB}}}[5m]))", "{{durable}}"),),
                "The inbox dropped them: no harm.",
            ),
            Panel(
                "Refused, held, expired",
                "short",
                (
                    (f"sum by (durable) (rate(lilitong_consumer_failed_total{{{JOB}}}[5m]))", "{{durable}} refused"),
                    (f"sum by (durable) (rate(lilitong_consumer_held_total{{{JOB}}}[5m]))", "{{durable}} held"),
                    (f"sum by (durable) (rate(lilitong_consumer_expired_total{{{JOB}}}[5m]))", "{{durable}} expired"),
                ),
            ),
            Panel(
                "Dead letters at rest",
                "short",
                ((f"max by (job, durable) (lilitong_dead_letters_resting{{{JOB}}})", "{{job}} {{durable}}"),),
                bad=1,
            ),
            Panel(
                "Given up",
                "short",
                ((f"sum by (durable) (increase(lilitong_dead_letters_total{{{JOB}}}[1h]))", "{{durable}}"),),
            ),
            Panel(
                "Durables read anew",
                "short",
                ((f"sum by (durable) (increase(lilitong_consumer_rebuilds_total{{{JOB}}}[1h]))", "{{durable}}"),),
            ),
        ),
    ),
    (
        "What it all rests on",
        (
            Panel("Postgres answers", "short", ((f"min by (job) (lilitong_database_up{{{JOB}}})", "{{job}}"),)),
            Panel("NATS is connected", "short", ((f"min by (job) (lilitong_bus_connected{{{JOB}}})", "{{job}}"),)),
        ),
    ),
)
ALL: Final[dict[str, tuple[str, tuple[Row, ...]]]] = {
    "golden-signals": ("Lilitong 离里通: golden signals per service", GOLDEN),
    "loop": ("Lilitong 离里通: the closed loop 闭环", LOOP),
    "data-flow": ("Lilitong 离里通: data flow", FLOW),
}  # fmt: skip


def text(name: str) -> str:
    """The dashboard's JSON."""
    title, rows = ALL[name]
    panels: list[dict[str, Any]] = []
    top = 0
    for heading, members in rows:
        panels.append(
            {
                "type": "row",
                "title": heading,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": top, "w": 24, "h": 1},
            }
        )
        top += 1
        for place, panel in enumerate(members):
            x, y = place % ACROSS * WIDTH, top + place // ACROSS * HEIGHT
            panels.append(_panel(panel, {"x": x, "y": y, "w": WIDTH, "h": HEIGHT}))
        top += -(-len(members) // ACROSS) * HEIGHT
    board = {
        "uid": f"lilitong-{name}",
        "title": title,
        "tags": ["lilitong"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "timezone": "Asia/Shanghai",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "tags": ["lilitong"],
                "title": "Lilitong",
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": _variables(rows)},
        "panels": panels,
    }
    return json.dumps(board, ensure_ascii=False, indent=1) + "\n"


def _variables(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"},
        {
            "type": "query",
            "name": "namespace",
            "label": "Cell",
            "datasource": SOURCE,
            "query": "label_values(lilitong_ready, namespace)",
            "refresh": 2,
            "sort": 1,
        },
    ]
    if any("$job" in expression for _, members in rows for panel in members for expression, _ in panel.series):
        query = 'label_values(lilitong_ready{namespace="$namespace"}, job)'
        found.append(
            {
                "type": "query",
                "name": "job",
                "label": "Service",
                "datasource": SOURCE,
                "query": query,
                "refresh": 2,
                "sort": 1,
                "multi": True,
                "includeAll": True,
                "current": {"text": "All", "value": "$__all"},
            }
        )
    return found


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    custom = (
        {}
        if panel.stat
        else {"custom": {"thresholdsStyle": {"mode": "line" if panel.bad is not None else "off"}, "fillOpacity": 10}}
    )
    return {
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}, **custom},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(65 + number), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(panel.series)
        ],
    }
