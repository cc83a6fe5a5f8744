"""The connection to the checkpoint service: one channel, tokens signed by the device's own key."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import grpc
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceStub
from passes import device

from scanner.clock import CorrectedClock

TOKEN_LIFE: Final = timedelta(minutes=4)
_RENEW_BEFORE: Final = timedelta(seconds=60)
_RETRY_PAUSE_S: Final = 0.03
_LAST_ANSWERS_S: Final = 30.0
_GRACE_S: Final = 0.05
"""gRPC keeps the time itself; should it ever fail to, a scan must not hang on it."""
_BELIEVABLE: Final = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_AGAIN: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A scanner's proxy, if any, is its router's business: an environment variable left over must not cut it off.
    ("grpc.enable_http_proxy", 0),
    # Several scanners in one process are several devices: each has a connection of its own, as at the gates.
    ("grpc.use_local_subchannel_pool", 1),
)


Credentials = grpc.ChannelCredentials | Callable[[], grpc.ChannelCredentials | None] | None
"""For TLS: those, or what gives the ones of the moment, the same object as long as they are the same; None: in the clear."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed. reason: of ErrorInfo, empty if there was none. server_time: told to devices whose token is refused."""

    code: grpc.StatusCode
    reason: str = ""
    server_time: datetime | None = None

    @property
    def refused(self) -> bool:
        """The server does not accept this device (now)."""
        return self.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class CallError(Exception):
    """A call that failed; the text is the code and reason alone."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code.name} {failure.reason}".strip())
        self.failure = failure


class Link:
    """Calls of ScanService. `open` needs a running event loop; CallError is the only failure of calls."""

    def __init__(
        self,
        target: str,
        device_id: UUID,
        device_key: EllipticCurvePrivateKey,
        clock: CorrectedClock,
        credentials: Credentials,
    ) -> None:
        self._target, self._device_id, self._key = target, device_id, device_key
        self._clock = clock
        self._credentials = credentials if callable(credentials) else lambda: credentials
        self._made_with: grpc.ChannelCredentials | None = None
        self._next: Any = None
        self._former: list[Any] = []
        self._retiring: set[asyncio.Task[None]] = set()
        self._token, self._token_from, self._token_until = "", *_BELIEVABLE
        self._channel: Any = None
        self._stub: Any = None
        self.online = False
        self.refused = False

    def open(self) -> None:
        self._channel = self._made()
        self._stub = ScanServiceStub(self._channel)

    def _made(self) -> Any:
        self._made_with = self._credentials()
        if self._made_with is None:
            return grpc.aio.insecure_channel(self._target, options=list(_OPTIONS))
        return grpc.aio.secure_channel(self._target, self._made_with, options=list(_OPTIONS))

    async def close(self) -> None:
        for retiring in self._retiring:
            retiring.cancel()
        for channel in (*self._former, self._next, self._channel):
            if channel is not None:
                await channel.close()

    async def scan(self, request: scan_pb2.ScanRequest, seconds: float) -> scan_pb2.ScanResponse:
        """One answer within that time. Tried again within it when a connection broke: the scan's id makes it one."""
        asked = self._clock.machine()
        try:
            async with asyncio.timeout(seconds + _GRACE_S):
                self._renew()
                try:
                    answer: scan_pb2.ScanResponse = await self._call(self._stub.Scan, request, seconds)
                except CallError as error:
                    if error.failure.code not in _AGAIN or not self.online:
                        raise
                    await asyncio.sleep(_RETRY_PAUSE_S)
                    answer = await self._call(self._stub.Scan, request, seconds)
        except TimeoutError:
            self.online = False
            raise CallError(Failure(grpc.StatusCode.DEADLINE_EXCEEDED)) from None
        except CallError:
            self.online = False
            raise
        self.heard(answer.server_time, asked=asked)
        return answer

    async def record(self, batch: bytes, signature: bytes, seconds: float) -> scan_pb2.RecordScansResponse:
        """Upload of one signed batch."""
        self._renew()
        request = scan_pb2.RecordScansRequest(batch=batch, signature=signature)
        answer: scan_pb2.RecordScansResponse = await self._call(self._stub.RecordScans, request, seconds)
        return answer

    def sync(self, resume_token: bytes) -> Any:
        """The stream; the caller reads and cancels it, one at a time, and turns its errors with `failed`."""
        self._renew()
        while self._former:  # the stream that was open on it has ended, and nothing else lasts
            retiring = asyncio.create_task(self._former.pop().close(_LAST_ANSWERS_S))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        return self._stub.Sync(scan_pb2.SyncRequest(resume_token=resume_token), metadata=self._metadata())

    def heard(self, server_time: Timestamp, *, asked: datetime | None = None) -> None:
        """The server spoke just now. `asked`: the machine's time when the call began, if it was an answer."""
        moment = _believable(server_time.seconds + server_time.nanos / 1e9)
        if moment is not None:
            self._clock.hear(moment, asked=asked)
        self.online, self.refused = True, False

    def failed(self, error: grpc.aio.AioRpcError, asked: datetime) -> CallError:
        """Takes note of a failed call."""
        failure = _failure(error)
        if failure.refused:
            self.online, self.refused, self._token = False, True, ""
            if failure.server_time is not None:
                # Believed like any other word of the server; a wrong clock would otherwise shut the device out for good.
                self._clock.hear(failure.server_time, asked=asked)
        return CallError(failure)

    def _renew(self) -> None:
        """With other credentials calls go over another channel once it is connected: those of now may be good still.

        The stream stays where it is until the server ends its connection.
        """
        if self._credentials() is not self._made_with:
            if self._next is not None:
                self._former.append(self._next)
            self._next = self._made()
        if self._next is not None and self._next.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            self._former.append(self._channel)
            self._channel, self._next = self._next, None
            self._stub = ScanServiceStub(self._channel)

    async def _call(self, method: Any, request: Any, seconds: float) -> Any:
        asked = self._clock.machine()
        try:
            return await method(request, timeout=seconds, metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise self.failed(error, asked) from None

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        now = self._clock.now()
        if not self._token or not self._token_from <= now < self._token_until:
            self._token = device.mint(self._device_id, self._key, now, life=TOKEN_LIFE)
            # When the clock is corrected backwards, the token was made in the future and is made anew.
            self._token_from, self._token_until = now - timedelta(seconds=5), now + TOKEN_LIFE - _RENEW_BEFORE
        return (("authorization", f"Device {self._token}"),)


def _failure(error: grpc.aio.AioRpcError) -> Failure:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            info = _error_info(value)
            if info is not None:
                return Failure(error.code(), info.reason, _time(info.metadata.get("server_time", "")))
    return Failure(error.code())


def _error_info(encoded: bytes) -> Any:
    try:
        status = status_pb2.Status.FromString(encoded)
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                return info
    except DecodeError:
        pass
    return None


def _time(text: str) -> datetime | None:
    try:
        return _believable(float(text))
    except ValueError:
        return None


def _believable(seconds: float) -> datetime | None:
    earliest, latest = (bound.timestamp() for bound in _BELIEVABLE)
    return datetime.fromtimestamp(seconds, UTC) if earliest < seconds < latest else None
