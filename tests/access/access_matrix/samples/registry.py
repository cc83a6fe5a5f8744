"""Builders by request type: each makes a valid request, with fresh ids where something is made, about things of a world."""

from collections.abc import Callable
from datetime import datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from access_matrix.world import World

Build = Callable[[World, str], Message]
SAMPLES: dict[type[Message], Build] = {}


def sample(build: Build) -> Build:
    """Registers a builder by the request type that it returns."""
    SAMPLES[build.__annotations__["return"]] = build
    return build


def request_for(kind: type[Message], world: World, role: str = "") -> Message:
    """A request as somebody of that role would send it. Fails for a type without a builder."""
    build = SAMPLES.get(kind)
    assert build is not None, f"{kind.DESCRIPTOR.full_name} has no sample: write a builder in access_matrix/samples"
    return build(world, role)


def stamp(instant: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(instant)
    return found
