"""Alerts and their runbooks."""

import re
from collections.abc import Sequence
from pathlib import Path

from tools.chart.rendering import ROOT, Object

RUNBOOKS = ROOT / "docs/runbooks"


def kebab(name: str) -> str:
    """`VenueOutboxStuck` as `venue-outbox-stuck`, as the template's `kebabcase` writes it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def runbook(alert: str) -> str:
    """The file name of an alert's page."""
    return f"{kebab(alert)}.md"


def alerts(objects: Sequence[Object]) -> list[Object]:
    """The rules that alert."""
    return [
        rule
        for item in objects
        if item["kind"] == "PrometheusRule"
        for group in item["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def without_runbook(objects: Sequence[Object], folder: Path = RUNBOOKS) -> list[str]:
    """Alerts that lead to no page, or say too little: a sentence for each."""
    found = []
    for rule in alerts(objects):
        name, url = rule["alert"], rule.get("annotations", {}).get("runbook_url", "")
        page = folder / url.rsplit("/", 1)[-1] if url else folder / "none"
        if not url.endswith(f"/{runbook(name)}"):
            found.append(f"alert {name} has no runbook_url to {runbook(name)}")
        elif not page.is_file():
            found.append(f"alert {name} has no runbook {page.name}")
        if not rule.get("labels", {}).get("severity") or not rule.get("annotations", {}).get("summary"):
            found.append(f"alert {name} has no severity or no summary")
    return found
