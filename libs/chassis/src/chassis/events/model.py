"""An event on its way out and on its way in: CloudEvents 1.0, binary mode, protobuf body, in NATS headers.

`ce-time` and a clear `traceparent` are left out on purpose: events about different days of one person may be
published by one transaction, and no value on the bus may tell that they belong together.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Self, TypeVar
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError, Message

MessageT = TypeVar("MessageT", bound=Message)

MESSAGE_ID = "Nats-Msg-Id"


class PoisonError(Exception):
    """Refuses an event for good: it goes to the dead letters at once, without further attempts.

    `reason` is stored and logged, so it holds no personal data and no values of the payload.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """A fact to be published.

    `event_id` is random and is also the bus's deduplication id. `type` is the protobuf message's full name.
    `aggregate` orders: events of one aggregate arrive in the order written. It travels in clear as the partition key,
    so it must not be shared by two days of one person. `day` is the local day whose retention the event follows: the
    day of the data in it, not of the publishing. `seal` is the trace context, encrypted with a fresh nonce. Texts
    with personal data are kept out of `repr`, which ends up in logs.
    """

    event_id: UUID
    type: str
    subject: str
    aggregate: str = field(repr=False)
    day: date
    payload: bytes = field(repr=False)
    drill_id: str = ""
    seal: bytes = field(default=b"", repr=False)

    @classmethod
    def of(
        cls,
        message: Message,
        *,
        subject: str,
        aggregate: str,
        day: date,
        drill_id: str = "",
        event_id: UUID | None = None,
        seal: bytes = b"",
    ) -> Self:
        """The event that carries `message`; a random id unless the caller has one that a repeat would reuse."""
        return cls(
            event_id=event_id or uuid4(),
            type=message.DESCRIPTOR.full_name,
            subject=subject,
            aggregate=aggregate,
            day=day,
            payload=message.SerializeToString(deterministic=True),
            drill_id=drill_id,
            seal=seal,
        )

    def headers(self) -> dict[str, str]:
        """NATS headers of CloudEvents' binary mode; extensions: partitionkey, day, drillid and tracesealed."""
        headers = {
            MESSAGE_ID: str(self.event_id),
            "ce-specversion": "1.0",
            "ce-id": str(self.event_id),
            "ce-source": "/" + "/".join(self.subject.split(".")[:2]),
            "ce-type": self.type,
            "ce-partitionkey": self.aggregate,
            "ce-day": self.day.isoformat(),
            "content-type": "application/protobuf",
        }
        if self.drill_id:
            headers["ce-drillid"] = self.drill_id
        if self.seal:
            headers["ce-tracesealed"] = base64.b64encode(self.seal).decode("ascii")
        return headers


@dataclass(frozen=True, slots=True)
class Received(Event):
    """A fact that arrived; the same fields as the `Event` that was published."""

    @classmethod
    def read(cls, subject: str, headers: Mapping[str, str] | None, payload: bytes) -> Self:
        """Decode the envelope. Raises `PoisonError` if a required header is missing or malformed."""
        found = headers or {}
        try:
            return cls(
                event_id=UUID(found["ce-id"]),
                type=found["ce-type"],
                subject=subject,
                aggregate=found["ce-partitionkey"],
                day=date.fromisoformat(found["ce-day"]),
                payload=payload,
                drill_id=found.get("ce-drillid", ""),
                seal=base64.b64decode(found.get("ce-tracesealed", ""), validate=True),
            )
        except KeyError as error:
            raise PoisonError(f"envelope: header {error.args[0]} is missing") from None
        except (ValueError, binascii.Error):
            raise PoisonError("envelope: a header is malformed") from None

    def parse(self, kind: type[MessageT]) -> MessageT:
        """The body as `kind`. Raises `PoisonError` if the event is of another type or the body does not decode."""
        if self.type != kind.DESCRIPTOR.full_name:
            raise PoisonError(f"body: expected {kind.DESCRIPTOR.full_name}")
        try:
            return kind.FromString(self.payload)
        except DecodeError:
            raise PoisonError(f"body: not a {self.type}") from None
