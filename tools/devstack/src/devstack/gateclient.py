"""A scanner at its barest: the ScanService over gRPC with the device's own token. For tests of the service itself."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import grpc
from lilitong.checkpoint.v1 import scan_pb2, scan_pb2_grpc
from passes import device

from devstack.scene import Gate

HEALTHY = scan_pb2.Observations(
    temperature_decicelsius=365,
    health_code=scan_pb2.CODE_COLOUR_GREEN,
    itinerary_card=scan_pb2.CODE_COLOUR_GREEN,
    mask_worn=True,
)


def channel(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """With credentials or in plain text."""
    if credentials is None:
        return grpc.aio.insecure_channel(target)
    return grpc.aio.secure_channel(target, credentials)


class GateClient:
    """Calls the checkpoint service as one enrolled device."""

    def __init__(self, target: str, gate: Gate, credentials: grpc.ChannelCredentials | None = None) -> None:
        self._gate = gate
        self._channel = channel(target, credentials)
        self.stub = scan_pb2_grpc.ScanServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    def metadata(self, now: datetime) -> tuple[tuple[str, str], ...]:
        """The device's token for a call made now."""
        return (("authorization", f"Device {device.mint(UUID(self._gate.device_id), self._gate.key, now)}"),)

    async def accepted(self, now: Callable[[], datetime], *, seconds: float = 10.0) -> None:
        """Returns when the device is served: replicas take up an enrolment a moment after it was acknowledged.

        Raises the last refusal when the time is over.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            call = self.stub.Sync(scan_pb2.SyncRequest(), timeout=5.0, metadata=self.metadata(now()))
            try:
                await call.read()
            except grpc.aio.AioRpcError as error:
                refused = error.code() is grpc.StatusCode.UNAUTHENTICATED
                if not refused or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                call.cancel()
                return

    async def scan(
        self, credential: str, now: datetime, *, scan_id: bytes | None = None, matched: bool = False
    ) -> scan_pb2.ScanResponse:
        """One scan of a healthy-looking person."""
        request = scan_pb2.ScanRequest(
            scan_id=scan_id or secrets.token_bytes(8),
            credential=credential,
            observations=HEALTHY,
            bearer_matched=matched,
        )
        answer: scan_pb2.ScanResponse = await self.stub.Scan(request, timeout=5.0, metadata=self.metadata(now))
        return answer

    async def scan_until(
        self, show: Callable[[], tuple[str, datetime]], verdict: int, *, seconds: float = 20.0
    ) -> scan_pb2.ScanResponse:
        """Scans again until the verdict is given; the answer, or the last one when the time is over.

        `show` gives a fresh credential and the time it was made.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            credential, now = show()
            answer = await self.scan(credential, now)
            if answer.verdict == verdict or asyncio.get_running_loop().time() > deadline:
                return answer
            await asyncio.sleep(0.05)
