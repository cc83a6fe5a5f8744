"""Health for the platform's probes, on a plain port of its own, because they speak no TLS and show no certificate.

It answers `grpc.health.v1` and nothing else: "" is readiness, as on the main port, and LIVENESS is the process. A liveness
probe that asked for readiness would have every replica killed while Postgres is away.
"""

from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

LIVENESS: Final = "liveness"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Probes:
    """A server of health on `listen` (`host:port`, 0 for any free port, then in `port`)."""

    def __init__(self, listen: str) -> None:
        self.listen = listen
        self.port = 0
        self._health = health.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> bool:
        """Listen, alive and not ready; False when the address is not to be had."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 16)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        try:
            self.port = server.add_insecure_port(self.listen)
        except RuntimeError:
            return False
        await self._health.set(LIVENESS, _SERVING)
        await self._health.set("", _NOT_SERVING)
        await server.start()
        self._server = server
        return True

    async def serving(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        await self._health.set("", _SERVING if ready else _NOT_SERVING)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
