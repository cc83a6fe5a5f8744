"""What this service asks quarantine: the snapshot of the restricted list, and the keys to verify it with."""

from collections.abc import AsyncIterator, Callable, Sequence

from chassis.rpc.channel import Channel, ClientTls, connect
from daysets.segment import Segment
from daysets.trust import Key, from_messages
from daysets.wire import from_message
from lilitong.quarantine.v1 import day_set_pb2, day_set_pb2_grpc, keys_pb2, keys_pb2_grpc

SNAPSHOT_S = 60.0


class Quarantine:
    """The few calls that are allowed to this workload; failures arrive as `DomainError`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._day_sets = day_set_pb2_grpc.DaySetServiceStub(channel)
        self._keys = keys_pb2_grpc.KeyServiceStub(channel)

    async def segments(self, _: bytes) -> AsyncIterator[Segment]:
        """Every segment in force for the live days."""
        stream = self._day_sets.ListDaySetSegments(day_set_pb2.ListDaySetSegmentsRequest(), timeout=SNAPSHOT_S)
        async for answer in stream:
            yield from_message(answer.segment)

    async def keys(self) -> Sequence[Key]:
        answer = await self._keys.ListVerificationKeys(keys_pb2.ListVerificationKeysRequest())
        return from_messages(answer.keys)

    async def close(self) -> None:
        await self._channel.close()


def quarantine(target: str, token: Callable[[], str] | None, tls: ClientTls | None) -> Quarantine:
    """The client; `token` gives this service's own, for each call."""
    return Quarantine(connect(target, name="venue", tls=tls, retry={"lilitong.quarantine.v1.KeyService"}, token=token))
