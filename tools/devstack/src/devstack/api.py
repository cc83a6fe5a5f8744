"""The REST API as an app's backend uses it: one client per caller, bytes as base64url, an Idempotency-Key on every write."""

import asyncio
import ssl
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

if find_spec("sniffio") is None:
    # httpcore looks for it at every lock, along the whole path: a third of a call's time. Once is enough.
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # the interpreter's word for "there is none"

Json = dict[str, Any]
AGAIN = frozenset({429, 502, 503, 504})


def encode(data: bytes) -> str:
    """Bytes as the API writes them: base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Bytes as the API writes them, back."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class ApiError(Exception):
    """A problem+json answer. `status`: HTTP; `reason`: the stable reason; `problem`: the whole object."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status} {problem.get('reason', '')}: {problem.get('detail', problem.get('title', ''))}")
        self.status = status
        self.reason = str(problem.get("reason", ""))
        self.problem = problem


@cache
def _certificates() -> ssl.SSLContext:
    """Reading them takes longer than ten calls, and a district has dozens of callers."""
    return httpx.create_ssl_context(trust_env=False)


class Api:
    """The gateway as one caller sees it.

    Args:
        base_url: of the gateway.
        token: the caller's bearer token.
        purpose: (purpose, reference) sent with every call, for purpose-bound reads.
        traceparent: W3C trace context that every call continues.
        patience: seconds for which a call is repeated, with the same key, while the other side is away or busy.
        verify: whom to trust where the address is https.

    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        purpose: tuple[str, str] | None = None,
        traceparent: str = "",
        patience: float = 0.0,
        timeout: float = 30.0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} | ({"traceparent": traceparent} if traceparent else {})
        if purpose is not None:
            headers |= {"X-Purpose": purpose[0], "X-Purpose-Ref": purpose[1]}
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        self._patience = patience
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=timeout,
            limits=limits,
            trust_env=False,
            verify=_certificates() if verify is True else verify,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str, **parameters: Any) -> Json:
        """A read. Raises ApiError."""
        return await self._send("GET", path, params=parameters)

    async def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """A write, with a fresh Idempotency-Key unless one is given. Raises ApiError."""
        return await self._send("POST", path, json=body or {}, headers={"Idempotency-Key": key or str(uuid4())})

    async def upload(self, path: str, content: bytes, media_type: str) -> Json:
        """A file as the body itself; the same again changes nothing. Raises ApiError."""
        return await self._send("POST", path, content=content, headers={"Content-Type": media_type})

    async def delete(self, path: str, *, key: str | None = None) -> Json:
        """A write without a body. Raises ApiError."""
        return await self._send("DELETE", path, headers={"Idempotency-Key": key or str(uuid4())})

    async def _send(self, method: str, path: str, **options: Any) -> Json:
        """Sends, and sends again while the patience lasts; what is said twice under one key has one effect."""
        until = time.monotonic() + self._patience
        while True:
            last = time.monotonic() >= until
            try:
                response = await self._client.request(method, f"/v1{path}", **options)
            except httpx.TransportError:
                if last:
                    raise
            else:
                if last or response.status_code not in AGAIN:
                    return self._answer(response)
            await asyncio.sleep(0.1)

    @staticmethod
    def _answer(response: httpx.Response) -> Json:
        body: Json = response.json() if response.content else {}
        if response.is_error:
            raise ApiError(response.status_code, body)
        return body
