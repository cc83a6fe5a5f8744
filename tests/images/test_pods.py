"""What a kubelet makes of a pod: variables, programs, users, limits, probes; what is not understood is refused."""

import base64
import copy

import pytest

from tools.images import alone, pods
from tools.images.pods import Image, Probe
from tools.images.volumes import PodError, Store

IMAGE = Image.of({"Entrypoint": ["/service"], "Cmd": ["serve"], "Env": ["PATH=/bin", "A=b=c"], "WorkingDir": "/opt"})
STORE = Store(
    [
        {"kind": "Secret", "metadata": {"name": "s"}, "data": {"password": base64.b64encode(b"a$(B)@/").decode()}},
        {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"level": "INFO"}},
    ]
)
LINKS = {"LILITONG_GATEWAY_SERVICE_HOST": "10.0.0.9"}


@pytest.fixture
def item():
    """A pod that is understood."""
    return copy.deepcopy(alone.manifest("lilitong/venue:1", ["migrate"], ""))


def made(item):
    return pods.pod(item, STORE, LINKS, "10.0.0.1")


def container(item):
    return item["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["/service", "serve"]),
        ({"args": ["migrate"]}, ["/service", "migrate"]),
        ({"command": ["python", "-m", "x"]}, ["python", "-m", "x"]),
        ({"command": ["python"], "args": ["$(B)", "$$(B)"]}, ["python", "c", "$(B)"]),
    ],
)
def test_commands_and_arguments_take_the_place_of_the_image_s(item, given, words):
    del container(item)["args"]
    container(item).update(given, env=[{"name": "B", "value": "c"}])
    assert made(item).containers[0].program(IMAGE) == words


def test_what_an_image_says_of_itself_is_read():
    assert Image(("/service",), ("serve",), {"PATH": "/bin", "A": "b=c"}, "/opt") == IMAGE
    assert Image.of({}) == Image()


def test_variables_are_made_in_order_and_references_only_in_plain_ones(item):
    container(item)["envFrom"] = [{"configMapRef": {"name": "c"}}]
    container(item)["env"] = [
        {"name": "B", "value": "x"},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "L", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "level"}}},
        {"name": "U", "value": "$(L)://$(P)/$(NONE)/$$B"},
        {"name": "NOT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": True}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    assert made(item).containers[0].env == {
        "level": "INFO", "B": "x", "P": "a$(B)@/", "L": "INFO", "U": "INFO://a$(B)@//$(NONE)/$B", "ME": "alone",
    }  # fmt: skip


def test_variables_of_services_come_unless_they_are_not_wanted(item):
    assert made(item).containers[0].env == {}
    item["spec"]["enableServiceLinks"] = True
    assert made(item).containers[0].env == LINKS
    del item["spec"]["enableServiceLinks"]
    assert made(item).containers[0].env == LINKS


def with_probe(**found):
    return lambda item: container(item).update(ports=[{"name": "http", "containerPort": 8080}], readinessProbe=found)


@pytest.mark.parametrize(
    ("spec", "probe"),
    [
        ({"grpc": {"port": 50052, "service": "liveness"}}, Probe("grpc", 50052, "liveness")),
        ({"grpc": {"port": 50052}, "periodSeconds": 3}, Probe("grpc", 50052, "", every=3)),
        ({"httpGet": {"port": "http", "path": "/readyz"}}, Probe("http", 8080, "/readyz")),
        (
            {
                "httpGet": {"port": 1, "scheme": "HTTPS"},
                "timeoutSeconds": 2,
                "failureThreshold": 9,
                "initialDelaySeconds": 4,
            },
            Probe("https", 1, "/", patience=2, failures=9, delay=4),
        ),
    ],
)
def test_probes_are_those_of_the_manifest_with_the_kubelet_s_own_defaults(item, spec, probe):
    with_probe(**spec)(item)
    assert made(item).containers[0].readiness == probe
    assert made(item).containers[0].liveness is None


def test_a_container_is_who_it_says_and_held_to_its_limit(item):
    container(item)["securityContext"]["runAsUser"] = 1000
    one = made(item).containers[0]
    assert (one.user, one.group, one.read_only, one.limit) == (1000, 65532, True, 256 << 20)
    assert made(item).fs_group == 65532
    container(item)["securityContext"]["readOnlyRootFilesystem"] = False
    assert made(item).containers[0].read_only is False


def changed(path, value):
    def change(item):
        *inner, last = path
        for key in inner:
            item = item[key]
        item[last] = value

    return change


FIRST = ("spec", "containers", 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(("spec", "hostNetwork"), True), "hostNetwork is not known here"),
        (changed(("spec", "automountServiceAccountToken"), True), "the account's token would be mounted"),
        (changed((*FIRST, "stdin"), True), "stdin is not known here"),
        (changed((*FIRST, "securityContext", "privileged"), True), "privileged is not known here"),
        (changed((*FIRST, "securityContext", "capabilities"), {"add": ["NET_ADMIN"]}), "keeps capabilities"),
        (changed((*FIRST, "securityContext", "allowPrivilegeEscalation"), True), "keeps capabilities"),
        (changed((*FIRST, "securityContext", "runAsUser"), 0), "does not say that it is not root"),
        (changed(("spec", "securityContext", "runAsNonRoot"), False), "does not say that it is not root"),
        (changed((*FIRST, "lifecycle"), {"preStop": {"exec": {}}}), "only a preStop that sleeps"),
        (changed((*FIRST, "volumeMounts", 0, "subPath"), "x"), "a mount with subPath"),
        (with_probe(exec={"command": ["true"]}), "a probe of"),
        (
            changed((*FIRST, "env"), [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "x"}}}]),
            "P: Secret s has no x",
        ),
        (
            changed((*FIRST, "env"), [{"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]),
            "spec.nodeName is not known here",
        ),
    ],
)
def test_what_is_not_understood_or_missing_is_refused(item, change, said):
    made(item)
    change(item)
    with pytest.raises(PodError, match=said):
        made(item)


def test_a_stateful_set_s_pod_has_its_number_and_its_claim(item):
    container(item)["volumeMounts"].append({"name": "data", "mountPath": "/data"})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": item["spec"]}
    claims = [{"metadata": {"name": "data"}}]
    whole = {
        "kind": "StatefulSet",
        "metadata": {"name": "n"},
        "spec": {"template": template, "volumeClaimTemplates": claims},
    }
    pod = made(whole)
    assert (pod.name, pod.labels) == ("n-0", {"a": "b"})
    assert [(one.name, one.claim) for one in pod.volumes] == [("tmp", ""), ("data", "data-n-0")]


def test_a_pre_stop_that_sleeps_and_the_pod_s_times_are_kept(item):
    container(item)["lifecycle"] = {"preStop": {"sleep": {"seconds": 3}}}
    item["spec"] |= {"terminationGracePeriodSeconds": 50, "activeDeadlineSeconds": 300}
    pod = made(item)
    assert (pod.containers[0].rest, pod.grace, pod.deadline, pod.restart) == (3, 50, 300, "Never")
