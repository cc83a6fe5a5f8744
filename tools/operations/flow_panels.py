"""The dashboard of data flow: out of the outbox, into the inbox."""

from typing import Final

from tools.operations.panels import JOB, Panel, Row, p

FLOW: Final[tuple[Row, ...]] = (
    (
        "Out of the outbox",
        (
            Panel(
                "Oldest event that is not published",
                "s",
                ((f"max by (job) (lilitong_outbox_oldest_seconds{{{JOB}}})", "{{job}}"),),
                bad=30,
            ),
            Panel(
                "Events not published", "short", ((f"max by (job) (lilitong_outbox_unpublished{{{JOB}}})", "{{job}}"),)
            ),
            Panel(
                "Published a second",
                "short",
                ((f"sum by (job) (rate(lilitong_outbox_published_total{{{JOB}}}[5m]))", "{{job}}"),),
            ),
            Panel(
                "Commit → on the bus, 99th percentile",
                "s",
                ((p(0.99, "lilitong_relay_seconds", JOB, "job"), "{{job}}"),),
            ),
            Panel(
                "Events that the bus can never take",
                "short",
                ((f"sum by (job) (increase(lilitong_outbox_undeliverable_total{{{JOB}}}[1h]))", "{{job}}"),),
            ),
            Panel(
                "Streams filled again",
                "short",
                ((f"sum by (stream) (increase(lilitong_stream_rebuilds_total{{{JOB}}}[1h]))", "{{stream}}"),),
            ),
        ),
    ),
    (
        "Into the inbox",
        (
            Panel(
                "Events that wait",
                "short",
                ((f"max by (durable) (lilitong_consumer_pending{{{JOB}}})", "{{durable}}"),),
                bad=1000,
            ),
            Panel(
                "Stalled for",
                "s",
                ((f"max by (durable) (lilitong_consumer_stalled_seconds{{{JOB}}})", "{{durable}}"),),
                bad=60,
            ),
            Panel(
                "On the bus → effect, 99th percentile",
                "s",
                ((p(0.99, "lilitong_event_delay_seconds", JOB, "durable"), "{{durable}}"),),
            ),
            Panel(
                "Handled a second",
                "short",
                ((f"sum by (durable) (rate(lilitong_consumer_handled_total{{{JOB}}}[5m]))", "{{durable}}"),),
            ),
            Panel(
                "Seen before",
                "short",
                ((f"sum by (durable) (rate(lilitong_consumer_repeated_total{{{JOB}}}[5m]))", "{{durable}}"),),
                "The inbox dropped them: no harm.",
            ),
            Panel(
                "Refused, held, expired",
                "short",
                (
                    (f"sum by (durable) (rate(lilitong_consumer_failed_total{{{JOB}}}[5m]))", "{{durable}} refused"),
                    (f"sum by (durable) (rate(lilitong_consumer_held_total{{{JOB}}}[5m]))", "{{durable}} held"),
                    (f"sum by (durable) (rate(lilitong_consumer_expired_total{{{JOB}}}[5m]))", "{{durable}} expired"),
                ),
            ),
            Panel(
                "Dead letters at rest",
                "short",
                ((f"max by (job, durable) (lilitong_dead_letters_resting{{{JOB}}})", "{{job}} {{durable}}"),),
                bad=1,
            ),
            Panel(
                "Given up",
                "short",
                ((f"sum by (durable) (increase(lilitong_dead_letters_total{{{JOB}}}[1h]))", "{{durable}}"),),
            ),
            Panel(
                "Durables read anew",
                "short",
                ((f"sum by (durable) (increase(lilitong_consumer_rebuilds_total{{{JOB}}}[1h]))", "{{durable}}"),),
            ),
        ),
    ),
    (
        "What it all rests on",
        (
            Panel("Postgres answers", "short", ((f"min by (job) (lilitong_database_up{{{JOB}}})", "{{job}}"),)),
            Panel("NATS is connected", "short", ((f"min by (job) (lilitong_bus_connected{{{JOB}}})", "{{job}}"),)),
        ),
    ),
)
