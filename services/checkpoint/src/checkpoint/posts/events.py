"""What posts tell others: devices enrolled, moved or revoked."""

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from chassis.events import Event, publish
from lilitong.checkpoint.v1.events_pb2 import DeviceChanged

from checkpoint.posts.model import Device

DEVICE_CHANGED: Final = "lilitong.checkpoint.device.v1.changed"


async def device_changed(conn: Any, device: Device, today: date, seal: Callable[[], bytes]) -> None:
    """Into the outbox, in the transaction of the change."""
    message = DeviceChanged(device_id=str(device.device_id), revoked=device.revoked)
    event = Event.of(message, subject=DEVICE_CHANGED, aggregate=f"device/{device.device_id}", day=today)
    await publish(conn, [event], seal=seal)
