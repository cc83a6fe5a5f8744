"""Asks what a manifest's probes ask, as the kubelet does: gRPC health in plain text, HTTP and HTTPS without verification."""

import ssl
from typing import Final

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tools.images.pods import Probe

REDIRECTS_END: Final = 400


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


UNVERIFIED: Final = _unverified()


async def answers(probe: Probe, address: str) -> str:
    """What is wrong with what the pod says; "" when nothing is."""
    if probe.kind == "grpc":
        return await _grpc(probe, address)
    url = f"{probe.kind}://{address}:{probe.port}{probe.target}"
    try:
        async with httpx.AsyncClient(timeout=probe.patience, trust_env=False, verify=UNVERIFIED) as client:
            answer = await client.get(url, headers={"User-Agent": "kube-probe/1.34"})
    except httpx.HTTPError as error:
        return type(error).__name__
    return "" if httpx.codes.OK <= answer.status_code < REDIRECTS_END else f"{answer.status_code}: {answer.text[:200]}"


async def _grpc(probe: Probe, address: str) -> str:
    async with grpc.aio.insecure_channel(f"{address}:{probe.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service=probe.target)
        try:
            answer = await stub.Check(asked, timeout=probe.patience)  # type: ignore[attr-defined]
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
    name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if name == "SERVING" else name
