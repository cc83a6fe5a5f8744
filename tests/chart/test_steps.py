"""The bootstrap steps: when they run, and that none waits for what comes after it."""

import shutil

import pytest

from tools.chart import rendering
from tools.chart.rules import component
from tools.chart.validating import problems

pytestmark = pytest.mark.feature("X11")


def jobs(objects):
    return {item["metadata"]["name"].rsplit("-", 1)[0]: item for item in objects if item["kind"] == "Job"}


def hook(item):
    return item["metadata"].get("annotations", {}).get("helm.sh/hook", "")


def test_nothing_is_a_hook_but_the_test_where_the_database_comes_with_the_release(of, profile):
    if profile == "external":
        pytest.skip("its migrations are hooks")
    assert {rendering.named(item) for item in of(profile) if hook(item)} <= {"Pod/lilitong-rehearsal"}


def test_as_hooks_roles_are_made_before_they_migrate_and_need_nothing_of_the_release(of):
    hooks = {name: item for name, item in jobs(of("external")).items() if hook(item)}
    weights = {name: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for name, item in hooks.items()}
    migrations = {f"lilitong-migrate-{service}": 1 for service in ("venue", "checkpoint", "quarantine")}
    assert weights == {"lilitong-prepare": 0, **migrations}
    made = {
        item["metadata"]["name"] for item in of("external") if item["kind"] in {"Secret", "ConfigMap", "ServiceAccount"}
    }
    for item in hooks.values():
        assert "serviceAccountName" not in rendering.pod_spec(item)
        assert not [name for name in made if f"'{name}'" in str(rendering.pod_spec(item))]


def test_migrations_are_init_containers_or_hooks_and_never_both(of, profile):
    first = [
        one
        for item in of(profile)
        if item["kind"] == "Deployment"
        for one in rendering.pod_spec(item).get("initContainers", [])
    ]
    hooks = [item for item in of(profile) if component(item) == "migrate"]
    assert (len(first), len(hooks)) == ((0, 3) if profile == "external" else (3, 0))


def test_a_job_has_another_name_when_it_runs_something_else_and_the_same_when_not(of):
    again, other = rendering.render(), rendering.render(settings=["images.tag=9.9.9"])
    names = [
        {item["metadata"]["name"] for item in objects if item["kind"] == "Job"}
        for objects in (of("quickstart"), again, other)
    ]
    assert names[0] == names[1]
    assert not names[0] & names[2]


def test_a_job_of_the_same_name_is_the_same_job_whatever_the_charts_version(tmp_path):
    """A Job's pod cannot be changed: `helm upgrade` would end with `field is immutable`."""
    shutil.copytree(rendering.CHART, tmp_path / "chart")
    chart = tmp_path / "chart/Chart.yaml"
    chart.write_text(chart.read_text().replace("ersion: 0.1.0", "ersion: 0.2.0").replace('"0.1.0"', '"0.2.0"'))
    pinned = ["images.tag=pinned"]  # as with digests: images of the version before
    for profile in ("quickstart", "external"):
        values = rendering.CHART / f"ci/{profile}-values.yaml"
        before, after = (
            rendering.render(one, values, settings=pinned) for one in (rendering.CHART, tmp_path / "chart")
        )
        templates = [
            {item["metadata"]["name"]: item["spec"]["template"] for item in objects if item["kind"] == "Job"}
            for objects in (before, after)
        ]
        assert templates[0]
        assert [name for name in templates[0] if templates[1].get(name, templates[0][name]) != templates[0][name]] == []


def test_a_step_never_gives_up_unless_helm_waits_for_it(of, profile):
    """An upgrade that changes nothing begins no Job anew, so one that gave up before its server came would leave services waiting."""
    for item in (
        one for one in of(profile) if one["kind"] == "Job" and component(one) in {"prepare", "bus", "migrate"}
    ):
        limits = {name: item["spec"].get(name) for name in ("backoffLimit", "activeDeadlineSeconds")}
        wanted = {"backoffLimit": 20, "activeDeadlineSeconds": 3600} if hook(item) else {"backoffLimit": 1_000_000, "activeDeadlineSeconds": None}  # fmt: skip
        assert limits == wanted, rendering.named(item)
        assert rendering.pod_spec(item)["restartPolicy"] == "OnFailure"


