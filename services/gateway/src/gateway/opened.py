"""Calls open to everybody: no token is read and none is handed on; what bounds them is a rate per address."""

from collections.abc import Callable
from typing import Any

from chassis.auth import ANONYMOUS
from chassis.errors import DomainError, Kind
from chassis.rpc import outgoing
from chassis.rpc.validation import validate
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from gateway import codec
from gateway.clients import Upstreams
from gateway.door import Headers, headers_of
from gateway.front import visit_of
from gateway.limits import Buckets
from gateway.operations import Rpc
from gateway.problems import HttpError
from gateway.serving import query_of, refuse


class OpenCall:
    """An RPC asked on behalf of nobody, with what stands in the path, and in the query if it reads that.

    `path`: the route's template.
    `buckets`: by the address of whoever asks, in memory only; behind a proxy that hides it all share one bucket.
    """

    def __init__(
        self, upstreams: Upstreams, rpc: Rpc, path: str, buckets: Buckets, *, seconds: float, query: bool = False
    ) -> None:
        self._rpc, self._call, self._buckets, self._seconds = rpc, upstreams.call(rpc), buckets, seconds
        self._path, self._query = path, query

    async def respond(
        self,
        request: Request,
        shown: Callable[[Any, Headers], Response],
        refused: Callable[[Response, Headers], Response] = lambda refusal, _: refusal,
    ) -> Response:
        """What `shown` makes of the RPC's response, or `refused` of a refusal, for a request with those headers."""
        visit_of(request.scope).route = self._path
        headers: Headers = {}
        try:
            headers = headers_of(request.scope)
            return shown(await self._answer(request), headers)
        except Exception as error:  # noqa: BLE001 - every failure has a public face
            in_address = error.fields if isinstance(error, DomainError) else ()  # a body is not read
            return refused(refuse(error, headers, parameters=in_address), headers)

    async def _answer(self, request: Request) -> Any:
        """The RPC's response. Raises 429, INVALID, and what the service refuses with."""
        self._admit(request)
        message: Message = self._rpc.request()
        for name, value in request.path_params.items():
            setattr(message, name, value)
        if self._query:
            codec.from_query(message, query_of(request), hidden=request.path_params)
        validate(message)
        outgoing.bind(outgoing.Incoming())
        return await self._call(message, timeout=self._seconds)

    def _admit(self, request: Request) -> None:
        """Raises 429."""
        taken = self._buckets.take(request.client.host if request.client else ANONYMOUS.subject)
        if not taken.allowed:
            raise HttpError(
                429,
                Kind.EXHAUSTED,
                "RATE_LIMITED",
                "You are asking faster than your limit allows.",
                headers={"retry-after": str(int(taken.wait) + 1)},
            )
