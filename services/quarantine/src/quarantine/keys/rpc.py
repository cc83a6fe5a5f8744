"""KeyService."""

from contextlib import suppress
from typing import Any

import asyncpg
from chassis.access import NOWHERE, allow
from chassis.clock import Clock
from daysets.trust import to_messages
from lilitong.quarantine.v1 import keys_pb2 as pb
from lilitong.quarantine.v1.keys_pb2_grpc import KeyServiceServicer

from quarantine.keys.ring import KeyRing


class KeyRpc(KeyServiceServicer):
    """Public keys; whoever verifies may have them."""

    def __init__(self, pool: asyncpg.Pool, ring: KeyRing, clock: Clock) -> None:
        self._pool, self._ring, self._clock = pool, ring, clock

    # No area: the keys are the district's.
    @allow(roles={"app_backend"}, workloads={"venue", "checkpoint"}, area=NOWHERE)
    async def ListVerificationKeys(
        self,
        request: pb.ListVerificationKeysRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> pb.ListVerificationKeysResponse:
        # Who asks has just been told of a change, and does not ask again for half a minute: what this replica read seconds
        # ago may lack it. With Postgres away the memory is the answer.
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            async with self._pool.acquire(timeout=1) as conn:
                await self._ring.load(conn)
                return self._known()  # before another turn of the loop, in which an older look might be taken over
        return self._known()

    def _known(self) -> pb.ListVerificationKeysResponse:
        return pb.ListVerificationKeysResponse(keys=to_messages(self._ring.published(self._clock.now())))
