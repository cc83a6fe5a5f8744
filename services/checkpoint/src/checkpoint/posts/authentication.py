"""`authorization: Device …`: a token that a scanner signed with its own key, verified in memory."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from chassis.access import current_caller
from chassis.auth import Caller, refused
from chassis.clock import Clock
from passes import device
from passes.errors import PassError

from checkpoint.posts.directory import Active, Directory

SCHEME: Final = "device "


class DeviceAuthenticator:
    """An `Authenticator` of the chassis. Verified tokens are remembered to their end, at most `cache_size` of them.

    Whether the device is enrolled, with the same key, is asked on every call: what is remembered is a signature, not
    a permission.
    """

    def __init__(self, directory: Directory, clock: Clock, *, cache_size: int = 10_000) -> None:
        self._directory, self._clock, self._cache_size = directory, clock, cache_size
        self._cache: OrderedDict[str, tuple[Caller, Active, datetime]] = OrderedDict()

    async def __call__(self, metadata: Mapping[str, str]) -> Caller | None:
        header = metadata.get("authorization")
        if header is None or header[: len(SCHEME)].lower() != SCHEME:
            return None
        token, now = header[len(SCHEME) :], self._clock.now()
        known = self._cache.get(token)
        if known is None:
            return self._verify(token, now)
        caller, seen, expires_at = known
        active = self._directory.device(seen.device_id)
        if expires_at <= now or active is None or active.key is not seen.key:
            del self._cache[token]
            raise refused()
        return caller

    def _verify(self, token: str, now: datetime) -> Caller:
        try:
            verified = device.verify(token, self._directory.key_of, now)
        except PassError:
            # Told whatever was wrong: a scanner whose own clock is off could otherwise never reach what would correct it.
            raise refused(metadata={"server_time": f"{now.timestamp():.3f}"}) from None
        active = self._directory.device(verified.device)
        if active is None:
            raise refused()
        # No area: a device acts for its post, which `calling_device` reads anew, since devices move.
        caller = Caller(subject=str(verified.device), kind="device", expires_at=verified.expires_at)
        self._cache[token] = (caller, active, verified.expires_at)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return caller


def calling_device(directory: Directory) -> Active:
    """The device behind the call being served; UNAUTHENTICATED when it was revoked meanwhile."""
    active = directory.named(current_caller().subject)
    if active is None:
        raise refused()
    return active
