"""What the chart renders, run: bootstrap steps, services and the test pod with the variables and files that it gives them."""

import asyncio
import base64
import json
import ssl
import time

import grpc
import httpx
import pytest
from devstack import postgres, processes
from devstack.certificates import Authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from release_processes import BIN, Release

from tools.chart import rendering

pytestmark = [pytest.mark.feature("X11"), pytest.mark.connected, pytest.mark.slow]
USERS = ("venue", "checkpoint", "quarantine", "admin")
COMPONENTS = ("venue", "checkpoint", "quarantine", "gateway", "nats", "rehearsal")


def existing(name, **files):
    """A Secret that somebody made before."""
    data = {key.replace("_", "."): base64.b64encode(path.read_bytes()).decode() for key, path in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def with_tls(folder):
    """A release whose parts speak mutual TLS, by certificates of an authority of its own."""
    authority = Authority(folder, "authority")
    secrets = []
    for name in COMPONENTS:
        pair = authority.issue(name)
        secrets.append(
            existing(f"{name}-tls", tls_crt=pair.certificate, tls_key=pair.key, ca_crt=authority.certificate)
        )
    names = "".join(f"\n    {name}: {name}-tls" for name in COMPONENTS)
    return [*secrets, *rendering.render(values=f"tls:\n  mode: existing\n  existingSecrets:{names}\n")]


@pytest.fixture(params=["quickstart", "tls"])
def release(request, tmp_path, state_dir):
    objects = rendering.render() if request.param == "quickstart" else with_tls(tmp_path / "authority")
    database = postgres.start(state_dir / f"release-{request.param}", settings=database_settings(objects), tied=True)
    bus = processes.free_port()
    made = Release(objects, tmp_path, {"postgres": database.port, "nats": bus})
    made.scheme = "http" if request.param == "quickstart" else "https"
    server = run_nats(made, bus)
    yield made
    made.end()
    processes.end(server)
    database.stop()


def database_settings(objects):
    """What the chart tells its Postgres."""
    item = next(one for one in objects if rendering.named(one) == "StatefulSet/lilitong-postgres")
    given = rendering.containers(item)[0]["args"]
    return dict(argument.split("=", 1) for argument in given if argument != "-c")


def run_nats(release, port):
    """The server with the chart's configuration; its places and ports are this machine's."""
    root = release.place(release.pod("nats"))
    text = next(item for item in release.objects if rendering.named(item) == "ConfigMap/lilitong-nats")["data"][
        "nats.conf"
    ]
    changes = {"port: 4222": f'listen: "127.0.0.1:{port}"', "http: 8222": "", '"/data"': f'"{root}/data"'}
    changes |= {'"/tmp/': f'"{root}/tmp/', '"/etc/lilitong': f'"{root}/etc/lilitong'}
    for ours, here in changes.items():
        text = text.replace(ours, here)
    (root / "nats.conf").write_text(text)
    env = {"POD_NAME": "lilitong-nats-0"}
    for user in (*USERS, "system"):
        env[f"NATS_PASSWORD_{user.upper()}"] = release.secret(f"lilitong-nats-{user}", "password").decode()
    command = processes.tied([str(BIN / "nats-server"), "-c", str(root / "nats.conf")])
    return processes.spawn(command, log=release.folder / "nats.log", env=env)


async def health(port, service):
    """What a probe of the kubelet sees, which speaks no TLS."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2.0)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def became_ready(release, seconds=60.0):
    """Waits for the readiness probes, and then for the gateway to see everybody behind it."""
    until = time.monotonic() + seconds
    waiting = ["venue", "checkpoint", "quarantine"]
    while waiting:
        assert time.monotonic() < until, f"not ready: {waiting}"
        try:
            if await health(release.port(waiting[0], 50052), "") == "SERVING":
                waiting.pop(0)
        except grpc.aio.AioRpcError:
            pass
        await asyncio.sleep(0.1)
    unverified = ssl.create_default_context()  # as the kubelet's probes over HTTPS
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    url = f"{release.scheme}://127.0.0.1:{release.port('gateway', 8080)}"
    async with httpx.AsyncClient(base_url=url, verify=unverified) as client:
        while (await client.get("/readyz")).json()["status"] != "ready":
            assert time.monotonic() < until, (await client.get("/readyz")).text
            await asyncio.sleep(0.1)


async def nobody_enters_without_a_certificate(release):
    authority = base64.b64decode(release.objects[0]["data"]["ca.crt"])
    for service in ("venue", "checkpoint", "quarantine"):
        with pytest.raises(grpc.aio.AioRpcError):  # in plain text
            await health(release.port(service, 50051), "")
        address = f"127.0.0.1:{release.port(service, 50051)}"
        async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority)) as channel:
            with pytest.raises(grpc.aio.AioRpcError):  # with TLS, but as nobody
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2.0)


async def test_the_rendered_release_starts_becomes_ready_and_closes_the_loop(release):
    began = time.monotonic()
    await release.start()
    await became_ready(release)
    ready = time.monotonic() - began
    for service in ("venue", "checkpoint", "quarantine"):
        assert await health(release.port(service, 50052), "liveness") == "SERVING"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{release.port(service, 50052)}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):  # health and nothing else
                await channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/X")(b"", timeout=2.0)
    if release.scheme == "https":
        await nobody_enters_without_a_certificate(release)
    pod = release.pod("rehearsal")
    log = await release.complete(pod, rendering.containers(pod)[0], seconds=120)
    told = json.loads(log.read_text().strip().splitlines()[-1])
    assert told["contacts"] >= 1
    print(f"ready after {ready:.1f} s, restarts {release.restarts}, {told}")
    # Everything may be applied again: the steps find their work done.
    for item in (one for one in release.objects if one["kind"] == "Job"):
        await release.complete(item, rendering.containers(item)[0])
