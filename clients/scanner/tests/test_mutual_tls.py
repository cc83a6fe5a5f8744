"""A checkpoint that takes only known machines takes this one, by what its enrolment holds."""

import json

import grpc
import pytest
from devstack.certificates import Authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from scanner import enrol
from scanner.state import StateError

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
