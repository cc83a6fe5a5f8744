"""Waiting for a service to say that it is ready: gRPC health, or `/readyz` of the gateway."""

import asyncio
import ssl
import time
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devstack import processes
from devstack.processes import DevstackError

EVERY = 0.1


async def grpc_ready(port: int) -> bool:
    """Whether a gRPC server says SERVING."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)  # type: ignore[attr-defined]
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_ready(port: int, scheme: str = "http", *, verify: ssl.SSLContext | bool = True) -> bool:
    """Whether the gateway says that it and everything behind it are ready (it takes traffic before, and says what is missing)."""
    async with httpx.AsyncClient(timeout=1.0, trust_env=False, verify=verify) as client:
        try:
            answer = await client.get(f"{scheme}://127.0.0.1:{port}/readyz")
            return answer.status_code == httpx.codes.OK and answer.json()["status"] == "ready"
        except httpx.HTTPError:
            return False


async def wait_ready(name: str, port: int, pid: int, log: Path, seconds: float) -> None:
    """Returns when the service is ready; raises DevstackError with the end of its log when it ends or takes too long."""
    probe = http_ready if name == "gateway" else grpc_ready
    deadline = time.monotonic() + seconds
    while not await probe(port):
        if processes.started_at(pid) is None:
            raise DevstackError(f"{name} ended while starting; the end of {log}:\n{processes.tail(log)}")
        if time.monotonic() > deadline:
            raise DevstackError(f"{name} is not ready after {seconds:.0f} s; the end of {log}:\n{processes.tail(log)}")
        await asyncio.sleep(EVERY)
