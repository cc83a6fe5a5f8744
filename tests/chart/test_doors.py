"""The doors to the outside: with TLS on checkpoint takes nobody without a certificate, so scanners' TLS must reach it unbroken."""

import pytest

from tools.chart import rendering
from tools.chart.rules import component

pytestmark = pytest.mark.feature("X11")
GATEWAY_API = rendering.CHART / "ci/gateway-api-values.yaml"


def of_kind(objects, kind):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def listeners(objects):
    """Listeners of the release's own Gateway by name."""
    return {one["name"]: one for one in of_kind(objects, "Gateway")["lilitong"]["spec"]["listeners"]}


def test_a_gateway_passes_scanners_tls_on_to_checkpoint(of):
    objects = of("gateway-api")
    assert of_kind(objects, "GRPCRoute") == {}
    (route,) = of_kind(objects, "TLSRoute").values()
    assert route["spec"]["hostnames"] == ["scan.example.org"]
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "lilitong-checkpoint", "port": 50051}]
    (parent,) = route["spec"]["parentRefs"]
    assert listeners(objects)[parent["sectionName"]]["tls"] == {"mode": "Passthrough"}
    ports = [one["port"] for one in listeners(objects).values()]
    assert len(ports) == len(set(ports)), "not every implementation lets such listeners share a port"


def test_rest_ends_at_the_gateway_and_is_encrypted_again_towards_our_pods(of):
    objects = of("gateway-api")
    (parent,) = of_kind(objects, "HTTPRoute")["lilitong-gateway"]["spec"]["parentRefs"]
    assert listeners(objects)[parent["sectionName"]]["tls"]["mode"] == "Terminate"
    assert of_kind(objects, "BackendTLSPolicy").keys() == {"lilitong-gateway"}


def test_where_scanners_tls_ends_at_the_gateway_it_shows_a_certificate_of_its_own():
    objects = rendering.render(rendering.CHART, GATEWAY_API, settings=["gatewayApi.scannerTls=terminate"])
    shown = of_kind(objects, "Gateway")["lilitong"]["spec"]["tls"]["backend"]["clientCertificateRef"]
    assert shown == {"name": "gateway-tls"}
    assert of_kind(objects, "BackendTLSPolicy").keys() == {"lilitong-gateway", "lilitong-checkpoint"}
    assert of_kind(objects, "GRPCRoute").keys() == {"lilitong-checkpoint"}


def test_without_tls_scanners_come_by_a_grpc_route():
    objects = rendering.render(
        values="gatewayApi: {enabled: true, parentRefs: [{name: edge}], scannerHostnames: [scan.example.org]}"
    )
    (route,) = of_kind(objects, "GRPCRoute").values()
    assert route["spec"]["parentRefs"] == [{"name": "edge"}]
    assert of_kind(objects, "BackendTLSPolicy") == of_kind(objects, "TLSRoute") == {}


def test_scanners_may_come_by_another_gateway():
    values = "gatewayApi: {gateway: {create: false}, parentRefs: [{name: edge}], scannerParentRefs: [{name: through}]}"
    objects = rendering.render(rendering.CHART, GATEWAY_API, values=values)
    parents = {
        kind: next(iter(of_kind(objects, kind).values()))["spec"]["parentRefs"] for kind in ("HTTPRoute", "TLSRoute")
    }
    assert parents == {"HTTPRoute": [{"name": "edge"}], "TLSRoute": [{"name": "through"}]}


@pytest.mark.parametrize(
    ("known", "version"),
    [
        ([], "v1"),
        (["v1alpha2/TLSRoute"], "v1alpha2"),
        (["v1alpha2/TLSRoute", "v1alpha3/TLSRoute"], "v1alpha3"),
        (["v1/TLSRoute", "v1alpha2/TLSRoute"], "v1"),
    ],
)
def test_the_route_is_of_a_version_that_the_cluster_knows(known, version):
    more = [word for one in known for word in ("--api-versions", f"gateway.networking.k8s.io/{one}")]
    text = rendering.helm("template", "lilitong", str(rendering.CHART), "--values", str(GATEWAY_API), *more)
    (route,) = of_kind(rendering.parse(text), "TLSRoute").values()
    assert route["apiVersion"] == f"gateway.networking.k8s.io/{version}"


@pytest.mark.parametrize("door", ["ingress: {checkpoint: {enabled: true, host: scan.example.org}}", "gatewayApi: {enabled: true, parentRefs: [{name: edge}], scannerHostnames: [scan.example.org]}"])  # fmt: skip
def test_checkpoints_certificate_bears_the_names_that_scanners_ask_for(door):
    tls = "tls: {mode: certManager, certManager: {issuerRef: {name: ca}}, checkpointNames: [other.example.org, scan.example.org]}"
    objects = rendering.render(values=f"{door}\n{tls}\n")
    names = of_kind(objects, "Certificate")["lilitong-checkpoint-tls"]["spec"]["dnsNames"]
    assert names.count("scan.example.org") == names.count("other.example.org") == 1


def test_no_tested_way_ends_scanners_tls_before_checkpoint(of, profile):
    objects = of(profile)
    if not any(entry["name"] == "CHECKPOINT_TLS_AUTHORITY" for item in objects for one in rendering.containers(item) for entry in one.get("env", [])):  # fmt: skip
        pytest.skip("TLS is off")
    ingresses = [item for item in objects if item["kind"] == "Ingress" and component(item) == "checkpoint"]
    assert [item for item in ingresses if "tls" in item["spec"]] == []
    assert not of_kind(objects, "GRPCRoute")
