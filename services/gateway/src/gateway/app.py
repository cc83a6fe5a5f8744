"""The wiring of the gateway, to be read from top to bottom. Nothing else knows all of its parts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from chassis import logs
from chassis.auth import TokenVerifier
from chassis.certificates import TlsError
from chassis.clock import Clock
from chassis.jwks import KeySource
from chassis.run import Service
from chassis.starting import clock_of, observe, told
from fastapi import FastAPI
from prometheus_client import REGISTRY

from gateway.api import Opened, build_api, methods_of
from gateway.clients import Upstreams, upstreams
from gateway.door import Door
from gateway.front import Front
from gateway.hot import CheckIns
from gateway.limits import Buckets
from gateway.lines import Lines
from gateway.readiness import Readiness
from gateway.records import Records
from gateway.server import RestServer
from gateway.serving import Parts
from gateway.settings import GatewaySettings
from gateway.trial import tried
from gateway.verification import Verifications


def wire(settings: GatewaySettings, clock: Clock | None = None) -> Callable[[Service], Awaitable[None]]:
    """What `chassis.run` needs to live as the gateway; `clock` is for tests."""
    return partial(build, settings, clock or clock_of(settings))


async def build(settings: GatewaySettings, clock: Clock, service: Service) -> None:
    """Put the gateway together. Nothing behind it needs to be up."""
    logs.setup("gateway", level=settings.log_level)
    await observe(service, settings)

    # Behind.
    peers = upstreams(settings)
    service.closer("upstreams", peers.close)

    # In between.
    gateway = assemble(settings, clock, peers)
    await gateway.keys.freshen()
    REGISTRY.register(gateway.lines.stats)
    service.closer("metrics", partial(_unregister, gateway.lines))
    service.closer("check-ins", gateway.check_ins.coalescer.close)
    service.check("keys", lambda: gateway.keys.loaded)

    # In front.
    if settings.tls_certificate is not None and settings.tls_key is not None:
        with told(settings.variable("tls_certificate"), TlsError):
            await tried(settings.tls_certificate, settings.tls_key)
    service.server(
        RestServer(
            settings.listen,
            gateway.front,
            gateway.lines,
            certificate=settings.tls_certificate,
            key=settings.tls_key,
        )
    )


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway without its sockets: `front` is the ASGI application, `api` the routes behind it."""

    front: Front
    api: FastAPI
    check_ins: CheckIns
    keys: KeySource
    lines: Lines


def assemble(settings: GatewaySettings, clock: Clock, peers: Upstreams) -> Gateway:
    """Everything between the server and the channels."""
    keys = KeySource(settings.jwks)
    door = Door(TokenVerifier(keys, issuer=settings.issuer, audience=settings.audience, clock=clock))
    lines = Lines()
    check_ins = CheckIns(
        door,
        Buckets(settings.check_in_rate, settings.check_in_burst),
        peers,
        lines,
        in_flight=settings.batches_in_flight,
        body_limit=settings.body_limit,
        ratio=settings.hot_trace_ratio,
    )
    parts = Parts(door, Buckets(settings.rate, settings.burst), peers, settings.body_limit, settings.batch_body_limit)
    rate, burst = settings.verification_rate, settings.verification_burst
    opened = Opened(Verifications(peers, Buckets(rate, burst)), Records(peers, Buckets(rate, burst)))
    api = build_api(parts, Readiness(peers, keys, lambda: lines.draining), check_ins, opened)
    front = Front(api, check_ins, lines, partial(methods_of, api), access_log=settings.access_log)
    return Gateway(front, api, check_ins, keys, lines)


async def _unregister(lines: Lines) -> None:
    REGISTRY.unregister(lines.stats)
