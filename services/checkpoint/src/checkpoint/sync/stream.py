"""Sync: keys, policy and day sets to connected scanners, first what they lack, then every change as it comes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.auth import refused
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from daysets import wire as daysets_wire
from daysets.segment import Segment
from daysets.tokens import TokenError
from daysets.trust import to_messages
from lilitong.checkpoint.v1 import scan_pb2
from prometheus_client import Gauge
from verdicts.model import Policy

from checkpoint.posts.directory import Active, Directory
from checkpoint.scanning import wire
from checkpoint.scanning.lists import Lists

HEARTBEAT_S: Final = 10.0
# A device revoked elsewhere is noticed by the directory within a second; looking as often again makes it two.
LOOK_S: Final = 1.0
UNKNOWN_AGE: Final = 2**31
"""Seconds told when it is not known how old the list is: older than any policy trusts."""
WRITE_S: Final = 10.0
MAX_QUEUED: Final = 1000

CONNECTED: Final = Gauge("lilitong_sync_streams", "Scanners connected to Sync.")


class _Feed:
    """What one scanner is still to be sent."""

    def __init__(self, device_id: UUID) -> None:
        self.device_id = device_id
        self.segments: list[Segment] = []
        self.keys = False
        self.overflow = False
        self.woken = asyncio.Event()

    def push(self, segments: Sequence[Segment]) -> None:
        if len(self.segments) + len(segments) > MAX_QUEUED:
            self.overflow, self.segments = True, []
        else:
            self.segments.extend(segments)
        self.woken.set()


class SyncStreams:
    """All Sync calls of this replica. A scanner that does not read is disconnected, and resumes where its token says."""

    def __init__(self, clock: Clock, directory: Directory, lists: Lists, *, heartbeat: float = HEARTBEAT_S) -> None:
        self._clock, self._directory, self._lists, self._heartbeat_s = clock, directory, lists, heartbeat
        self._feeds: set[_Feed] = set()
        lists.follower.on_change(self._listed)
        lists.trust.on_change(self._trusted)
        directory.on_change(self._wake)

    def devices(self) -> set[UUID]:
        """Who follows the list through this replica now."""
        return {feed.device_id for feed in self._feeds}

    async def serve(self, device: Active, resume_token: bytes, context: Any) -> None:
        """One call, until the scanner goes, is revoked (UNAUTHENTICATED) or does not keep up (EXHAUSTED)."""
        feed = _Feed(device.device_id)
        # From here to the first write nothing is awaited: what is in the index now is sent, what comes later is queued.
        try:
            lacking = self._lists.index.segments_after(resume_token)
        except TokenError:
            raise DomainError(Kind.INVALID, "RESUME_TOKEN", "This resume token is not one of ours.") from None
        self._feeds.add(feed)
        feed.segments, feed.keys = lacking, True
        CONNECTED.inc()
        try:
            await self._follow(device, feed, context)
        finally:
            CONNECTED.dec()
            self._feeds.discard(feed)

    async def _follow(self, device: Active, feed: _Feed, context: Any) -> None:
        loop = asyncio.get_running_loop()
        policy: Policy | None = None
        beat_at = 0.0
        while True:
            feed.woken.clear()
            if self._directory.device(device.device_id) is None:
                raise refused("DEVICE_REVOKED")
            if feed.overflow:
                raise _too_slow()
            now = self._clock.now()
            if feed.keys:
                feed.keys = False
                keys = scan_pb2.Keys(keys=to_messages(self._lists.trust.listed))
                await _write(context, scan_pb2.SyncResponse(keys=keys))
                beat_at = 0.0
            if (current := self._directory.policy(now)) != policy:
                policy = current
                await _write(context, scan_pb2.SyncResponse(policy=wire.policy(policy)))
                beat_at = 0.0
            while feed.segments:
                waiting, feed.segments = feed.segments, []
                for segment in waiting:
                    await _write(context, scan_pb2.SyncResponse(segment=daysets_wire.to_message(segment)))
                beat_at = 0.0  # it carries the new resume token
            if loop.time() >= beat_at and not feed.woken.is_set():
                await _write(context, scan_pb2.SyncResponse(heartbeat=self._beat(now)))
                beat_at = loop.time() + self._heartbeat_s
            try:
                async with asyncio.timeout(LOOK_S):
                    await feed.woken.wait()
            except TimeoutError:
                continue

    def _beat(self, now: datetime) -> scan_pb2.Heartbeat:
        age = self._lists.age(now)
        beat = scan_pb2.Heartbeat(
            list_age_seconds=UNKNOWN_AGE if age is None else int(age),
            resume_token=self._lists.index.token(),
            current=True,
        )
        beat.server_time.FromDatetime(self._clock.now())
        return beat

    def _listed(self, segments: Sequence[Segment]) -> None:
        for feed in self._feeds:
            feed.push(segments)

    def _trusted(self) -> None:
        for feed in self._feeds:
            feed.keys = True
            feed.woken.set()

    def _wake(self) -> None:
        for feed in self._feeds:
            feed.woken.set()


async def _write(context: Any, message: scan_pb2.SyncResponse) -> None:
    try:
        async with asyncio.timeout(WRITE_S):
            await context.write(message)
    except TimeoutError:
        raise _too_slow() from None


def _too_slow() -> DomainError:
    return DomainError(Kind.EXHAUSTED, "SYNC_TOO_SLOW", "The scanner does not read fast enough; connect again.")
