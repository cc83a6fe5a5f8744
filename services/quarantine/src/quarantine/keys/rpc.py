"""KeyService."""

from typing import Any

from chassis.access import NOWHERE, allow
from chassis.clock import Clock
from daysets.trust import to_messages
from lilitong.quarantine.v1 import keys_pb2 as pb
from lilitong.quarantine.v1.keys_pb2_grpc import KeyServiceServicer

from quarantine.keys.ring import KeyRing


class KeyRpc(KeyServiceServicer):
    """Public keys; whoever verifies may have them."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock

    # No area: the keys are the district's.
    @allow(roles={"app_backend"}, workloads={"venue", "checkpoint"}, area=NOWHERE)
    async def ListVerificationKeys(
        self,
        request: pb.ListVerificationKeysRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> pb.ListVerificationKeysResponse:
        return pb.ListVerificationKeysResponse(keys=to_messages(self._ring.published(self._clock.now())))
