"""The services behind the gateway: one channel each, calls by contract, health for readiness."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chassis.health import is_serving
from chassis.rpc.channel import Channel, connect
from chassis.starting import channel_tls
from google.protobuf.message_factory import GetMessageClass
from lilitong.checkpoint.v1 import post_pb2
from lilitong.quarantine.v1 import case_pb2, contact_pb2, drill_pb2, pass_pb2, policy_pb2, register_pb2, restriction_pb2
from lilitong.venue.v1 import (
    application_pb2,
    code_task_pb2,
    cold_chain_pb2,
    document_pb2,
    duplicate_pb2,
    enforcement_pb2,
    export_pb2,
    import_pb2,
    inspection_pb2,
    obligation_pb2,
    occupancy_pb2,
    spot_check_pb2,
    summary_pb2,
    venue_pb2,
    visit_pb2,
)

from gateway.operations import Rpc
from gateway.settings import GatewaySettings

Call = Callable[..., Awaitable[Any]]

_MODULES: Mapping[str, tuple[Any, ...]] = {
    "quarantine": (register_pb2, pass_pb2, policy_pb2, case_pb2, contact_pb2, restriction_pb2, drill_pb2),
    "venue": (
        venue_pb2,
        visit_pb2,
        inspection_pb2,
        enforcement_pb2,
        document_pb2,
        obligation_pb2,
        application_pb2,
        import_pb2,
        duplicate_pb2,
        cold_chain_pb2,
        spot_check_pb2,
        summary_pb2,
        occupancy_pb2,
        code_task_pb2,
        export_pb2,
    ),
    "checkpoint": (post_pb2,),
}


class Upstreams:
    """Calls by `Rpc`. Credentials, purpose, deadline and trace of the request being served go along."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = dict(channels)
        self._calls: dict[str, Call] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The services, in order."""
        return tuple(self._channels)

    def call(self, rpc: Rpc) -> Call:
        """A coroutine function for one method: `await it(request, timeout=seconds)`; it raises `DomainError`."""
        found = self._calls.get(rpc.path)
        if found is None:
            found = self._calls[rpc.path] = self._channels[rpc.upstream].unary_unary(
                rpc.path,
                request_serializer=GetMessageClass(rpc.takes).SerializeToString,
                response_deserializer=GetMessageClass(rpc.gives).FromString,
            )
        return found

    async def health(self) -> dict[str, bool]:
        """Which services say that they take traffic, within half a second."""
        answers = await asyncio.gather(*(is_serving(channel, timeout=0.5) for channel in self._channels.values()))
        return dict(zip(self._channels, answers, strict=True))

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


def upstreams(settings: GatewaySettings) -> Upstreams:
    """Channels to the three services; nothing is connected before the first call.

    Every call may be tried again: each write carries a request id or is keyed by what it writes.
    """
    targets = {
        "quarantine": settings.quarantine_target,
        "venue": settings.venue_target,
        "checkpoint": settings.checkpoint_target,
    }
    tls = channel_tls(settings)
    channels = {}
    for name, target in targets.items():
        services = [one.full_name for module in _MODULES[name] for one in module.DESCRIPTOR.services_by_name.values()]
        channels[name] = connect(target, name="gateway", tls=tls, retry=services, forward_caller=True)
    return Upstreams(channels)