def test_each_service_has_its_bus_step_as_the_administrator_and_serves_as_itself(of, profile):
    steps = [item for item in of(profile) if component(item) == "bus" and item["kind"] == "Job"]
    assert len(steps) == 3
    for item in steps:
        users = {
            entry["valueFrom"]["secretKeyRef"]["name"]
            for entry in rendering.containers(item)[0]["env"]
            if entry["name"].endswith("_NATS_USER")
        }
        assert users
        assert all(name.endswith("nats-admin") for name in users)
    serving = str([rendering.pod_spec(item) for item in of(profile) if item["kind"] == "Deployment"])
    assert "nats-admin" not in serving


@pytest.mark.parametrize(("replicas", "wanted"), [(1, "1"), (3, "3")])
def test_streams_have_as_many_copies_as_there_are_servers(replicas, wanted):
    step = jobs(rendering.render(settings=[f"nats.quickstart.replicas={replicas}"]))["lilitong-bus-venue"]
    assert {"name": "VENUE_NATS_REPLICAS", "value": wanted} in rendering.containers(step)[0]["env"]


def test_a_volume_of_one_node_is_replaced_and_a_shared_one_rolls(of):
    def strategies(objects):
        return {component(item): item["spec"]["strategy"]["type"] for item in objects if item["kind"] == "Deployment"}

    assert strategies(of("quickstart")) == {"venue": "Recreate", "quarantine": "Recreate", "checkpoint": "RollingUpdate", "gateway": "RollingUpdate"}  # fmt: skip
    assert set(strategies(of("autoscaling")).values()) == {"RollingUpdate"}


def test_all_pods_go_where_the_release_is_to_be_and_a_service_may_choose_otherwise():
    values = """
scheduling: {nodeSelector: {pool: district}, tolerations: [{key: district, operator: Exists}]}
services: {venue: {nodeSelector: {pool: venues}}}
"""
    made = {rendering.named(item): rendering.pod_spec(item) for item in rendering.render(values=values)}
    pods = {name: spec for name, spec in made.items() if spec is not None}
    assert {spec["nodeSelector"]["pool"] for name, spec in pods.items() if name != "Deployment/lilitong-venue"} == {
        "district"
    }
    assert pods["Deployment/lilitong-venue"]["nodeSelector"] == {"pool": "venues"}
    assert all(spec["tolerations"] == [{"key": "district", "operator": "Exists"}] for spec in pods.values())


def test_the_operators_instances_go_where_the_release_is_to_be_too():
    values = "scheduling: {nodeSelector: {pool: district}, tolerations: [{key: district, operator: Exists}]}"
    objects = rendering.render(rendering.CHART, rendering.CHART / "ci/cnpg-values.yaml", values=values)
    (cluster,) = [item for item in objects if item["kind"] == "Cluster"]
    placed = {name: cluster["spec"]["affinity"][name] for name in ("nodeSelector", "tolerations")}
    assert placed == {"nodeSelector": {"pool": "district"}, "tolerations": [{"key": "district", "operator": "Exists"}]}
    assert problems([cluster], rendering.VERSIONS[-1]) == []


def test_autoscaled_services_have_no_fixed_replicas(of):
    assert all("replicas" not in item["spec"] for item in of("autoscaling") if item["kind"] == "Deployment")
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]
        for item in of("autoscaling")
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    assert scaled == {f"lilitong-{name}" for name in ("venue", "checkpoint", "quarantine", "gateway")}


def test_services_scale_by_the_share_of_a_core_that_they_use_and_not_of_what_they_ask_for(of):
    """A pod asks for a tenth of a core and can use a whole one: a share of the request would be full at once."""
    targets = {
        item["metadata"]["name"]: item["spec"]["metrics"][0]["resource"]["target"]
        for item in of("autoscaling")
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    assert targets["lilitong-gateway"] == {"type": "AverageValue", "averageValue": "700m"}
    assert targets["lilitong-checkpoint"] == {"type": "AverageValue", "averageValue": "600m"}
