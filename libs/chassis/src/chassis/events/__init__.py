"""Events between services: outbox and relay on the way out; consumer, inbox and dead letters on the way in.

A service publishes with `publish(connection, [Event.of(message, …)])` inside its transaction and calls `Relay.wake`
after the commit. It reads with a `Consumer` per `Subscription`. Order is kept per aggregate, effects happen once, and
everything resumes by itself after any process involved was killed.
"""

from chassis.events.broadcast import Broadcast
from chassis.events.bus import Bus, BusUnavailableError, Login, connect
from chassis.events.consumer import Consumer
from chassis.events.durables import Durable
from chassis.events.handling import AfterCommit, Handler, Subscription
from chassis.events.model import Event, PoisonError, Received
from chassis.events.outbox import publish
from chassis.events.plan import BusPlan
from chassis.events.relay import Relay
from chassis.events.streams import StreamSpec
from chassis.events.tracing import resuming, sealing

__all__ = [
    "AfterCommit",
    "Broadcast",
    "Bus",
    "BusPlan",
    "BusUnavailableError",
    "Consumer",
    "Durable",
    "Event",
    "Handler",
    "Login",
    "PoisonError",
    "Received",
    "Relay",
    "StreamSpec",
    "Subscription",
    "connect",
    "publish",
    "resuming",
    "sealing",
]
