"""What a district's people need to know of the system they use, wherever it runs."""

from collections.abc import Sequence
from typing import Protocol


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

    def set_clock(self, offset: float) -> None:
        """Moves every service's clock; where that cannot be, raises."""
        ...
