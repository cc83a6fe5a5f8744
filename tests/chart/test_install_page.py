"""The commands of docs/operations/install.md, run as they stand against a kubectl that only writes down: they make every Secret that
a values file of ci/ names, with the keys that pods mount, and certificates that services call each other by.
"""

import base64
import json
import os
import re
import shutil
import ssl
import subprocess
import sys

import pytest
import yaml
from chassis import certificates
from cryptography import x509
from devstack.certificates import Authority
from passes.vault import DirectoryVault

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")
PAGE = rendering.ROOT / "docs/operations/install.md"
NOTES_DOWN = f"""#!{sys.executable}
import base64, json, os, sys
from pathlib import Path
words = sys.argv[1:]
options = [word.removeprefix("--").split("=", 1) for word in words if word.startswith("--") and "=" in word]
made = {{}}
if "apply" in words:
    made = {{"applied": sys.stdin.read()}}
elif "secret" in words:
    kind, name = words[words.index("secret") + 1 :][:2]
    data = {{}}
    for option, value in options:
        key, _, rest = value.partition("=")
        if option == "from-literal":
            data[key] = rest.encode()
        elif option == "from-file" and Path(value).is_dir():
            data |= {{path.name: path.read_bytes() for path in Path(value).iterdir()}}
        elif option == "from-file":
            data[Path(key).name] = Path(rest or key).read_bytes()
        elif option in ("cert", "key"):
            data[{{"cert": "tls.crt", "key": "tls.key"}}[option]] = Path(value).read_bytes()
        elif option.startswith("docker-"):
            data[".dockerconfigjson"] = b"{{}}"
    made = {{"name": name, "data": {{key: base64.b64encode(value).decode() for key, value in data.items()}}}}
with open(os.environ["WRITTEN"], "a") as file:
    file.write(json.dumps(made) + "\\n")
"""


def commands(section):
    """The shell's blocks below a heading, but those that need an installed release."""
    text = re.split(r"(?m)^## ", PAGE.read_text())
    (body,) = [part for part in text if part.startswith(f"{section}\n")]
    return re.findall(r"(?ms)^```sh\n(.*?)^```", body)


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """`after("External")`: (Secrets by name, documents applied) once the keys' section and this one were followed."""

    def follow(section):
        folder = tmp_path_factory.mktemp("install")
        programs, keys = folder / "bin", folder / "keys"
        for one in (programs, keys / "tokens"):
            one.mkdir(parents=True)
        for name in ("kubectl", "helm"):
            (programs / name).write_text(NOTES_DOWN)
            (programs / name).chmod(0o755)
        theirs = Authority(folder / "theirs", "theirs").certificate
        for name in ("postgres-ca.pem", "nats-ca.pem"):
            shutil.copy(theirs, keys / name)
        (keys / "tokens/approver-1.jwt").write_text("a.b.c")
        script = "\n".join(["set -eu", *commands("Keys, for both of the others"), *commands(section)])
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "WRITTEN": str(folder / "written"), "HOME": str(folder)}
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        written = [json.loads(line) for line in (folder / "written").read_text().splitlines()]
        secrets = {one["name"]: one["data"] for one in written if "name" in one}
        return secrets, [document for one in written if "applied" in one for document in yaml.safe_load_all(one["applied"])]  # fmt: skip

    return follow


def wanted(objects):
    """Secret → keys that pods ask for; those that the release or an operator makes left out."""
    made = {item["metadata"]["name"] for item in objects if item["kind"] == "Secret"}
    made |= {item["spec"]["secretName"] for item in objects if item["kind"] == "Certificate"}
    found = {}
    for item in objects:
        spec = rendering.pod_spec(item) or {}
        for one in rendering.containers(item):
            for entry in one.get("env", []):
                chosen = entry.get("valueFrom", {}).get("secretKeyRef")
                if chosen:
                    found.setdefault(chosen["name"], set()).add(chosen["key"])
            for entry in one.get("envFrom", []):
                found.setdefault(entry["secretRef"]["name"], set())
        for one in spec.get("imagePullSecrets", []):
            found.setdefault(one["name"], set())
        for volume in spec.get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                secret = source.get("secret") or {}
                name = secret.get("secretName") or secret.get("name")
                if name:
                    found.setdefault(name, set()).update(each["key"] for each in secret.get("items", []))
    return {name: keys for name, keys in found.items() if name not in made and not name.endswith("-postgres-ca")}


