"""The Prometheus endpoint and the metrics every service has."""

import asyncio
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, generate_latest

TASK_CRASHES = Counter("lilitong_task_crashes_total", "Background tasks that crashed and were started again", ["task"])
READY = Gauge("lilitong_ready", "1 while the service takes traffic")
READY_CHECK = Gauge("lilitong_ready_check", "1 while a readiness check holds", ["check"])

_HEADER_LIMIT = 8192
_PATIENCE = 5.0


class MetricsEndpoint:
    """`GET /metrics` on `listen` (`host:port`, port 0 for any free one), served by the running loop.

    It lives in the service's own loop on purpose: a scrape that hangs shows that the loop hangs. Raises
    `OSError` at `start` when the port is taken.
    """

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        self._host = host.strip("[]") or "127.0.0.1"
        self._port = int(port)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port bound; 0 before `start`."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_HEADER_LIMIT)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 1.0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                found = head.startswith((b"GET /metrics ", b"GET /metrics?"))
                body = generate_latest(REGISTRY) if found else b"not found\n"
                status = b"200 OK" if found else b"404 Not Found"
                kind = CONTENT_TYPE_LATEST.encode() if found else b"text/plain"
                writer.write(
                    b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                    % (status, kind, len(body))
                )
                writer.write(body)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # a scraper that went away or never spoke; it will try again
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
