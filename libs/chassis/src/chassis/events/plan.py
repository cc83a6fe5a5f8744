"""A service's part of the bus, all of it: what it publishes, reads and rings. Streams, durables and rights are made from it."""

from dataclasses import dataclass, replace
from typing import Final

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from chassis.events import durables, streams
from chassis.events.durables import Durable
from chassis.events.streams import StreamSpec
from chassis.waiting import NotYetError

ADMINISTRATOR: Final = "admin"
"""The account of the `bus` command: the only one that may change streams and durables that are there."""

Rights = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class BusPlan:
    """`stream` is the one that the service publishes to, `durables` are what it reads of others, `bells` are subjects of
    core NATS by which its replicas wake each other.
    """

    service: str
    stream: StreamSpec
    durables: tuple[Durable, ...] = ()
    bells: tuple[str, ...] = ()

    def durable(self, name: str) -> Durable:
        """One of them by name; raises KeyError."""
        return {durable.name: durable for durable in self.durables}[name]

    def rights(self) -> Rights:
        """What the service's account on the broker may do, as nats-server's `permissions`.

        It may make its own stream and its own durables, with these filters only, so that it recovers by itself from a
        broker that lost everything; it may change, purge or delete none.
        """
        name = self.stream.name
        publish = [*self.stream.subjects, f"lilitong.dead.{self.service}.>", *self.bells]
        publish += [f"$JS.API.STREAM.INFO.{name}", f"$JS.API.STREAM.CREATE.{name}"]
        for durable in self.durables:
            place = f"{durable.stream}.{durable.name}"
            publish += [f"$JS.API.CONSUMER.CREATE.{place}.{subject}" for subject in durable.filter_subjects]
            publish += [f"$JS.API.CONSUMER.{verb}.{place}" for verb in ("INFO", "RESET", "MSG.NEXT")]
            publish += [f"$JS.ACK.{place}.>"]
        return _rights(publish, [f"_INBOX.{self.service}.>", *self.bells])


def administrator_rights() -> Rights:
    """What the account of the `bus` command may do: JetStream's management, and no event."""
    verbs = ("INFO", "CREATE", "UPDATE", "DELETE")
    publish = [f"$JS.API.STREAM.{verb}.*" for verb in verbs if verb != "DELETE"]
    publish += [f"$JS.API.CONSUMER.{verb}.*.*" for verb in verbs if verb != "UPDATE"]
    return _rights([*publish, "$JS.API.CONSUMER.CREATE.*.*.>"], [f"_INBOX.{ADMINISTRATOR}.>"])


def _rights(publish: list[str], subscribe: list[str]) -> Rights:
    return {"publish": {"allow": publish}, "subscribe": {"allow": subscribe}}


async def bring_about(jetstream: JetStreamContext, plan: BusPlan, replicas: int | None) -> None:
    """Make or change the service's stream and durables; any number of times.

    Raises `NotYetError` while a stream that it reads is not there: its publisher makes it.
    """
    await streams.ensure(jetstream, replace(plan.stream, replicas=replicas or plan.stream.replicas))
    for durable in plan.durables:
        try:
            await durables.ensure(jetstream, durable)
        except NotFoundError:
            raise NotYetError(
                f"there is no stream {durable.stream}, which its publisher's `bus` command makes"
            ) from None
