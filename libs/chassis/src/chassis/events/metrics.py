"""Figures about events. Labels are bounded: durables and streams are named in code, never by data."""

from prometheus_client import Counter, Gauge

OUTBOX_UNPUBLISHED = Gauge("lilitong_outbox_unpublished", "Events committed and not yet acknowledged by the bus.")
OUTBOX_OLDEST = Gauge("lilitong_outbox_oldest_seconds", "Age of the oldest unpublished event, in seconds (± 1 s).")
PUBLISHED = Counter("lilitong_outbox_published_total", "Events acknowledged by the bus.")
UNDELIVERABLE = Counter("lilitong_outbox_undeliverable_total", "Events that the bus can never take; now dead letters.")
STREAM_REBUILDS = Counter("lilitong_stream_rebuilds_total", "Times a lost stream was filled again.", ["stream"])
BUS_CONNECTED = Gauge("lilitong_bus_connected", "1 while connected to NATS, else 0.")

PENDING = Gauge(
    "lilitong_consumer_pending", "Events in the stream that this durable has not acknowledged.", ["durable"]
)
HANDLED = Counter("lilitong_consumer_handled_total", "Events whose effect was committed.", ["durable"])
REPEATED = Counter("lilitong_consumer_repeated_total", "Deliveries that the inbox had already seen.", ["durable"])
FAILED = Counter("lilitong_consumer_failed_total", "Attempts that a handler refused.", ["durable"])
HELD = Counter("lilitong_consumer_held_total", "Attempts put off because a dependency was away.", ["durable"])
EXPIRED = Counter("lilitong_consumer_expired_total", "Events dropped because their day is past retention.", ["durable"])
REBUILDS = Counter("lilitong_consumer_rebuilds_total", "Times a durable was read anew from its floor.", ["durable"])
DEAD_LETTERS = Counter("lilitong_dead_letters_total", "Events given up and kept for replay.", ["durable"])
