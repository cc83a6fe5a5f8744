"""The dashboard of golden signals per service."""

from typing import Final

from tools.operations.panels import HERE, JOB, Panel, Row, p

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
