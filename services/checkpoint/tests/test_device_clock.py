from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.clock import ManualClock
from chassis.errors import DomainError
from checkpoint.posts.authentication import DeviceAuthenticator
from cryptography.hazmat.primitives.asymmetric import ec
from passes import device

NOON = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)


@pytest.mark.feature("C1", "C4")
async def test_a_scanner_whose_clock_is_off_is_told_the_time():
    """Otherwise it could never make a token that is taken, nor reach Sync, which corrects its clock."""
    key, name = ec.generate_private_key(ec.SECP256R1()), uuid4()
    directory = SimpleNamespace(key_of=lambda _: key.public_key(), device=lambda _: None)
    authenticate = DeviceAuthenticator(directory, ManualClock(NOON))
    early = device.mint(name, key, NOON + timedelta(hours=1))
    with pytest.raises(DomainError) as refused:
        await authenticate({"authorization": f"Device {early}"})
    assert float(refused.value.metadata["server_time"]) == NOON.timestamp()
