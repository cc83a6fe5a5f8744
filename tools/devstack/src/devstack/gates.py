"""Scanners of the demo: the reference scanner's library, connected, with a post and a key of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from daysets.trust import TrustedKeys, from_messages
from ledger.note import Verifier
from lilitong.quarantine.v1 import keys_pb2, keys_pb2_grpc
from scanner.client import Scanner
from scanner.clock import Clock
from verdicts.model import Colour, Observations

from devstack import scene
from devstack.district import District, DistrictError
from devstack.gateclient import GateClient, channel
from devstack.scene import Gate

HEALTHY = Observations(
    temperature_decicelsius=365, health_code=Colour.GREEN, itinerary_card=Colour.GREEN, mask_worn=True
)
CURRENT_SECONDS = 20.0


async def log_keys(district: District) -> list[Verifier]:
    """The transparency log's public keys, which whoever enrols a scanner gives it for good."""
    token = district.stack.minter.person("app_backend-1", ["app_backend"], now=district.now().timestamp())
    async with channel(district.stack.address("quarantine"), district.credentials) as opened:
        stub = keys_pb2_grpc.KeyServiceStub(opened)
        answer = await stub.ListVerificationKeys(
            keys_pb2.ListVerificationKeysRequest(), timeout=5.0, metadata=(("authorization", f"Bearer {token}"),)
        )
    return list(TrustedKeys.of(from_messages(answer.keys), district.now()).logs)


@asynccontextmanager
async def connected(
    district: District, folder: Path, gate: Gate | None = None, *, level: str = "compound", clock: Clock | None = None
) -> AsyncIterator[Scanner]:
    """A scanner whose list is current, at a post: a new one of that level unless given. Raises DistrictError.

    `clock`: the device's own, the machine's unless given.
    """
    at = gate or await scene.gate(district, level=level)
    target = district.stack.address("checkpoint")
    keys = await log_keys(district)
    async with GateClient(target, at, district.credentials) as client:
        await client.accepted(district.now)
    async with Scanner(
        folder, target, UUID(at.device_id), at.key, log_keys=keys, clock=clock, credentials=district.credentials
    ) as scanner:
        if not await scanner.wait_current(CURRENT_SECONDS):
            raise DistrictError(f"the scanner's list is not current after {CURRENT_SECONDS:.0f} s")
        yield scanner
