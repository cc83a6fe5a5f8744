"""A checkpoint that takes only known machines takes this one, by what its enrolment holds."""

import asyncio
import json
from uuid import uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from daysets.testing import MemoryLog
from devstack.certificates import Authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceServicer, add_ScanServiceServicer_to_server
from scanner import enrol, program
from scanner.clock import CorrectedClock, SystemClock, counter
from scanner.link import Link
from scanner.renewal import Renewed
from scanner.state import Folder, StateError

pytestmark = [pytest.mark.feature("C4"), pytest.mark.feature("X2")]


@pytest.fixture
def enrolled(tmp_path):
    """Writes an enrolment file with these extras, reads it, copies it into a folder and gives the copy as read again."""

    def made(target, **extras):
        path = tmp_path / "enrolment-file.json"
        path.write_text(json.dumps({"target": target, "log_keys": []} | extras))
        enrol.save_enrolment(tmp_path / "state", enrol.read_enrolment(path))
        return enrol.read_enrolment(tmp_path / "state" / enrol.ENROLMENT)

    return made


@pytest.fixture
async def guarded(tmp_path):
    """host:port of a server with mutual TLS, and the authority of both sides."""
    authority = Authority(tmp_path / "ours", "ours")
    pair, server = authority.issue("server"), grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    ca = authority.certificate.read_bytes()
    own = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(own, ca, require_client_auth=True))
    await server.start()
    yield f"127.0.0.1:{port}", authority
    await server.stop(0)


async def ask(enrolment):
    async with grpc.aio.secure_channel(enrolment.target, enrolment.credentials(enrolment.target)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(), timeout=3)).status


@pytest.mark.connected
async def test_the_certificate_of_the_enrolment_is_shown(guarded, enrolled, tmp_path):
    target, authority = guarded
    known, stranger = authority.issue("scanner"), Authority(tmp_path / "others", "others").issue("stranger")
    shown = {"server_ca": authority.certificate.read_text()}

    def holding(pair):
        return {"client_certificate": pair.certificate.read_text(), "client_key": pair.key.read_text()}

    assert await ask(enrolled(target, **shown, **holding(known))) == health_pb2.HealthCheckResponse.SERVING
    for extras in ({}, holding(stranger), holding(authority.issue("late", expired=True))):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(enrolled(target, **shown, **extras))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_half_a_certificate_is_told_and_its_key_is_not_shown(enrolled):
    with pytest.raises(StateError, match="belong together"):
        enrolled("gate.example:443", client_key="hunter2")
    assert "hunter2" not in repr(enrolled("gate.example:443", client_certificate="c", client_key="hunter2"))


class Gate(ScanServiceServicer):
    """Notes whose certificate each call came with; a sync lasts until its client goes."""

    def __init__(self):
        self.scans, self.syncs, self.open = [], [], 0

    async def Scan(self, request, context):  # noqa: N802 - the contract's name
        self.scans.append(context.auth_context()["x509_common_name"][0].decode())
        return scan_pb2.ScanResponse()

    async def Sync(self, request, context):  # noqa: N802 - the contract's name
        self.syncs.append(context.auth_context()["x509_common_name"][0].decode())
        self.open += 1
        try:
            yield scan_pb2.SyncResponse(heartbeat=scan_pb2.Heartbeat())
            await asyncio.Event().wait()
        finally:
            self.open -= 1


@pytest.fixture
async def gate(tmp_path):
    """host:port of a ScanService with mutual TLS, what it noted, and the authority of both sides."""
    authority, noted, server = Authority(tmp_path / "ours", "ours"), Gate(), grpc.aio.server()
    add_ScanServiceServicer_to_server(noted, server)
    pair = authority.issue("server")
    own = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    ca = authority.certificate.read_bytes()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(own, ca, require_client_auth=True))
    await server.start()
    yield f"127.0.0.1:{port}", noted, authority
    await server.stop(0)


@pytest.fixture
def holding(gate, enrolled):
    """Enrols anew with a certificate of that name."""
    target, _, authority = gate

    def made(name, **options):
        pair = authority.issue(name, **options)
        own = {"client_certificate": pair.certificate.read_text(), "client_key": pair.key.read_text()}
        return enrolled(target, server_ca=authority.certificate.read_text(), **own)

    return made


class Ticks:
    now = 0.0

    def __call__(self):
        self.now += 2
        return self.now


@pytest.fixture
async def link(gate, holding, tmp_path):
    target = gate[0]
    renewed = Renewed(tmp_path / "state" / enrol.ENROLMENT, target, holding("first"), monotonic=Ticks())
    clock = CorrectedClock(SystemClock(), steady=counter)
    made = Link(target, uuid4(), generate_private_key(SECP256R1()), clock, renewed)
    made.open()
    made.online = True
    yield made
    await made.close()


async def scanned(link, noted, name):
    """Scans until one is made with that certificate; none may fail meanwhile."""
    async with asyncio.timeout(5):
        while not noted.scans or noted.scans[-1] != name:
            await link.scan(scan_pb2.ScanRequest(), 2)
            await asyncio.sleep(0.01)


@pytest.mark.connected
async def test_a_renewed_certificate_is_shown_without_a_restart_and_the_open_stream_goes_on(gate, link, holding):
    _, noted, _ = gate
    await scanned(link, noted, "first")
    call = link.sync(b"")
    assert await call.read()
    holding("second")
    await scanned(link, noted, "second")
    assert noted.open == 1
    call.cancel()
    again = link.sync(b"")
    assert await again.read()
    again.cancel()
    assert noted.syncs == ["first", "second"]


@pytest.mark.connected
async def test_what_is_no_enrolment_or_no_certificate_of_ours_changes_nothing(gate, link, holding, enrolled, tmp_path):
    target, noted, _ = gate
    await scanned(link, noted, "first")
    path = tmp_path / "state" / enrol.ENROLMENT
    for spoilt in ("{", '{"target": "elsewhere:1", "log_keys": [], "plaintext": true}'):
        path.write_text(spoilt)
        for _ in range(3):
            await link.scan(scan_pb2.ScanRequest(), 2)
    enrolled(target, plaintext=True)  # would be in the clear
    await link.scan(scan_pb2.ScanRequest(), 2)
    holding("late", expired=True)  # is not taken by the server
    for _ in range(20):
        await link.scan(scan_pb2.ScanRequest(), 2)
        await asyncio.sleep(0.01)
    assert set(noted.scans) == {"first"}
    holding("third")
    await scanned(link, noted, "third")


def test_an_enrolment_is_renewed_beside_its_running_scanner_and_another_devices_is_not(tmp_path):
    state, file = tmp_path / "state", tmp_path / "renewed.json"
    device, keys = enrol.make_device(state), MemoryLog().keys
    pair = Authority(tmp_path / "ours", "ours").issue("scanner")
    own = {"client_certificate": pair.certificate.read_text(), "client_key": pair.key.read_text()}

    def enrolling(**text):
        known = {"target": "gate:443", "log_keys": [key.encode() for key in keys]} | own
        file.write_text(json.dumps(known | text))
        return program.main(["enrol", str(file), "--state", str(state)])

    running = Folder(state)
    running.pin(device.device_id, keys)
    try:
        assert enrolling() == 0
        shown = enrol.read_enrolment(state / enrol.ENROLMENT)
        assert shown.client_certificate == own["client_certificate"]
        assert enrolling(log_keys=[key.encode() for key in MemoryLog(2).keys]) == 3
    finally:
        running.release()
    assert enrol.read_enrolment(state / enrol.ENROLMENT) == shown
