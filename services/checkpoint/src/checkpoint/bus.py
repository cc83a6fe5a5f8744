"""The service's part of the bus: what it publishes, reads and rings."""

from typing import Final

from chassis.events import BusPlan, Durable, StreamSpec

STREAM: Final = StreamSpec("CHECKPOINT", ("lilitong.checkpoint.>",))
SEARCHES: Final = Durable("QUARANTINE", "checkpoint-searches", ("lilitong.quarantine.search.v1.opened",))
SEGMENTS: Final = Durable("QUARANTINE", "checkpoint-segments", ("lilitong.quarantine.restricted.v1.segment",))
KEYS: Final = Durable("QUARANTINE", "checkpoint-keys", ("lilitong.quarantine.key.v1.changed",))
LIST_BELL: Final = "bell.checkpoint.day-sets"
DIRECTORY_BELL: Final = "bell.checkpoint.directory"
PLAN: Final = BusPlan("checkpoint", STREAM, (SEGMENTS, KEYS, SEARCHES), (LIST_BELL, DIRECTORY_BELL))
