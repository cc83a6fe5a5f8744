"""Health and readiness, told as they are."""

import time
from collections.abc import Callable

from chassis.jwks import KeySource

from gateway.clients import Upstreams
from gateway.codec import Json

_KEEP = 0.5


class Readiness:
    """Asks the services behind for their health, at most every half second.

    `ready`: everything answers. `degraded`: some service is away; its routes answer 503, the others work, so the
    gateway takes traffic and names what is missing: were it to refuse, one service's outage would be everybody's.
    `unavailable`: nothing behind answers, no caller can be verified, or the process is being replaced.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        keys: KeySource,
        draining: Callable[[], bool],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstreams, self._keys, self._draining, self._monotonic = upstreams, keys, draining, monotonic
        self._health: dict[str, bool] = {}
        self._looked_at = float("-inf")

    async def look(self) -> tuple[bool, Json]:
        """Whether to send traffic here, and the report."""
        await self._keys.freshen()
        if self._monotonic() - self._looked_at >= _KEEP:
            self._health = await self._upstreams.health()
            self._looked_at = self._monotonic()
        parts = {name: "ready" if serving else "unavailable" for name, serving in self._health.items()}
        parts["keys"] = "ready" if self._keys.loaded else "unavailable"
        takes = self._keys.loaded and any(self._health.values()) and not self._draining()
        away = sorted(name for name, state in parts.items() if state != "ready")
        status = "unavailable" if not takes else "degraded" if away else "ready"
        return takes, {"status": status, "parts": parts, "degraded": away, "draining": self._draining()}
