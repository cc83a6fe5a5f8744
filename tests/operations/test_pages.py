"""What is made from code and measurements is current, and alerts, pages, rules and dashboards speak of each other truly."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.chart.alerts import RUNBOOKS, runbook
from tools.operations import queries
from tools.operations.__main__ import made
from tools.operations.exported import known_series

pytestmark = pytest.mark.feature("X11")
CLIENT = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
SECTIONS = ("## Meaning", "## Impact", "## Look", "## Mend", "## Prevent")
HERE = Path(__file__).parent


def test_what_is_made_is_current():
    assert [path.name for path, text in made() if path.read_text() != text] == []


def test_names_are_read_out_of_expressions():
    text = 'sum by (namespace, le) (rate(a_bucket{job=~"x{2}|y", le="0.25"}[5m])) / on (namespace) b:c > 0 offset 15m and d == 1e3'
    assert queries.names(text) == {"a_bucket", "b:c", "d"}


def test_every_metric_in_a_rule_is_exported_or_recorded_or_the_platforms():
    known = known_series() | queries.recorded() | queries.PLATFORM.keys()
    for rule in queries.rules():
        assert queries.names(rule["expr"]) - known == set(), rule.get("alert", rule.get("record"))


def test_every_metric_of_somebody_else_is_used_is_not_ours_and_says_where_it_was_read():
    asked = set().union(*(queries.names(rule["expr"]) for rule in queries.rules()))
    assert queries.PLATFORM.keys() - asked == set()
    assert queries.PLATFORM.keys() & known_series() == set()
    assert [name for name, source in queries.PLATFORM.items() if name != "up" and "/" not in source] == []


def test_every_metric_on_a_dashboard_is_exported_or_recorded_or_known_to_be_somebody_elses():
    known = known_series() | queries.recorded() | CLIENT | queries.PLATFORM.keys()
    panels = list(queries.panel_expressions())
    assert len(panels) > 40
    for where, expression in panels:
        assert queries.names(expression) - known == set(), where


def test_everything_exported_is_watched_or_shown_somewhere():
    asked = set().union(*(queries.names(rule["expr"]) for rule in queries.rules()))
    asked |= set().union(*(queries.names(expression) for _, expression in queries.panel_expressions()))
    histograms = {name.removesuffix(suffix) for name in asked for suffix in ("_bucket", "_sum", "_count")}
    unasked = {name for name in known_series() - asked if name.rsplit("_", 1)[0] not in histograms}
    assert unasked == set()


@pytest.mark.parametrize("alert", sorted(queries.alerts()))
def test_a_page_says_what_somebody_woken_needs(alert):
    text = (RUNBOOKS / runbook(alert)).read_text()
    assert text.startswith(f"# {alert}\n")
    places = [text.index(section) for section in SECTIONS]
    assert places == sorted(places)
    assert "```" in text[places[2] : places[3]], "no command to look with"
    assert f"]({runbook(alert)})" in (RUNBOOKS / "README.md").read_text()


def test_an_alert_says_how_bad_and_what():
    for rule in queries.rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: prometheus); no package of ours brings it",
)
def test_rules_are_valid_and_fire_when_they_should():
    files = [str(path) for path in sorted(queries.RULES.glob("*.yaml"))]
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint-fatal", *files], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tests = [str(path) for path in sorted((HERE / "rules").glob("*.yaml"))]
    tested = subprocess.run(
        ["promtool", "test", "rules", *tests], check=False, capture_output=True, text=True, cwd=HERE / "rules"
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