@pytest.mark.parametrize(("section", "profile"), [("CloudNativePG", "cnpg"), ("External", "external")])
def test_the_page_makes_every_secret_with_every_key_that_pods_ask_for(after, of, section, profile):
    secrets, _ = after(section)
    for name, keys in wanted(of(profile)).items():
        assert name in secrets, name
        assert keys <= secrets[name].keys(), name
        assert secrets[name], name
    of_the_operator = {"lilitong-backups-s3"} if profile == "cnpg" else set()
    assert secrets.keys() == wanted(of(profile)).keys() | of_the_operator, "nobody asks for some"


def test_the_keys_that_it_makes_are_what_the_vault_reads(after, tmp_path):
    secrets, _ = after("CloudNativePG")
    for name in ("lilitong-venue-keys", "lilitong-quarantine-keys"):
        provided = tmp_path / name
        provided.mkdir()
        for key, value in secrets[name].items():
            (provided / key).write_bytes(base64.b64decode(value))
        vault = DirectoryVault(tmp_path / f"{name}-own", provided=provided)
        for path in provided.iterdir():
            read = {"venue-code": vault.signing_key, "venue-log": vault.ed25519_key}.get(path.stem, vault.secret)
            assert read(path.stem)
        assert not list((tmp_path / f"{name}-own").rglob("*.bin")), "one was made anew"
    assert len(base64.b64decode(base64.b64decode(secrets["lilitong-event-trace-key"]["key"]))) == 32


def test_the_authority_that_it_makes_is_the_one_that_the_values_name(after, of):
    _, documents = after("CloudNativePG")
    issuers = {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "ClusterIssuer"}
    asked = {(one["spec"]["issuerRef"]["kind"], one["spec"]["issuerRef"]["name"]) for one in of("cnpg") if one["kind"] == "Certificate"}  # fmt: skip
    assert asked == {("ClusterIssuer", "lilitong-ca")}
    (own,) = [one["spec"] for one in documents if one["kind"] == "Certificate"]
    assert own["isCA"]
    assert issuers["lilitong-ca"]["ca"]["secretName"] == own["secretName"]
    assert "selfSigned" in issuers[own["issuerRef"]["name"]]


def test_certificates_that_it_makes_bear_the_names_that_are_called(after, of, tmp_path):
    secrets, _ = after("External")
    called = re.findall(r"\blilitong-(venue|checkpoint|quarantine|gateway):\d+", json.dumps(of("external")))
    assert set(called) == {"venue", "checkpoint", "quarantine", "gateway"}
    for component in (*sorted(set(called)), "rehearsal"):
        pair = {key: tmp_path / f"{component}-{key}" for key in ("tls.crt", "tls.key", "ca.crt")}
        for key, path in pair.items():
            path.write_bytes(base64.b64decode(secrets[f"{component}-tls"][key]))
        certificates.check(certificate=pair["tls.crt"], key=pair["tls.key"], authority=pair["ca.crt"])
        names = names_of(pair["tls.crt"])
        assert f"lilitong-{component}" in names
        assert f"lilitong-{component}.lilitong.svc" in names
        handshake(pair, f"lilitong-{component}")
    assert "scan.example.org" in names_of(tmp_path / "checkpoint-tls.crt")


def names_of(path):
    found = x509.load_pem_x509_certificate(path.read_bytes())
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def handshake(pair, name):
    """Mutual TLS of a component with itself, in memory; raises when either refuses the other."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pair["ca.crt"]))
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(pair["ca.crt"]))
    for context in (server, client):
        context.load_cert_chain(pair["tls.crt"], pair["tls.key"])
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(inward, outward, server_hostname=name), server.wrap_bio(outward, inward, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert all(end.version() for end in ends)


def test_workload_keys_that_it_makes_belong_to_their_certificates(after, tmp_path):
    secrets, _ = after("External")
    for service in ("venue", "checkpoint"):
        pair = {key: tmp_path / f"{service}-{key}" for key in ("tls.crt", "tls.key")}
        for key, path in pair.items():
            path.write_bytes(base64.b64decode(secrets[f"{service}-workload"][key]))
        certificates.check(certificate=pair["tls.crt"], key=pair["tls.key"])
