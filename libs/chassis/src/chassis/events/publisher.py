"""Pipelined publishing to JetStream with an acknowledgement per message."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.events.bus import Bus, BusUnavailableError

_NO_RESPONDERS = "503"


class UndeliverableError(Exception):
    """The bus can never take this message: it is larger than the server's limit, or no stream is meant for it."""


class RefusedError(Exception):
    """The bus did not take this message now: no stream, no answer in time, or an error of the server."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish."""

    subject: str
    payload: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def size(self) -> int:
        """Bytes that count against the server's `max_payload`: body and header block."""
        return len(self.payload) + 12 + sum(len(key) + len(value.encode()) + 4 for key, value in self.headers.items())


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The stream that stored the message, and the message's sequence in it."""

    stream: str
    sequence: int


class Publisher:
    """Sends many messages before the first answer came.

    The library's own way loses futures when a connection breaks; here a broken connection fails them at once.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, asyncio.Future[Acknowledged]] = {}
        self._tokens = count()
        self._owner: Client | None = None
        self._inbox = ""
        bus.on_gap(self._gap)

    async def send(self, messages: Sequence[Outgoing], timeout_s: float) -> list[Acknowledged | Exception]:
        """Publish all, then wait for all, `timeout_s` seconds at most.

        Results are in the order of `messages`, each an acknowledgement, an `UndeliverableError`, a `RefusedError` or,
        when the connection broke, a `BusUnavailableError`; that one is raised if there is no connection to begin with.
        """
        client = self._bus.client
        await self._listen(client)
        sent: list[tuple[str, asyncio.Future[Acknowledged]] | Exception] = []
        for message in messages:
            if message.size() > client.max_payload:
                sent.append(UndeliverableError("larger than the server's max_payload"))
                continue
            token = str(next(self._tokens))
            answer: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
            self._waiting[token] = answer
            sent.append((token, answer))
            try:
                await client.publish(
                    message.subject, message.payload, reply=f"{self._inbox}.{token}", headers=dict(message.headers)
                )
            except (nats.errors.Error, OSError) as error:
                if not answer.done():
                    answer.set_exception(RefusedError(type(error).__name__))
        waiting = {token: answer for entry in sent if isinstance(entry, tuple) for token, answer in [entry]}
        try:
            if waiting:
                await asyncio.wait(waiting.values(), timeout=timeout_s)
        finally:
            for token, answer in waiting.items():
                del self._waiting[token]
                answer.cancel()
        return [entry if isinstance(entry, Exception) else self._result(entry[1]) for entry in sent]

    @staticmethod
    def _result(answer: asyncio.Future[Acknowledged]) -> Acknowledged | Exception:
        if answer.cancelled():
            return RefusedError("no answer in time")
        error = answer.exception()
        if error is None:
            return answer.result()
        return error if isinstance(error, Exception) else RefusedError(type(error).__name__)

    async def _listen(self, client: Client) -> None:
        if self._owner is client:
            return
        inbox = client.new_inbox()
        await client.subscribe(f"{inbox}.*", cb=self._answered)
        self._owner, self._inbox = client, inbox

    async def _answered(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done():
            return
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            answer.set_exception(RefusedError("no stream"))
            return
        body = json.loads(message.data)
        if "error" in body:
            answer.set_exception(RefusedError(f"server error {body['error'].get('err_code')}"))
        else:
            answer.set_result(Acknowledged(body["stream"], int(body["seq"])))

    def _gap(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BusUnavailableError())
