"""The service's part of the bus: what it publishes, reads and rings."""

from typing import Final

from chassis.events import BusPlan, Durable, StreamSpec

STREAM: Final = StreamSpec("VENUE", ("lilitong.venue.>",))
SEARCHES: Final = Durable("QUARANTINE", "venue-searches", ("lilitong.quarantine.search.v1.opened",))
SEGMENTS: Final = Durable("QUARANTINE", "venue-day-sets", ("lilitong.quarantine.restricted.v1.segment",))
KEYS: Final = Durable("QUARANTINE", "venue-keys", ("lilitong.quarantine.key.v1.changed",))
ZONE_BELL: Final = "bell.venue.zones"
LIST_BELL: Final = "bell.venue.day-sets"
PLAN: Final = BusPlan("venue", STREAM, (SEARCHES, SEGMENTS, KEYS), (ZONE_BELL, LIST_BELL))
