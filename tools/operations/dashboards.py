"""Grafana's dashboards, made from the few lines that differ; the JSON is committed because the chart carries it."""

import json
from typing import Any, Final

from tools.operations.data_panels import DATA
from tools.operations.flow_panels import FLOW
from tools.operations.golden_panels import GOLDEN
from tools.operations.loop_panels import LOOP
from tools.operations.panels import Panel, Row

SCHEMA_VERSION: Final = 41
WIDTH, HEIGHT, ACROSS = 8, 8, 3
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

ALL: Final[dict[str, tuple[str, tuple[Row, ...]]]] = {
    "golden-signals": ("Lilitong 离里通: golden signals per service", GOLDEN),
    "loop": ("Lilitong 离里通: the closed loop 闭环", LOOP),
    "data-flow": ("Lilitong 离里通: data flow", FLOW),
    "data-kept": ("Lilitong 离里通: disks, backups, Postgres, NATS", DATA),
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
