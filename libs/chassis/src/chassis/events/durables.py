"""Durable consumers: declared by who reads, made where missing, brought up to date by who may."""

from dataclasses import dataclass
from typing import Final

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

# Bounds what piles up behind refused events: their successors wait in memory while other aggregates go on.
MAX_ACK_PENDING: Final = 20_000
ACK_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Durable:
    """A durable pull consumer as its reader wants it. `filter_subjects` are NATS patterns; `ack_wait_s` seconds."""

    stream: str
    name: str
    filter_subjects: tuple[str, ...]
    ack_wait_s: float = ACK_WAIT_S

    def config(self) -> ConsumerConfig:
        one = self.filter_subjects[0] if len(self.filter_subjects) == 1 else None
        return ConsumerConfig(
            name=self.name,
            durable_name=self.name,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self.ack_wait_s,
            max_deliver=-1,
            # A single filter stands in the request's own subject, where the broker's permissions can hold it fast.
            filter_subject=one,
            filter_subjects=None if one else list(self.filter_subjects),
            max_ack_pending=MAX_ACK_PENDING,
        )


async def ensure(jetstream: JetStreamContext, durable: Durable) -> ConsumerInfo:
    """Make the durable or bring it up to date.

    Raises `NotFoundError` while there is no stream, or the client's errors; to change one that is there needs rights
    that services do not have (see `chassis.events.plan`), to make it does not.

    A changed filter starts from the stream's beginning: what the new filter adds may lie before the old one's
    position, and the inbox drops the rest.
    """
    wanted = durable.config()
    try:
        found: ConsumerInfo = await jetstream.consumer_info(durable.stream, durable.name)
    except NotFoundError:
        return await jetstream.add_consumer(durable.stream, wanted)
    filters = found.config.filter_subjects or [found.config.filter_subject or ">"]
    if sorted(filters) != sorted(durable.filter_subjects):
        await jetstream.delete_consumer(durable.stream, durable.name)
        return await jetstream.add_consumer(durable.stream, wanted)
    if found.config.ack_wait != wanted.ack_wait or found.config.max_ack_pending != wanted.max_ack_pending:
        found = await jetstream.add_consumer(durable.stream, wanted)
    return found
