"""Times as messages carry them."""

from datetime import datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


@overload
def stamp(instant: datetime) -> Timestamp: ...
@overload
def stamp(instant: None) -> None: ...
@overload
def stamp(instant: datetime | None) -> Timestamp | None: ...
def stamp(instant: datetime | None) -> Timestamp | None:
    """An aware time as a message's field; None leaves the field out."""
    if instant is None:
        return None
    found = Timestamp()
    found.FromDatetime(instant)
    return found
