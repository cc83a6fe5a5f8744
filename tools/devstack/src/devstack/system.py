"""What a district's people need to know of the system they use, wherever it runs."""

from collections.abc import Sequence
from typing import Protocol

STORES = ("quarantine", "venue", "checkpoint")
SERVICES = (*STORES, "gateway")


class Issuer(Protocol):
    """Whoever gives people their tokens."""

    def person(
        self,
        subject: str,
        roles: Sequence[str],
        areas: Sequence[str] = ...,
        *,
        seconds: int = ...,
        now: float | None = None,
    ) -> str:
        """A bearer token."""
        ...


class System(Protocol):
    """A running Lilitong: devstack's own, or an installed release."""

    @property
    def minter(self) -> Issuer: ...

    @property
    def gateway_url(self) -> str: ...

    def address(self, service: str) -> str:
        """host:port of a service's gRPC."""
        ...

    def set_clock(self, offset: float, services: Sequence[str] = SERVICES) -> None:
        """Moves these services' clocks; where that cannot be, raises."""
        ...
