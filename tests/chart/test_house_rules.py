"""What a cluster's operators ask of every release: labels, quotas, an authority of their own, roles lent to accounts."""

import asyncio
import json
import ssl

import pytest
from chassis.jwks import KeySource
from devstack.certificates import Authority
from joserfc.jwk import ECKey

from tools.chart import policies, rendering
from tools.chart.__main__ import check
from tools.chart.rules import SERVICES, component
from tools.chart.validating import problems

pytestmark = pytest.mark.feature("X11")
EVERYTHING = """
commonLabels: {example.org/cost-centre: "4711"}
auth: {caSecret: own-authority}
steps: {resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {cpu: 500m, memory: 256Mi}}}
services:
  venue: {podLabels: {example.org/scanned: "yes"}, serviceAccountAnnotations: {example.org/role: photos}}
  checkpoint: {externalService: {type: LoadBalancer, sourceRanges: [10.0.0.0/8]}, serviceAnnotations: {example.org/speaks: h2c}}
  gateway: {externalService: {type: LoadBalancer}}
"""


@pytest.fixture(scope="module")
def objects():
    return rendering.render(values=EVERYTHING)


def test_the_rules_hold_with_them_too(objects):
    assert check(objects) == []
    assert problems(objects, rendering.VERSIONS[0]) == []


def test_every_object_bears_the_common_labels_and_is_selected_as_before(objects):
    plain = {rendering.named(item): item for item in rendering.render()}
    for item in objects:
        assert item["metadata"]["labels"]["example.org/cost-centre"] == "4711", rendering.named(item)
        if item["kind"] in {"Deployment", "StatefulSet"}:
            assert item["spec"]["selector"] == plain[rendering.named(item)]["spec"]["selector"]
            assert item["spec"].get("volumeClaimTemplates") == plain[rendering.named(item)]["spec"].get("volumeClaimTemplates")  # fmt: skip


@pytest.mark.parametrize("name", ["app.kubernetes.io/name", "helm.sh/chart", "lilitong/external"])
def test_labels_by_which_the_chart_finds_its_own_are_not_for_others(name):
    for where in ("commonLabels", "services.venue.podLabels"):
        with pytest.raises(rendering.HelmError, match="don't meet the specifications"):
            rendering.render(settings=[f"{where}.{name.replace('.', chr(92) + '.')}=other"])


def test_a_pods_labels_and_an_accounts_annotations_are_those_of_their_service_alone(objects):
    labelled = {
        component(item)
        for item in objects
        if item["kind"] == "Deployment" and "example.org/scanned" in item["spec"]["template"]["metadata"]["labels"]
    }
    lent = {
        component(item) for item in objects if item["kind"] == "ServiceAccount" and "annotations" in item["metadata"]
    }
    assert labelled == lent == {"venue"}


def test_in_a_namespace_with_a_quota_everything_can_have_a_limit_of_cpu():
    """With a quota of limits.cpu a pod without one is refused, its steps too."""
    given = "{resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}}"
    services = "".join(f"\n  {name}: {given}" for name in SERVICES)
    values = f"services: {services}\nsteps: {given}\nrehearsal: {given}\npostgres: {{quickstart: {given}}}\nnats: {{quickstart: {given}}}\n"
    for item in rendering.render(values=values):
        for one in rendering.containers(item):
            assert one["resources"] == {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi"}}


def test_services_believe_the_authority_that_they_are_given(objects):
    for item in (one for one in objects if one["kind"] == "Deployment"):
        spec = rendering.pod_spec(item)
        (one,) = spec["containers"]
        (file,) = [entry["value"] for entry in one["env"] if entry["name"] == "SSL_CERT_FILE"]
        (mount,) = [mount for mount in one["volumeMounts"] if file == f"{mount['mountPath']}/ca.crt"]
        (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
        assert volume["secret"]["secretName"] == "own-authority"
        assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert "SSL_CERT_FILE" not in str(rendering.render())


def test_scanners_from_outside_come_from_the_networks_that_are_named_and_only_a_load_balancer_can_tell(objects):
    (service,) = [item for item in objects if rendering.named(item) == "Service/lilitong-checkpoint-external"]
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.0.0.0/8"]
    node = rendering.render(values=EVERYTHING.replace("LoadBalancer", "NodePort"))
    (service,) = [item for item in node if rendering.named(item) == "Service/lilitong-checkpoint-external"]
    assert "loadBalancerSourceRanges" not in service["spec"]


def test_app_backends_have_a_door_of_their_own_too_and_it_leads_to_the_gateway(objects):
    (service,) = [item for item in objects if rendering.named(item) == "Service/lilitong-gateway-external"]
    assert service["spec"]["ports"] == [{"name": "http", "port": 443, "targetPort": "http"}]
    assert policies.unselected(objects) == []


def test_a_controller_is_told_by_the_services_annotation_what_it_speaks(objects):
    annotated = [item for item in objects if item["kind"] == "Service" and "annotations" in item["metadata"]]
    assert [rendering.named(item) for item in annotated] == ["Service/lilitong-checkpoint"]


def test_no_node_is_kept_for_what_a_pod_may_lose(objects):
    """Folders of a pod's own life hold a node fast for the cluster's autoscaler, unless they are named."""
    for item in (one for one in objects if one["kind"] == "Deployment"):
        said = item["spec"]["template"]["metadata"]["annotations"]
        named = said["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"].split(",")
        assert {volume["name"] for volume in rendering.pod_spec(item)["volumes"] if "emptyDir" in volume} == set(named)


@pytest.mark.connected
@pytest.mark.parametrize("named", [True, False])
async def test_keys_of_an_issuer_with_an_authority_of_ones_own_are_read_where_its_file_is_named(tmp_path, monkeypatch, named):  # fmt: skip
    """What the variable stands on: the client of the services follows it."""
    authority = Authority(tmp_path, "own")
    pair = authority.issue("issuer")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    keys = json.dumps({"keys": [ECKey.generate_key("P-256", {"kid": "1", "use": "sig"}).as_dict(private=False)]})

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(keys)}\r\nConnection: close\r\n\r\n{keys}".encode())
        await writer.drain()
        writer.close()

    if named:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        source = KeySource(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks")
        await source.freshen()
        assert source.loaded == named
