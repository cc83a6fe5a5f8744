"""The network policies are the architecture's flows, and nothing else."""

import pytest

from tools.chart import rendering
from tools.chart.policies import allowed, dns_allowed

pytestmark = pytest.mark.feature("X11")

# The architecture's picture, written down a second time on purpose: files/flows.yaml must not grow by itself.
CALLS = {
    ("gateway", "venue", 50051), ("gateway", "checkpoint", 50051), ("gateway", "quarantine", 50051),
    ("venue", "quarantine", 50051), ("checkpoint", "quarantine", 50051),
    ("venue", "nats", 4222), ("checkpoint", "nats", 4222), ("quarantine", "nats", 4222),
    ("venue", "postgres", 5432), ("checkpoint", "postgres", 5432), ("quarantine", "postgres", 5432),
}  # fmt: skip
STEPS = {("bus", "nats", 4222), ("prepare", "postgres", 5432), ("nats", "nats", 6222)}
TEST = {("rehearsal", "gateway", 8080), ("rehearsal", "checkpoint", 50051), ("rehearsal", "quarantine", 50051)}
DOORS = {("outside", "gateway", 8080), ("outside", "checkpoint", 50051)}
WATCHED = {("outside", name, 9464) for name in ("venue", "checkpoint", "quarantine", "gateway")}


def test_quickstart_allows_these_flows(of):
    assert allowed(of("quickstart")) == CALLS | STEPS | TEST | DOORS | WATCHED


def test_a_district_on_cnpg_also_reaches_its_issuer_collector_and_photos(of):
    outward = {
        (name, "outside", port) for name in ("venue", "checkpoint", "quarantine", "gateway") for port in (443, 4317)
    }
    operator = {("outside", "postgres", 5432), ("outside", "postgres", 8000), ("outside", "postgres", 9187)}
    steps = {step for step in STEPS if step[0] != "prepare"}
    found = {flow for flow in allowed(of("cnpg")) if flow[:2] != ("postgres", "postgres")}
    assert CALLS | steps | TEST | DOORS | WATCHED | outward | operator == found


def test_external_servers_are_reached_and_nothing_stands_in_for_them(of):
    found = allowed(of("external"))
    stores = ("venue", "checkpoint", "quarantine")
    assert {(name, "outside", port) for name in stores for port in (5432, 4222)} <= found
    assert {("migrate", "outside", 5432), ("prepare", "outside", 5432), ("bus", "outside", 4222)} <= found
    assert not [flow for flow in found if flow[1] in {"postgres", "nats"}]


def test_nobody_reaches_the_services_from_outside_but_through_their_doors(of, profile):
    if profile == "minimal":
        pytest.skip("its policies are turned off")
    doors = {("gateway", 8080), ("checkpoint", 50051)}
    entered = {flow[1:] for flow in allowed(of(profile)) if flow[0] == "outside"}
    services = {"venue", "checkpoint", "quarantine", "gateway"}
    assert doors == {way for way in entered if way[0] in services and way[1] != 9464}


def test_outsiders_who_are_nobody_get_no_rule():
    objects = rendering.render(values="networkPolicy: {peers: {backends: [], scanners: []}}")
    assert not DOORS & allowed(objects)


def dns(objects):
    (policy,) = [item for item in objects if rendering.named(item) == "NetworkPolicy/lilitong-dns"]
    (rule,) = policy["spec"]["egress"]
    return rule


def test_names_may_also_be_resolved_where_no_pod_of_the_dns_namespace_is():
    objects = rendering.render(values="networkPolicy: {dns: {peers: [{ipBlock: {cidr: 169.254.20.10/32}}]}}")
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in dns(objects)["to"]
    assert len(dns(objects)["to"]) == 2
    assert dns_allowed(objects) == []


def test_on_openshift_names_are_resolved_at_another_place_and_port():
    rule = dns(rendering.render(values="networkPolicy: {dns: {namespace: openshift-dns, ports: [5353]}}"))
    assert rule["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}}]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 5353), ("TCP", 5353)}


def test_steps_that_become_hooks_find_their_policies_from_the_release_before():
    """A hook runs before the policies of its own release are there; those before it deny everything that they do not name."""
    before = rendering.render(
        rendering.CHART,
        rendering.CHART / "ci/external-values.yaml",
        values="migrations: {mode: initContainer}\npostgres: {external: {prepare: {enabled: false}}}",
    )
    named = {item["metadata"]["name"]: item for item in before if item["kind"] == "NetworkPolicy"}
    for step in ("migrate", "prepare"):
        egress = named[f"lilitong-{step}"]["spec"]["egress"]
        assert [rule["ports"] for rule in egress] == [[{"protocol": "TCP", "port": 5432}]]
