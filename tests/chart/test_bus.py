"""The server's configuration that the chart writes is one that a real nats-server takes, with users who may not do each other's work."""

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import nats
import nats.js.errors
import pytest
import yaml
from devstack import processes
from lookup_api import answering

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")
NATS = str(Path(sys.executable).with_name("nats-server"))
HELM = str(Path(sys.executable).with_name("helm"))
USERS = ("venue", "checkpoint", "quarantine", "admin")
PASSWORDS = {f"NATS_PASSWORD_{user.upper()}": f"p{user}1" for user in (*USERS, "system")}


def configuration(objects):
    return next(item for item in objects if rendering.named(item) == "ConfigMap/lilitong-nats")["data"]["nats.conf"]


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_real_server_takes_the_configuration(tmp_path, replicas):
    text = configuration(rendering.render(settings=[f"nats.quickstart.replicas={replicas}"]))
    path = tmp_path / "nats.conf"
    path.write_text(text.replace('"/data"', f'"{tmp_path}/data"').replace("/tmp/nats.pid", f"{tmp_path}/nats.pid"))
    done = subprocess.run([NATS, "-c", path, "-t"], capture_output=True, text=True, env=PASSWORDS | {"POD_NAME": "n-0"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_without_a_password_the_server_does_not_start(tmp_path):
    path = tmp_path / "nats.conf"
    path.write_text(configuration(rendering.render()))
    done = subprocess.run([NATS, "-c", path, "-t"], capture_output=True, text=True, env={"POD_NAME": "n-0"}, check=False)  # fmt: skip
    assert done.returncode != 0
    assert "NATS_PASSWORD_" in done.stderr


def test_every_user_of_the_table_has_an_account_and_a_secret(of):
    table = yaml.safe_load((rendering.CHART / "files/nats/permissions.yaml").read_text())["users"]
    assert set(USERS) == set(table)
    made = {item["metadata"]["name"] for item in of("quickstart") if item["kind"] == "Secret"}
    assert {f"lilitong-nats-{user}" for user in USERS} <= made


@pytest.mark.parametrize(("there", "asked"), [(1, 3), (3, 1)])
def test_servers_that_could_not_become_a_cluster_in_place_are_not_asked_to(tmp_path, there, asked):
    refused = upgraded(tmp_path, there, asked)
    assert refused.returncode != 0
    assert f"cannot go from {there} to {asked} in place" in refused.stderr
    assert (
        "delete statefulset,pvc -l app.kubernetes.io/instance=lilitong,app.kubernetes.io/component=nats"
        in refused.stderr
    )


@pytest.mark.parametrize("there", [None, 0, 2, 3])
def test_servers_that_are_as_many_or_none_yet_or_short_of_one_are_upgraded(tmp_path, there):
    assert upgraded(tmp_path, there, 3).returncode == 0


@pytest.mark.parametrize(("before", "after"), [("off", "certManager"), ("certManager", "off")])
def test_servers_of_a_cluster_do_not_change_one_by_one_to_tls_or_from_it(tmp_path, before, after):
    refused = upgraded(tmp_path, 3, 3, before, after)
    assert "delete statefulset lilitong-nats, then upgrade" in refused.stderr
    assert upgraded(tmp_path, 1, 1, before, after).returncode == 0
    assert upgraded(tmp_path, 3, 3, after, after).returncode == 0


def upgraded(tmp_path, there, asked, before="off", after="off"):
    """A rendering upon a cluster with that many servers, None: without the StatefulSet; and with that mode of TLS."""
    tls = {mode: ["--set", f"tls.mode={mode},tls.certManager.issuerRef.name=ca"] for mode in (before, after)}
    settings = ["nats.quickstart.replicas=3", *tls[before][1:]]
    item = next(one for one in rendering.render(settings=settings) if rendering.named(one) == "StatefulSet/lilitong-nats")  # fmt: skip
    item["spec"]["replicas"] = there
    with answering(tmp_path, rendering.NAMESPACE, {}, {} if there is None else {"lilitong-nats": item}) as env:
        command = [HELM, "template", "lilitong", str(rendering.CHART), "--namespace", "lilitong", "--dry-run=server"]
        command += ["--set", f"nats.quickstart.replicas={asked}", *tls[after]]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.fixture
def port(tmp_path):
    """Where a server runs with the chart's configuration, its places and ports changed to this machine's."""
    free = processes.free_port()
    text = (
        configuration(rendering.render()).replace("port: 4222", f'listen: "127.0.0.1:{free}"').replace("http: 8222", "")
    )
    path = tmp_path / "nats.conf"
    path.write_text(text.replace('"/data"', f'"{tmp_path}/data"').replace("/tmp/nats.pid", f"{tmp_path}/nats.pid"))
    with subprocess.Popen([NATS, "-c", path], env=PASSWORDS | {"POD_NAME": "n-0"}, stderr=subprocess.DEVNULL) as server:
        until = time.monotonic() + 10
        while not listens(free):
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        yield free
        server.terminate()


@pytest.mark.connected
async def test_users_of_the_running_server_speak_for_themselves_only(port):
    assert "permissions violation" in await heard(port, "venue", "lilitong.quarantine.restricted.v1.segment")
    assert "permissions violation" in await heard(port, "checkpoint", "$JS.API.STREAM.DELETE.QUARANTINE")
    assert await heard(port, "venue", "lilitong.venue.venue.v1.registered") == ""


@pytest.fixture
def cluster(tmp_path):
    """Client ports of three servers with the configuration of a cluster."""
    text = configuration(rendering.render(settings=["nats.quickstart.replicas=3"])).replace("http: 8222", "")
    clients, routes = ([processes.free_port() for _ in range(3)] for _ in range(2))
    for number, route in enumerate(routes):
        text = text.replace(f"lilitong-nats-{number}.lilitong-nats-peers:6222", f"127.0.0.1:{route}")
    servers = []
    for number, (client, route) in enumerate(zip(clients, routes, strict=True)):
        own = text.replace("port: 4222", f'listen: "127.0.0.1:{client}"').replace(
            "port: 6222", f'listen: "127.0.0.1:{route}"'
        )
        own = own.replace('"/data"', f'"{tmp_path}/data-{number}"').replace("/tmp/nats.pid", f"{tmp_path}/{number}.pid")
        (tmp_path / f"{number}.conf").write_text(own)
        command = processes.tied([NATS, "-c", str(tmp_path / f"{number}.conf")])
        env = PASSWORDS | {"POD_NAME": f"lilitong-nats-{number}"}
        servers.append(processes.spawn(command, log=tmp_path / f"{number}.log", env=env))
    yield clients
    for server in servers:
        processes.end(server)


@pytest.mark.connected
@pytest.mark.slow
async def test_three_servers_keep_three_copies_of_a_stream_that_the_administrator_makes(cluster):
    until = time.monotonic() + 40
    client = await nats.connect(
        [f"nats://127.0.0.1:{port}" for port in cluster], user="admin", password=PASSWORDS["NATS_PASSWORD_ADMIN"],
        inbox_prefix=b"_INBOX.admin", connect_timeout=5, max_reconnect_attempts=100, reconnect_time_wait=0.2,
    )  # fmt: skip
    made = None
    while made is None:  # they have to choose a leader first
        try:
            made = await client.jetstream().add_stream(name="VENUE", subjects=["lilitong.venue.>"], num_replicas=3)
        except (nats.errors.Error, nats.js.errors.APIError):
            assert time.monotonic() < until, "no cluster"
            await asyncio.sleep(0.5)
    assert len(made.cluster.replicas) == 2
    await client.close()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


async def heard(port, user, subject):
    """What the server says to a user who publishes on a subject; "" when nothing."""
    said = []

    async def note(error):
        said.append(str(error))

    client = await nats.connect(  # it may just be starting
        f"nats://127.0.0.1:{port}", user=user, password=PASSWORDS[f"NATS_PASSWORD_{user.upper()}"], error_cb=note,
        connect_timeout=5, max_reconnect_attempts=20, reconnect_time_wait=0.1, allow_reconnect=True,
    )  # fmt: skip
    try:
        await client.publish(subject, b"")
        await client.flush()
        await asyncio.sleep(0.3)  # the client tells its listener from a task of its own
    finally:
        await client.close()
    return said[0].lower() if said else ""
