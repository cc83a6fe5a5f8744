"""Secrets that the release makes are made once, are fit for their use, and are told to nobody else."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lookup_api import answering

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")

HELM = str(Path(sys.executable).with_name("helm"))


def secrets_of(objects):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "Secret"}


def decoded(item):
    return {key: base64.b64decode(value) for key, value in item["data"].items()}


def render_upon(tmp_path, secrets, *more):
    """Secrets of a rendering that can look up what is in the cluster."""
    with answering(tmp_path, rendering.NAMESPACE, secrets) as env:
        command = [
            HELM,
            "template",
            "lilitong",
            str(rendering.CHART),
            "--namespace",
            "lilitong",
            "--dry-run=server",
            *more,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return secrets_of(rendering.parse(done.stdout))


@pytest.mark.parametrize(
    "more", [(), ("--values", str(rendering.CHART / "ci/cnpg-values.yaml"))], ids=["quickstart", "cnpg"]
)
def test_an_upgrade_keeps_every_secret_and_an_empty_cluster_gets_new_ones(tmp_path, more):
    first = render_upon(tmp_path, {}, *more)
    assert len(first) >= 6
    again = render_upon(tmp_path, first, *more)
    assert {name: item["data"] for name, item in first.items()} == {name: item["data"] for name, item in again.items()}
    other = render_upon(tmp_path, {}, *more)
    assert first.keys() == other.keys()
    assert not [name for name in first if first[name]["data"] == other[name]["data"]]


def test_a_key_that_a_kept_secret_lacks_is_made_and_the_others_stay(tmp_path):
    first = render_upon(tmp_path, {})
    kept = {name: dict(item, data=dict(item["data"])) for name, item in first.items()}
    del kept["lilitong-venue-keys"]["data"]["spot-checks.bin"]
    again = render_upon(tmp_path, kept)["lilitong-venue-keys"]["data"]
    assert first["lilitong-venue-keys"]["data"]["venue-code.pem"] == again["venue-code.pem"]
    assert again["spot-checks.bin"]


def test_made_secrets_stay_when_the_release_goes(of, profile):
    assert all(
        item["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        for item in secrets_of(of(profile)).values()
    )


def test_keys_are_of_the_kind_that_services_read(of):
    keys = decoded(secrets_of(of("quickstart"))["lilitong-venue-keys"])
    code = load_pem_private_key(keys["venue-code.pem"], None)
    assert isinstance(code, EllipticCurvePrivateKey)
    assert isinstance(code.curve, SECP256R1)
    assert isinstance(load_pem_private_key(keys["venue-log.pem"], None), Ed25519PrivateKey)
    assert [len(keys[name]) for name in ("venue-screens.bin", "spot-checks.bin")] == [32, 32]
    trace = decoded(secrets_of(of("quickstart"))["lilitong-event-trace-key"])["key"]
    assert len(base64.b64decode(trace, validate=True)) == 32


@pytest.mark.parametrize("name", ["issuer", "venue-workload", "checkpoint-workload"])
def test_a_certificate_belongs_to_its_key(of, name):
    pair = decoded(secrets_of(of("quickstart"))[f"lilitong-{name}"])
    certificate = x509.load_pem_x509_certificate(pair["tls.crt"])
    assert load_pem_private_key(pair["tls.key"], None).public_key() == certificate.public_key()


def test_a_password_of_the_bus_begins_with_a_letter_because_its_server_reads_it_as_a_value(of):
    passwords = [decoded(item)["password"] for name, item in secrets_of(of("quickstart")).items() if "-nats-" in name]
    assert len(passwords) == 5
    assert all(one[:1] == b"p" and one.isalnum() and len(one) == 32 for one in passwords)


@pytest.mark.parametrize(("profile", "count"), [("quickstart", 14), ("cnpg", 11), ("gateway-api", 14)])
def test_where_nothing_can_be_looked_up_the_chart_tells_every_secret_that_it_would_have_made(of, profile, count):
    values = rendering.CHART / f"ci/{profile}-values.yaml"
    with pytest.raises(rendering.HelmError, match="generate is off") as refused:
        rendering.render(rendering.CHART, values, settings=["secrets.generate=false"])
    told = str(refused.value).splitlines()[0].rpartition("values: ")[2].split("; ")
    made = [sorted(item["data"]) for item in secrets_of(of(profile)).values()]
    keys = [one.partition(" (")[2].rstrip(").").split(", ") for one in told]
    assert len(told) == len({one.partition(" ")[0] for one in told}) == count
    assert sorted(made) == sorted(keys)
    schema = json.loads((rendering.CHART / "values.schema.json").read_text())
    for one in told:  # each is a value that there is
        at = schema
        for part in one.partition(" ")[0].split("."):
            at = at["properties"][part]
        assert at == {"type": "string"}


def test_with_every_secret_given_none_need_be_made():
    values = rendering.CHART / "ci/external-values.yaml"
    objects = rendering.render(rendering.CHART, values, settings=["secrets.generate=false"])
    assert secrets_of(objects) == {}


def test_with_existing_secrets_none_is_made(of):
    assert secrets_of(of("external")) == {}


def test_production_makes_no_key_that_signs_or_decrypts(of):
    made = secrets_of(of("cnpg"))
    assert not [name for name in made if "key" in name or "issuer" in name or "workload" in name]


def test_the_key_that_signs_peoples_tokens_is_nowhere_but_in_the_test(of):
    holders = set()
    for item in of("quickstart"):
        for volume in (rendering.pod_spec(item) or {}).get("volumes", []):
            secret = volume.get("secret", {})
            if secret.get("secretName") == "lilitong-issuer" and secret.get("items") != [
                {"key": "tls.crt", "path": "tls.crt"}
            ]:
                holders.add(rendering.named(item))
    assert {"Pod/lilitong-rehearsal"} == holders


def test_the_superuser_is_known_to_postgres_and_its_preparation_alone(of):
    holders = {rendering.named(item) for item in of("quickstart") if "'name': 'lilitong-postgres', 'key'" in str(item)}
    assert {"StatefulSet/lilitong-postgres"} | {name for name in holders if "prepare" in name} == holders
    assert len(holders) == 2


def test_the_owner_role_is_known_to_migrations_and_not_to_the_service(of):
    for item in of("quickstart"):
        if item["kind"] == "Deployment":
            assert "OWNER" not in str(item["spec"]["template"]["spec"]["containers"])
