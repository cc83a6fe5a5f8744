"""The chart's own pods, as the trial runs them on the images: all of them understood, with what they are given."""

from functools import cache

import pytest
import yaml

from tools.chart import rendering, rules
from tools.images import names, pods, provided, sandbox, servers, trial
from tools.images.engines import Engine
from tools.images.pods import Image, Probe
from tools.images.volumes import Store

pytestmark = pytest.mark.feature("X11")
VALUES = yaml.safe_load((rendering.CHART / "values.yaml").read_text())


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """`profile("existing")`, rendered once."""

    @cache
    def rendered(name):
        return trial.Profile.of(name, Engine("buildah", "localhost/lilitong/"), tmp_path_factory.mktemp("release"))

    return rendered


@pytest.fixture(scope="module")
def pod(profile):
    """`pod("existing", "venue")`: of a component."""

    def made(name, component):
        store = Store(profile(name).objects)
        return pods.pod(servers.only(profile(name).objects, component), store, {}, "10.244.0.10")

    return made


@pytest.mark.parametrize("name", trial.PROFILES)
def test_every_pod_of_the_chart_is_understood_and_on_an_image_that_is_built(profile, name):
    store = Store(profile(name).objects)
    found = {}
    for item in profile(name).objects:
        if rendering.pod_spec(item) is not None and rules.component(item) != "postgres":
            found[item["metadata"]["name"]] = pods.pod(item, store, {}, "10.244.0.10")
    assert len(found) == 10
    for one in found.values():
        assert one.images <= {f"localhost/lilitong/{image}:0.1.0" for image in trial.IMAGES} | {"nats:2.15-alpine"}
        assert all(each.limit for each in (*one.first, *one.containers))
        assert all(each.read_only for each in (*one.first, *one.containers))


def test_with_existing_secrets_the_chart_makes_none_and_names_no_other(profile):
    objects = profile("existing").objects
    made = [item["metadata"]["name"] for item in objects if item["kind"] == "Secret"]
    assert all(name.startswith("made-") for name in made)
    text = yaml.safe_dump([item for item in objects if item["kind"] != "Secret"])
    assert {name for name in made if name not in text} == set()


@pytest.mark.parametrize("name", trial.PROFILES)
def test_services_are_held_to_the_chart_s_limits(pod, name):
    for service, values in VALUES["services"].items():
        (one,) = pod(name, service).containers
        assert one.limit == int(values["resources"]["limits"]["memory"].removesuffix("Mi")) << 20


def test_a_service_gets_its_passwords_as_they_are(pod, profile):
    (one,) = pod("existing", "venue").containers
    data = Store(profile("existing").objects).data("Secret", "made-venue-database")
    assert one.env["VENUE_DATABASE_PASSWORD"] == data["password"].decode()
    assert provided.AWKWARD in one.env["VENUE_DATABASE_PASSWORD"]


def test_a_service_is_asked_as_the_kubelet_asks_it(pod):
    (venue,), (gateway,) = pod("existing", "venue").containers, pod("existing", "gateway").containers
    assert venue.startup == Probe("grpc", 50052, "liveness", every=2, patience=3, failures=90)
    assert venue.readiness == Probe("grpc", 50052, "", every=3, patience=3, failures=2)
    assert gateway.readiness == Probe("https", 8080, "/readyz", every=3, patience=3, failures=2)
    assert (venue.rest, pod("existing", "venue").grace) == (3, 50)


def test_mounts_are_those_of_the_manifest_and_what_is_provided_is_read_only(pod, tmp_path):
    made = pod("existing", "quarantine")
    place = sandbox.Sandbox(made, tmp_path / "pod", tmp_path / "claims", "10.244.0.10")
    root = sandbox.Root("/root", Image(), {"/usr/local/bin/x": tmp_path / "x"})
    lines = dict(reversed(line.split(" ", 1)) for line in sandbox.mount_lines(place, made.containers[0], root))
    assert lines[f"{tmp_path}/claims/lilitong-quarantine-vault /var/lib/lilitong/vault"] == "rw"
    assert lines[f"{tmp_path}/pod/volumes/trust /etc/lilitong/trust"] == "ro"
    assert lines[f"{tmp_path}/pod/volumes/tmp /tmp"] == "rw"
    assert lines[f"{tmp_path}/x /usr/local/bin/x"] == "ro"
    assert lines[f"{tmp_path}/pod/hosts /etc/hosts"] == "ro"


def test_certificates_carry_the_names_by_which_services_are_called(profile):
    from cryptography import x509

    data = Store(profile("existing").objects).data("Secret", "made-quarantine-tls")
    certificate = x509.load_pem_x509_certificate(data["tls.crt"])
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = set(found.get_values_for_type(x509.DNSName))
    assert {"lilitong-quarantine", "lilitong-quarantine.lilitong.svc.cluster.local"} <= known


def test_a_pod_that_is_not_ready_has_no_name_unless_its_service_has_an_address(profile):
    known = names.services(profile("quickstart").objects)
    labels = {item["metadata"]["name"]: pods.template(item)["metadata"]["labels"]
              for item in profile("quickstart").of_kind("Deployment")}  # fmt: skip
    members = [names.Member(name, label, f"10.244.0.{20 + i}") for i, (name, label) in enumerate(labels.items())]
    text = names.hosts(known, members, names.Member("me", {}, "10.244.0.9"))
    assert text.startswith("127.0.0.1\tlocalhost\n10.244.0.9\tme\n")
    assert "lilitong-gateway lilitong-gateway.lilitong" in text  # it has an address of its own
    assert "lilitong-venue " not in text
    ready = [names.Member(one.name, one.labels, one.address, ready=True) for one in members]
    address = next(one.address for one in ready if one.name == "lilitong-venue")
    assert f"{address}\tlilitong-venue lilitong-venue.lilitong " in names.hosts(known, ready, ready[0])


def test_services_with_an_address_become_variables(profile):
    known = names.services(profile("quickstart").objects)
    item = servers.only(profile("quickstart").objects, "gateway")
    member = names.Member("g", pods.template(item)["metadata"]["labels"], "10.244.0.20")
    found = names.links(known, [member])
    assert found["LILITONG_GATEWAY_SERVICE_HOST"] == "10.244.0.20"
    assert found["LILITONG_GATEWAY_SERVICE_PORT_METRICS"] == "9464"
    assert found["LILITONG_GATEWAY_PORT"] == "tcp://10.244.0.20:8080"
    assert not any(name.startswith("LILITONG_VENUE") for name in found)  # headless


def test_pods_get_addresses_that_no_other_had():
    assert len({sandbox.address() for _ in range(3)}) == 3
