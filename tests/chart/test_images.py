"""Images are called what `make images` calls them, or where the values say that they lie."""

import pytest
import yaml

from tools.chart import rendering
from tools.chart.rules import SERVICES
from tools.images.engines import Engine, own_prefix

pytestmark = pytest.mark.feature("X11")
OURS = (*SERVICES, "rehearsal")


def images(objects):
    return {one["image"] for item in objects for one in rendering.containers(item)}


def test_quickstart_runs_what_make_images_builds(of, monkeypatch):
    monkeypatch.delenv("VERSION", raising=False)
    built = {Engine("docker", own_prefix("docker")).tag(name) for name in OURS}
    assert {name for name in images(of("quickstart")) if name.startswith("lilitong/")} == built


def test_what_podman_builds_needs_one_value(monkeypatch):
    monkeypatch.delenv("VERSION", raising=False)
    built = {Engine("podman", own_prefix("podman")).tag(name) for name in OURS}
    assert built <= images(rendering.render(settings=["images.registry=localhost/lilitong"]))


def test_the_chart_and_its_images_have_one_version(monkeypatch):
    chart = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text())
    monkeypatch.delenv("VERSION", raising=False)
    assert Engine("docker", "x/").tag("venue") == f"x/venue:{chart['appVersion']}"
    assert chart["version"] == chart["appVersion"]


def test_a_digest_wins_over_the_tag(of):
    venue = {name for name in images(of("external")) if "/venue" in name}
    assert venue == {"registry.example.org/lilitong/venue@sha256:" + "0" * 64}
