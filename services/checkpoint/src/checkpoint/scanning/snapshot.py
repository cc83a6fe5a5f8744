"""What quarantine gives a replica to start from; the only remote calls of this service, and none of them on a verdict's way."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from daysets import wire
from daysets.segment import Segment
from daysets.trust import Key, from_messages
from lilitong.quarantine.v1 import day_set_pb2, keys_pb2
from lilitong.quarantine.v1.day_set_pb2_grpc import DaySetServiceStub
from lilitong.quarantine.v1.keys_pb2_grpc import KeyServiceStub

IDEMPOTENT: Final = ("lilitong.quarantine.v1.DaySetService", "lilitong.quarantine.v1.KeyService")


class Snapshots:
    """Calls quarantine with this workload's own token."""

    def __init__(self, channel: Any) -> None:
        self._day_sets: Any = DaySetServiceStub(channel)
        self._keys: Any = KeyServiceStub(channel)

    async def segments(self, _token: bytes) -> AsyncIterator[Segment]:
        """Everything in force: the contract's snapshot takes no token, and what is held already is a duplicate."""
        async for answer in self._day_sets.ListDaySetSegments(day_set_pb2.ListDaySetSegmentsRequest(), timeout=60.0):
            yield wire.from_message(answer.segment)

    async def keys(self) -> Sequence[Key]:
        answer = await self._keys.ListVerificationKeys(keys_pb2.ListVerificationKeysRequest(), timeout=5.0)
        return from_messages(answer.keys)
