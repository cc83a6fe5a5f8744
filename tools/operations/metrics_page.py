"""docs/operations/metrics.md: what the services export, made from their code."""

from tools.operations.exported import SERVICES, everything

HEAD = """# Metrics

Made by `python -m tools.operations write`; a test keeps it current, and another compares it with what a running system
exports.

Every service answers `GET /metrics` on port 9464 (`<SERVICE>_METRICS_LISTEN`), in the text format of Prometheus, from its own
event loop: a scrape that hangs shows that the loop hangs. Labels are bounded by the code: methods, routes (templates, never
addresses), durables, tasks. None holds a person, a tag, a venue, a checkpoint or a device. Beside these there are `process_…`
and `python_…` of the client library.

The chart's ServiceMonitor names services by the label `job`: `venue`, `checkpoint`, `quarantine`, `gateway`. A counter's
series ends in `_total`, a histogram's in `_bucket`, `_sum` and `_count`. Gauges about the database (`lilitong_outbox_…`,
`lilitong_dead_letters_resting`, `lilitong_devices`, `lilitong_day_sets_published`) are the same from every replica of a
service: take their `max`, never their `sum`.

| name | type | labels | services | meaning |
|---|---|---|---|---|
"""


def text() -> str:
    rows = []
    for family, services in everything().items():
        name = family.name + ("_total" if family.kind == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in family.labels) or "–"
        where = "all" if len(services) == len(SERVICES) else ", ".join(services)
        rows.append(f"| `{name}` | {family.kind} | {labels} | {where} | {family.meaning} |\n")
    return HEAD + "".join(rows)
