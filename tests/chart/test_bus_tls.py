"""The bus over TLS: what the chart runs follows its certificates without a restart, for clients and between servers."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from devstack import processes
from devstack.certificates import Authority

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")
USERS = ("venue", "checkpoint", "quarantine", "admin", "system")
EXISTING = "".join(f"\n    {name}: {name}-tls" for name in ("venue", "checkpoint", "quarantine", "gateway", "nats", "rehearsal"))  # fmt: skip
VALUES = f"tls:\n  mode: existing\n  existingSecrets:{EXISTING}\nnats: {{quickstart: {{replicas: 3}}}}\n"


def expanded(word):
    """A word of a command as Kubernetes runs it: two dollars are one, and names of variables nobody gives stay."""
    return word.replace("$$", "$")


@pytest.fixture
def running(tmp_path):
    """The container's command with its places on this machine: (folder of the certificates, authority, port of clients, of routes)."""
    objects = rendering.render(values=VALUES)
    ports = [processes.free_port(), processes.free_port()]
    folder = tmp_path / "tls"
    folder.mkdir()
    authority = Authority(tmp_path / "authority", "authority")
    give(folder, authority, "first")
    places = {"/etc/lilitong/tls": str(folder), "/etc/nats": str(tmp_path), "/tmp/nats.pid": f"{tmp_path}/nats.pid"}
    text = next(one for one in objects if rendering.named(one) == "ConfigMap/lilitong-nats")["data"]["nats.conf"]
    (tmp_path / "nats.conf").write_text(
        placed(text, places | {'"/data"': f'"{tmp_path}/data"', "http: 8222": ""})
        .replace("port: 4222", f'listen: "127.0.0.1:{ports[0]}"')
        .replace("port: 6222", f'listen: "127.0.0.1:{ports[1]}"')
    )
    item = next(one for one in objects if rendering.named(one) == "StatefulSet/lilitong-nats")
    command = [expanded(word) for word in rendering.containers(item)[0]["command"]]
    env = {f"NATS_PASSWORD_{user.upper()}": f"p{user}" for user in USERS} | {"POD_NAME": "lilitong-nats-0"}
    env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = [placed(word, places | {"sleep 5": "sleep 0.2"}) for word in command]
    with subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL, start_new_session=True) as server:
        yield folder, authority, *ports
        os.killpg(server.pid, signal.SIGTERM)


def placed(text, places):
    for there, here in places.items():
        text = text.replace(there, here)
    return text


def give(folder, authority, name):
    """A new pair, swapped in as the kubelet does: all files at once."""
    pair = authority.issue(name)
    new = folder.parent / f"..{name}"
    new.mkdir()
    for source, file in ((pair.certificate, "tls.crt"), (pair.key, "tls.key"), (authority.certificate, "ca.crt")):
        shutil.copy(source, new / file)
        link = new / f"{file}.link"
        link.symlink_to(new / file)
        link.replace(folder / file)


def shown(authority, folder, port, *, greets):
    """Name in the certificate that the server shows; with `greets` it speaks first, in plain text, and then wants TLS."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.check_hostname = False
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        if greets:
            plain.recv(4096)
        with context.wrap_socket(plain) as one:
            return x509.load_der_x509_certificate(one.getpeercert(binary_form=True)).subject.rfc4514_string()


def until_shown(wanted, *asked, greets, seconds=20.0):
    limit = time.monotonic() + seconds
    while True:
        try:
            found = shown(*asked, greets=greets)
        except OSError as error:  # it may just be starting
            found = str(error)
        if found == wanted:
            return
        assert time.monotonic() < limit, found
        time.sleep(0.1)


@pytest.mark.connected
@pytest.mark.parametrize(("which", "greets"), [("clients", True), ("routes", False)])
def test_the_server_shows_a_renewed_certificate_without_a_restart(running, which, greets):
    folder, authority, clients, routes = running
    port = clients if which == "clients" else routes
    until_shown("CN=first", authority, folder, port, greets=greets)
    give(folder, authority, "second")
    until_shown("CN=second", authority, folder, port, greets=greets)


def test_without_tls_the_container_is_the_server_itself(of):
    item = next(one for one in of("quickstart") if rendering.named(one) == "StatefulSet/lilitong-nats")
    assert rendering.containers(item)[0]["command"] == ["nats-server", "--config", "/etc/nats/nats.conf"]
