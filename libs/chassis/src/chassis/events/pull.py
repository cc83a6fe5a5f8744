"""A continuous pull on one durable.

The library's `fetch` waits for a full batch, and its subscriptions do not outlive a restart of the server; here
messages flow as they come, and silence is noticed by missing heartbeats.
"""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as InboxSubscription

EXPIRES_S: Final = 30
HEARTBEAT_S: Final = 1
SILENCE_S: Final = 3.5
_NANO: Final = 1_000_000_000
_IDLE, _NO_MESSAGES, _EXPIRED = "100", "404", "408"


class Pull:
    """Asks for messages and hands them to `deliver`, which must not block.

    `broken` tells why the pull has to be built anew (durable deleted, no server behind it), else it is None.
    """

    def __init__(self, client: Client, stream: str, durable: str, deliver: Callable[[Msg], None]) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._deliver = deliver
        self._inbox = client.new_inbox()
        self._subscription: InboxSubscription | None = None
        self._heard = time.monotonic()
        self.outstanding = 0
        self.broken: str | None = None

    async def start(self) -> None:
        self._subscription = await self._client.subscribe(self._inbox, cb=self._arrived)

    async def ask(self, number: int) -> None:
        """Ask for `number` messages more; the server sends them as soon as there are any."""
        if not self.outstanding:
            self._heard = time.monotonic()
        self.outstanding += number
        request = {"batch": number, "expires": EXPIRES_S * _NANO, "idle_heartbeat": HEARTBEAT_S * _NANO}
        await self._client.publish(self._next, json.dumps(request).encode(), reply=self._inbox)

    def silent(self) -> bool:
        """Whether the server should have said something by now, and did not."""
        return self.outstanding > 0 and time.monotonic() - self._heard > SILENCE_S

    async def stop(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await self._subscription.unsubscribe()

    async def _arrived(self, message: Msg) -> None:
        self._heard = time.monotonic()
        status = message.headers.get("Status") if message.headers else None
        if status is None or message.reply:
            if status == _IDLE:
                return
            self.outstanding -= 1
            self._deliver(message)
        elif status in (_NO_MESSAGES, _EXPIRED):
            unused = (message.headers or {}).get("Nats-Pending-Messages")
            self.outstanding = max(0, self.outstanding - int(unused)) if unused else 0
        elif status != _IDLE:
            self.broken = f"{status} {(message.headers or {}).get('Description', '')}".strip()
