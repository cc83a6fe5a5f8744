"""Asking a server whether it takes traffic: for probes, start-up orders and the gateway's readiness."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import DomainError


async def is_serving(channel: grpc.aio.Channel, service: str = "", *, timeout: float = 1.0) -> bool:  # noqa: ASYNC109 - gRPC's own
    """Whether the server behind `channel` says SERVING within `timeout` seconds; `service` "" is the whole server."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
    except (grpc.aio.AioRpcError, DomainError):
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
