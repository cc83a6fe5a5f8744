"""What quickstart renders, run: bootstrap steps, services and the test pod with the variables and files that the chart gives them."""

import asyncio
import json
import time

import grpc
import httpx
import pytest
from devstack import postgres, processes
from grpc_health.v1 import health_pb2, health_pb2_grpc
from release_processes import BIN, Release

from tools.chart import rendering

pytestmark = [pytest.mark.feature("X11"), pytest.mark.connected, pytest.mark.slow]
USERS = ("venue", "checkpoint", "quarantine", "admin")


@pytest.fixture
def release(tmp_path, state_dir):
    objects = rendering.render()
    database = postgres.start(state_dir / "release", tied=True)
    bus = processes.free_port()
    made = Release(objects, tmp_path, {"postgres": database.port, "nats": bus})
    text = next(item for item in objects if rendering.named(item) == "ConfigMap/lilitong-nats")["data"]["nats.conf"]
    for ours, here in (("port: 4222", f'listen: "127.0.0.1:{bus}"'), ("http: 8222", ""), ("/data", f"{tmp_path}/data"), ("/tmp/nats.pid", f"{tmp_path}/nats.pid")):  # fmt: skip
        text = text.replace(ours, here, 1)
    (tmp_path / "nats.conf").write_text(text)
    passwords = {f"NATS_PASSWORD_{user.upper()}": made.secret(f"lilitong-nats-{user}", "password").decode() for user in (*USERS, "system")}  # fmt: skip
    command = processes.tied([str(BIN / "nats-server"), "-c", str(tmp_path / "nats.conf")])
    server = processes.spawn(command, log=tmp_path / "nats.log", env=passwords | {"POD_NAME": "lilitong-nats-0"})
    yield made
    made.end()
    processes.end(server)
    database.stop()


async def health(port, service):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2.0)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def became_ready(release, seconds=60.0):
    """Waits for the readiness probes."""
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
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{release.port('gateway', 8080)}") as client:
        while (await client.get("/readyz")).json()["status"] != "ready":
            assert time.monotonic() < until
            await asyncio.sleep(0.1)


async def test_the_rendered_release_starts_becomes_ready_and_closes_the_loop(release):
    began = time.monotonic()
    await release.start()
    await became_ready(release)
    ready = time.monotonic() - began
    for service in ("venue", "checkpoint", "quarantine"):
        assert await health(release.port(service, 50052), "liveness") == "SERVING"
        with pytest.raises(grpc.aio.AioRpcError):  # health and nothing else
            async with grpc.aio.insecure_channel(f"127.0.0.1:{release.port(service, 50052)}") as channel:
                await channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/X")(b"", timeout=2.0)
    pod = release.pod("rehearsal")
    log = await release.complete(pod, rendering.containers(pod)[0], seconds=120)
    told = json.loads(log.read_text().strip().splitlines()[-1])
    print(f"ready after {ready:.1f} s, restarts {release.restarts}, {told}")
    # Everything may be applied again: the steps change nothing, and the schema is as it was.
    for item in (one for one in release.objects if one["kind"] == "Job"):
        await release.complete(item, rendering.containers(item)[0])
