"""The room put together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
from chassis.clock import Clock
from chassis.key_versions import Versions
from ledger.note import Signer

from venue.spotcheck.acting import Drawing
from venue.spotcheck.clocks import Clocks
from venue.spotcheck.events import Teller
from venue.spotcheck.rpc import SpotCheckServicer

TICK_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Room:
    servicer: SpotCheckServicer
    clocks: Clocks


def build(
    pool: asyncpg.Pool,
    clock: Clock,
    log: Signer,
    keys: Versions[bytes],
    *,
    seal: Callable[[], bytes],
    told: Callable[[], None],
) -> Room:
    """`keys`: the vault's secrets of spot checks; `seal`: the trace context of an event; `told`: the relay's `wake`."""
    tell = Teller(seal)
    drawing = Drawing(pool, clock, log, keys, tell)
    return Room(SpotCheckServicer(pool, clock, drawing, tell, told), Clocks(pool, clock, drawing, tell, told))
