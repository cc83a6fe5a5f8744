"""Where pods have addresses of IPv6 only, everything listens there."""

import asyncio
import re
import socket
import subprocess
import time

import pytest
from chassis.metrics import MetricsEndpoint
from chassis.rpc.server import Server
from devstack import processes
from gateway.lines import Lines
from gateway.server import RestServer
from test_bus import NATS, PASSWORDS, configuration

from tools.chart import rendering

pytestmark = pytest.mark.feature("X11")


@pytest.fixture(scope="module")
def objects():
    return rendering.render(settings=["listenAddress=[::]", "nats.quickstart.replicas=3"])


def test_no_pod_listens_on_an_address_of_the_former_protocol(objects):
    assert "0.0.0.0" not in str([rendering.pod_spec(item) for item in objects])
    listening = re.findall(r"'name': '\w+_LISTEN', 'value': '([^']+)'", str(objects))
    assert sorted(set(listening)) == ["[::]:50051", "[::]:50052", "[::]:8080", "[::]:9464"]


def reached(port):
    with socket.socket(socket.AF_INET6) as one:
        return one.connect_ex(("::1", port)) == 0


@pytest.fixture
def spoken():
    with socket.socket(socket.AF_INET6) as one:
        try:
            one.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")


@pytest.mark.connected
async def test_servers_of_the_services_listen_there(spoken):
    async def heard(scope, receive, send):
        raise AssertionError

    metrics = MetricsEndpoint("[::]:0")
    await metrics.start()
    rest, grpc = RestServer("[::]:0", heard, Lines()), Server("[::]:0", health_listen="[::]:0", authenticators=[])
    try:
        ports = [metrics.port, await rest.start(), await grpc.start()]
        assert [await asyncio.to_thread(reached, port) for port in ports] == [True, True, True]
    finally:
        await asyncio.gather(metrics.close(), rest.drain(0), grpc.drain(0))


@pytest.mark.connected
def test_the_bus_listens_there(spoken, objects, tmp_path):
    ports = {number: processes.free_port() for number in (4222, 6222, 8222)}
    text = configuration(objects).replace('"/data"', f'"{tmp_path}/data"').replace("/tmp/nats.pid", f"{tmp_path}/pid")
    for number, port in ports.items():
        text = re.sub(rf"((?:^|\n) *port: |\]:){number}\b", rf"\g<1>{port}", text)
    (tmp_path / "nats.conf").write_text(text)
    with subprocess.Popen([NATS, "-c", tmp_path / "nats.conf"], env=PASSWORDS | {"POD_NAME": "n-0"}, stderr=subprocess.DEVNULL) as server:  # fmt: skip
        until = time.monotonic() + 10
        while not all(map(reached, ports.values())) and time.monotonic() < until:
            time.sleep(0.05)
        found = {number: reached(port) for number, port in ports.items()}
        server.terminate()
    assert found == dict.fromkeys(ports, True)
