"""The service's part of the bus: what it publishes and reads."""

from typing import Final

from chassis.events import BusPlan, Durable, StreamSpec

STREAM: Final = StreamSpec("QUARANTINE", ("lilitong.quarantine.>",))
VISITS: Final = Durable("VENUE", "quarantine-venue-exposures", ("lilitong.venue.exposure.v1.found",))
PASSAGES: Final = Durable("CHECKPOINT", "quarantine-checkpoint-exposures", ("lilitong.checkpoint.exposure.v1.found",))
RECALLED: Final = "lilitong.venue.lot.v1.recalled"
HANDLED: Final = "lilitong.venue.lot.v1.handled"
RECALLS: Final = Durable("VENUE", "quarantine-venue-recalls", (RECALLED, HANDLED))
PLAN: Final = BusPlan("quarantine", STREAM, (VISITS, PASSAGES, RECALLS))
