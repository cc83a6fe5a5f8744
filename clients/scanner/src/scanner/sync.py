"""Sync: the list, the keys and the policy as they change, resumed where the last connection ended."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import grpc
from daysets import wire
from daysets.segment import SegmentError
from lilitong.checkpoint.v1 import scan_pb2

from scanner.clock import CorrectedClock
from scanner.held import Held
from scanner.link import Failure, Link

SILENCE_S: Final = 25.0
"""Heartbeats come every 10 s; after this long without any word the connection is given up."""
FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 3.0
REFUSED_WAIT_S: Final = 10.0
_FRESH_START_AFTER_S: Final = 60.0


class Syncing:
    """Keeps one Sync call open for as long as `run` runs."""

    def __init__(
        self, link: Link, held: Held, clock: CorrectedClock, changed: Callable[[], None], *, silence: float = SILENCE_S
    ) -> None:
        """`changed` is called after every heartbeat: what is held is then consistent and worth saving."""
        self._link, self._held, self._clock, self._changed = link, held, clock, changed
        self._silence = silence
        self._began_anew = float("-inf")
        self.current = False
        """The connection that is open has said that nothing is lacking."""
        self._mended = False

    async def run(self) -> None:
        """Until cancelled. A connection that ended after it had spoken is opened again at once: servers roll over."""
        wait = FIRST_WAIT_S
        while True:
            spoke = await self._follow()
            self.current = False
            wait = FIRST_WAIT_S if spoke else min(wait * 2, LONGEST_WAIT_S)
            if self._link.refused and not self._mended:
                wait = REFUSED_WAIT_S
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnections, hides nothing

    async def _follow(self) -> bool:
        """One call, to its end; whether it had become current."""
        asked, call = self._clock.machine(), self._link.sync(self._held.resume_token)
        try:
            while not self._must_begin_anew():
                async with asyncio.timeout(self._silence):
                    message = await call.read()
                if message is grpc.aio.EOF:
                    break
                self._take(message)
        except TimeoutError:
            self._link.online = False
        except grpc.aio.AioRpcError as error:
            self._ended(self._link.failed(error, asked).failure)
        finally:
            call.cancel()
        return self.current

    def _ended(self, failure: Failure) -> None:
        """By an error. A server that rolls over cancels its streams: no reason to say that the scanner is off line."""
        if not (failure.code is grpc.StatusCode.CANCELLED and self.current):
            self._link.online = False
        if failure.code is grpc.StatusCode.INVALID_ARGUMENT:
            self._held.resume_token = b""  # the server does not know our token any more
        # Refused for its clock, which is right now: once more at once, and no more often than that.
        self._mended = failure.refused and failure.server_time is not None and not self._mended

    def _take(self, message: scan_pb2.SyncResponse) -> None:
        heartbeat = message.WhichOneof("item") == "heartbeat"
        if heartbeat:
            self._link.heard(message.heartbeat.server_time)
            self.current = message.heartbeat.current
        take(self._held, message, self._clock.now())
        if heartbeat:
            self._changed()

    def _must_begin_anew(self) -> bool:
        """Something of today's list is known to be missing: ask for all of it, not more often than once a minute."""
        loop = asyncio.get_running_loop()
        due = loop.time() >= self._began_anew + _FRESH_START_AFTER_S
        if not self.current or not due or not self._held.missing(self._clock.now()):
            return False
        self._began_anew = loop.time()
        self._held.resume_token = b""
        return True


def take(held: Held, message: scan_pb2.SyncResponse, now: datetime) -> None:
    """One message of a Sync call into what is held. now: the corrected time, by the heartbeat's own if it is one."""
    match message.WhichOneof("item"):
        case "segment":
            with suppress(SegmentError):  # not even a date: nobody is named by it
                held.take_segment(wire.from_message(message.segment))
        case "keys":
            held.take_keys(message.keys, now)
        case "policy":
            held.take_policy(message.policy)
        case "heartbeat":
            held.take_heartbeat(message.heartbeat, now)
