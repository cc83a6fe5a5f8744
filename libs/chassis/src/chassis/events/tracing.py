"""One trace across the bus: sealed on the way out, resumed around the handler."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from opentelemetry.trace import SpanKind

from chassis.events.model import Received
from chassis.telemetry import open_context, seal_context, span


def sealing(key: bytes) -> Callable[[], bytes]:
    """For `publish(…, seal=…)`: the current trace context under `key` (32 bytes), different bytes at each call."""
    return partial(seal_context, key)


def resuming(key: bytes, durable: str) -> Callable[[Received], AbstractContextManager[object]]:
    """For `Subscription.around`: a consumer span, child of the span in which the event was published.

    An event whose seal cannot be opened starts a trace of its own.
    """

    def around(event: Received) -> AbstractContextManager[object]:
        return span(
            f"process {event.type}",
            context=open_context(key, event.seal),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "nats",
                "messaging.operation.type": "process",
                "messaging.destination.name": event.subject,
                "messaging.consumer.group.name": durable,
            },
        )

    return around
