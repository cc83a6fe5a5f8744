"""The service's part of the bus: what it publishes and reads."""

from typing import Final

from chassis.events import BusPlan, Durable, StreamSpec

STREAM: Final = StreamSpec("QUARANTINE", ("lilitong.quarantine.>",))
VISITS: Final = Durable("VENUE", "quarantine-venue-exposures", ("lilitong.venue.exposure.v1.found",))
PASSAGES: Final = Durable("CHECKPOINT", "quarantine-checkpoint-exposures", ("lilitong.checkpoint.exposure.v1.found",))
# One each: the broker can hold a consumer to its subject only where it has a single one.
RECALLED: Final = Durable("VENUE", "quarantine-venue-recalls", ("lilitong.venue.lot.v1.recalled",))
HANDLED: Final = Durable("VENUE", "quarantine-venue-lot-handlers", ("lilitong.venue.lot.v1.handled",))
PLAN: Final = BusPlan("quarantine", STREAM, (VISITS, PASSAGES, RECALLED, HANDLED))
