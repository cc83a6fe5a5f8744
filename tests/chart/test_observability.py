"""Alerts lead to runbooks, dashboards are what Grafana reads, and monitoring finds the services."""

import json
import shutil

import pytest
import yaml

from tools.chart import alerts, rendering
from tools.chart.rules import SERVICES, component
from tools.operations import queries

pytestmark = pytest.mark.feature("X11")

WATCHED = """
observability:
  serviceMonitor: {enabled: true}
  prometheusRule: {enabled: true}
  dashboards: {enabled: true}
  runbookBase: https://ops.example.org/runbooks/
"""
RULES = {"groups": [{"name": "g", "rules": [{"alert": "SomethingIsWrong", "expr": "up == 0", "labels": {"severity": "page"}, "annotations": {"summary": "{{ $labels.job }} is away"}}]}]}  # fmt: skip


@pytest.fixture
def watched():
    return rendering.render(values=WATCHED)


def test_each_alert_leads_to_its_runbook(watched):
    assert alerts.alerts(watched)
    assert alerts.without_runbook(watched) == []


def test_an_alert_without_a_page_is_found_out(tmp_path):
    shutil.copytree(rendering.CHART, tmp_path / "chart")
    (tmp_path / "chart/files/rules").mkdir(exist_ok=True)
    (tmp_path / "chart/files/rules/more.yaml").write_text(yaml.safe_dump(RULES))
    objects = rendering.render(tmp_path / "chart", values=WATCHED)
    assert alerts.without_runbook(objects) == ["alert SomethingIsWrong has no runbook something-is-wrong.md"]
    (tmp_path / "something-is-wrong.md").write_text("# SomethingIsWrong\n")
    assert not [each for each in alerts.without_runbook(objects, tmp_path) if "SomethingIsWrong" in each]
    mine = [rule for rule in alerts.alerts(objects) if rule["alert"] == "SomethingIsWrong"]
    assert mine[0]["annotations"]["runbook_url"] == "https://ops.example.org/runbooks/something-is-wrong.md"
    assert mine[0]["annotations"]["summary"] == "{{ $labels.job }} is away"


def test_a_removed_runbook_is_found_out(watched, tmp_path):
    pages = sorted(alerts.RUNBOOKS.glob("*.md"))
    shutil.copytree(alerts.RUNBOOKS, tmp_path / "runbooks")
    named = {alerts.runbook(rule["alert"]) for rule in alerts.alerts(watched)}
    gone = next(page for page in pages if page.name in named)
    (tmp_path / "runbooks" / gone.name).unlink()
    assert any(gone.name in problem for problem in alerts.without_runbook(watched, tmp_path / "runbooks"))


def test_no_runbook_is_left_without_an_alert(watched):
    named = {rule["alert"] for rule in alerts.alerts(watched)}
    assert named == queries.alerts()
    assert {alerts.runbook(name) for name in named} == {page.name for page in alerts.RUNBOOKS.glob("*.md")} - {
        "README.md"
    }


def test_dashboards_are_configmaps_that_grafana_reads(watched):
    files = sorted((rendering.CHART / "files/dashboards").glob("*.json"))
    maps = [
        item for item in watched if item["kind"] == "ConfigMap" and "grafana_dashboard" in item["metadata"]["labels"]
    ]
    assert files
    assert len(files) == len(maps)
    for item in maps:
        for text in item["data"].values():
            assert {"title", "uid", "panels"} <= json.loads(text).keys()
            assert len(text) < 900_000  # a ConfigMap holds 1 MiB


def test_monitoring_selects_the_services_and_nothing_else(watched):
    (monitor,) = [item for item in watched if item["kind"] == "ServiceMonitor"]
    (named,) = [one for one in monitor["spec"]["selector"]["matchExpressions"] if one["operator"] == "In"]
    selected = [
        item
        for item in watched
        if item["kind"] == "Service"
        and monitor["spec"]["selector"]["matchLabels"].items() <= item["metadata"]["labels"].items()
        and component(item) in named["values"]
    ]
    assert sorted(SERVICES) == sorted(map(component, selected))
    assert all("metrics" in {port["name"] for port in item["spec"]["ports"]} for item in selected)


def test_the_service_for_scanners_from_outside_is_not_scraped_twice(of):
    (outside,) = [item for item in of("external") if rendering.named(item) == "Service/lilitong-checkpoint-external"]
    assert outside["metadata"]["labels"]["lilitong/external"] == "true"


def test_of_several_releases_under_one_prometheus_one_has_the_rules_that_speak_of_all():
    objects = rendering.render(values=WATCHED)
    own = rendering.render(values=WATCHED.replace("prometheusRule: {enabled: true}", "prometheusRule: {enabled: true, rules: own}"))  # fmt: skip
    names = [{item["metadata"]["name"] for item in one if item["kind"] == "PrometheusRule"} for one in (objects, own)]
    assert len(names[0]) == 1 + len(list((rendering.CHART / "files/rules").glob("*.yaml")))
    assert names[1] == {"lilitong-release"}


def test_a_release_of_which_nothing_is_scraped_any_more_wakes_somebody(watched):
    """All other rules speak of series that are there: with all pods gone none of them says a word."""
    (rule,) = [rule for rule in alerts.alerts(watched) if rule["expr"].startswith("absent(")]
    assert rule["expr"] == 'absent(lilitong_ready{namespace="lilitong"})'
    assert rule["labels"]["severity"] == "page"
    assert rule["alert"] == "LilitongDown"
