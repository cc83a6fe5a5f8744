"""Figures about events. Labels are bounded: durables and streams are named in code, never by data.

Hops are timed by who does them, and their histograms are added up where they are watched: an event carries no time of its
origin, because events of one transaction would share it.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

HOP_BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds of one hop of the loop, of which the whole is to take two."""

OUTBOX_UNPUBLISHED = Gauge("lilitong_outbox_unpublished", "Events committed and not yet acknowledged by the bus.")
OUTBOX_OLDEST = Gauge("lilitong_outbox_oldest_seconds", "Age of the oldest unpublished event, in seconds (± 1 s).")
PUBLISHED = Counter("lilitong_outbox_published_total", "Events acknowledged by the bus.")
UNDELIVERABLE = Counter("lilitong_outbox_undeliverable_total", "Events that the bus can never take; now dead letters.")
RELAYED = Histogram(
    "lilitong_relay_seconds", "From a commit's wake to the bus's acknowledgement of what it wrote.", buckets=HOP_BOUNDS
)
STREAM_REBUILDS = Counter("lilitong_stream_rebuilds_total", "Times a lost stream was filled again.", ["stream"])
DATABASE_UP = Gauge("lilitong_database_up", "1 while the relay's look into the outbox is answered, else 0.")
BUS_CONNECTED = Gauge("lilitong_bus_connected", "1 while connected to NATS, else 0.")

PENDING = Gauge(
    "lilitong_consumer_pending", "Events in the stream that this durable has not acknowledged.", ["durable"]
)
STALLED = Gauge(
    "lilitong_consumer_stalled_seconds",
    "Time since this durable last settled anything while events wait for it; 0 while nothing waits.",
    ["durable"],
)
DELAY = Histogram(
    "lilitong_event_delay_seconds",
    "From the bus's acceptance of an event to the commit of its effect.",
    ["durable"],
    buckets=HOP_BOUNDS,
)
HANDLED = Counter("lilitong_consumer_handled_total", "Events whose effect was committed.", ["durable"])
REPEATED = Counter("lilitong_consumer_repeated_total", "Deliveries that the inbox had already seen.", ["durable"])
FAILED = Counter("lilitong_consumer_failed_total", "Attempts that a handler refused.", ["durable"])
HELD = Counter("lilitong_consumer_held_total", "Attempts put off because a dependency was away.", ["durable"])
EXPIRED = Counter("lilitong_consumer_expired_total", "Events dropped because their day is past retention.", ["durable"])
REBUILDS = Counter("lilitong_consumer_rebuilds_total", "Times a durable was read anew from its floor.", ["durable"])
DEAD_LETTERS = Counter("lilitong_dead_letters_total", "Events given up and kept for replay.", ["durable"])
RESTING = Gauge(
    "lilitong_dead_letters_resting",
    "Dead letters that nobody put back, by who gave them up (`outbox`: the relay).",
    ["durable"],
)
