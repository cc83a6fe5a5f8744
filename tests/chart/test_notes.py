"""What helm says after an installation can be followed by somebody who has never seen the system."""

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from cryptography import x509
from joserfc import jwt
from joserfc.jwk import ECKey

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")
CI = rendering.CHART / "ci"
# Helm prints the notes of an installed release only; here they are a field of an object.
TOLD = 'apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\ntext: {{ include (print $.Template.BasePath "/NOTES.txt") . | quote }}\n'


@pytest.fixture
def said(tmp_path):
    """`said("cnpg", "a=b")`: objects and notes of a values file with settings, of a release called `district`."""

    def render(name, *settings):
        chart = tmp_path / "chart"
        shutil.copytree(rendering.CHART, chart, dirs_exist_ok=True)
        (chart / "templates/notes.yaml").write_text(TOLD)
        objects = rendering.render(chart, CI / f"{name}-values.yaml", settings=settings, release="district")
        return objects, next(item for item in objects if item["kind"] == "Notes")["text"]

    return render


def test_every_object_that_they_name_is_there(said, profile):
    objects, text = said(profile)
    there = {rendering.named(item) for item in objects}
    for kind, name in re.findall(r"\b(svc|deploy)/([a-z-]+)", text):
        assert f"{ {'svc': 'Service', 'deploy': 'Deployment'}[kind] }/{name}" in there
    assert "app.kubernetes.io/instance=district" in text
    assert ("helm -n lilitong test district" in text) == (profile != "minimal")
    assert "  \n" not in text


def test_the_token_of_their_first_call_is_one_that_the_services_take(said):
    objects, text = said("quickstart")
    secrets = {item["metadata"]["name"]: item["data"] for item in objects if item["kind"] == "Secret"}
    command = text.partition("TOKEN=$(")[2].partition("\n  curl")[0].rpartition(")")[0]
    name = re.search(r"get secret ([a-z-]+) -o jsonpath='{\.data\.tls\\\.key}'", command)[1]
    words = shlex.split(command.partition("|\n")[2].replace("\\\n", " "))
    images = {one["image"] for item in objects for one in rendering.containers(item) if one["name"] == "rehearsal"}
    assert {word.removeprefix("--image=") for word in words if word.startswith("--image=")} == images
    env = dict(word.removeprefix("--env=").split("=", 1) for word in words if word.startswith("--env="))
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal", *words[words.index("--") + 1 :]],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **env},
        input=base64.b64decode(secrets[name]["tls.key"]).decode(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secrets[name]["tls.crt"]))
    believed = ECKey.import_key(certificate.public_key())
    token = jwt.decode(done.stdout.strip(), believed)
    asked = {entry["name"]: entry.get("value") for item in objects if rendering.named(item) == "Deployment/district-lilitong-gateway" for entry in rendering.containers(item)[0]["env"]}  # fmt: skip
    assert token.header["kid"] == believed.thumbprint()
    assert (token.claims["iss"], token.claims["aud"]) == (asked["GATEWAY_ISSUER"], asked["GATEWAY_AUDIENCE"])
    assert re.search(r"/v1/venues\?area=(\d+)", text)[1] in token.claims["areas"]


def test_images_that_are_in_no_registry_are_said_to_be_built_and_others_not(said):
    assert "lilitong/venue:0.1.0 and its like lie in no public registry" in said("quickstart")[1]
    assert "ErrImagePull" not in said("external")[1]


def test_their_commands_are_for_any_shell(said):
    """zsh, which is macOS' own, takes an open question mark for a pattern of files."""
    commands = [line for line in said("ingress")[1].splitlines() if line.startswith("  ")]
    assert not [line for line in commands if "?" in re.sub(r"'[^']*'|\"[^\"]*\"", "", line)]
    assert any(line.startswith("  curl -k -H") for line in commands)


def test_with_an_issuer_of_ones_own_they_name_it_and_mint_nothing(said):
    _, text = said("cnpg")
    assert "TOKEN=" not in text
    assert "https://login.example.org/realms/lishi" in text


@pytest.mark.parametrize(
    ("profile", "settings", "warning"),
    [
        ("ingress", ("ingress.checkpoint.tlsSecret=scan-tls",), "TLS of scanners ends at the Ingress"),
        ("gateway-api", ("gatewayApi.backendTls.caConfigMap=",), "no BackendTLSPolicy tells the Gateway so"),
        ("quickstart", ("observability.serviceMonitor.enabled=true",), "takes the ServiceMonitor"),
        ("quickstart", ("observability.serviceMonitor.enabled=true",), '"kubernetes.io/metadata.name":"monitoring"'),
    ],
)
def test_what_only_the_cluster_can_decide_is_pointed_out_and_only_then(said, profile, settings, warning):
    assert warning in said(profile, *settings)[1]
    assert warning not in said(profile)[1]


@pytest.mark.parametrize(("profile", "kinds"), [("quickstart", "secret,pvc,pod"), ("cnpg", "cluster.postgresql.cnpg.io,secret,pvc,pod")])  # fmt: skip
def test_they_tell_how_to_be_rid_of_what_an_uninstall_leaves(said, profile, kinds):
    objects, text = said(profile)
    assert f"delete {kinds} -l app.kubernetes.io/instance=district" in text
    kept = [
        item for item in objects if item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    ]
    short = {"PersistentVolumeClaim": "pvc", "Secret": "secret", "Cluster": "cluster.postgresql.cnpg.io"}
    assert {short[item["kind"]] for item in kept} <= set(kinds.split(","))
    assert all(item["metadata"]["labels"]["app.kubernetes.io/instance"] == "district" for item in kept)


def test_values_of_the_notes_are_of_the_county_that_the_rehearsal_plays_in(said):
    objects, text = said("quickstart", "rehearsal.area=150102", "auth.audience=district-app")
    pod = next(item for item in objects if item["kind"] == "Pod")
    env = {entry["name"]: entry.get("value") for entry in rendering.containers(pod)[0]["env"]}
    assert env["REHEARSAL_AREA"] == "150102"
    assert text.count("150102") == 2
    assert "--env=REHEARSAL_AUDIENCE=district-app" in text
