"""What every service makes of its settings first, so that each `app.py` says only what is its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from prometheus_client import REGISTRY

from chassis import telemetry
from chassis.auth import FileToken, TokenVerifier
from chassis.clock import Clock, OffsetFileClock, SystemClock
from chassis.expiry import Certificates, Disks
from chassis.jwks import KeySource
from chassis.rpc.server import ListenError
from chassis.rpc.tls import ClientTls, ServerTls
from chassis.run import Service
from chassis.settings import ProcessSettings, SettingsError
from chassis.workloads import WorkloadToken, WorkloadTrust

_NONE: Final[Mapping[str, Path]] = MappingProxyType({})


@contextmanager
def told(variable: str, *failures: type[Exception]) -> Iterator[None]:
    """What fails in this block fails because of that setting: one sentence for the operator, `SettingsError`."""
    try:
        yield
    except failures as error:
        raise SettingsError(f"{variable} is wrong: {' '.join(str(error).split())}.") from None


def clock_of(settings: ProcessSettings) -> Clock:
    """The machine's clock, or in devstack one that can be moved."""
    return SystemClock() if settings.clock_file is None else OffsetFileClock(settings.clock_file)


async def observe(service: Service, settings: ProcessSettings, volumes: Mapping[str, Path] = _NONE) -> None:
    """Traces and metrics, closed with the service. `volumes`: folders that it fills, by the names that they go by."""
    with told(settings.variable("trace_exporter"), OSError):
        traces = telemetry.setup(
            service.name,
            exporter=settings.trace_exporter,
            ratio=settings.trace_ratio,
            metrics_listen=settings.metrics_listen,
        )
    service.closer("telemetry", traces.close)
    try:
        await traces.start()
    except OSError:
        raise ListenError(settings.metrics_listen) from None
    shown = {} if settings.tls_certificate is None else {"server": settings.tls_certificate}
    watched = Certificates(shown, partial(_trusted, settings)), Disks(volumes)
    for collector in watched:
        REGISTRY.register(collector)

    async def forget() -> None:
        for collector in watched:
            REGISTRY.unregister(collector)

    service.closer("metrics", forget)


def _trusted(settings: ProcessSettings) -> dict[str, Path]:
    """Whose certificates this process relies on at this moment, by what they are for."""
    named = {"authority": settings.tls_authority, "bus-authority": getattr(settings, "nats_authority", None)}
    found = {name: path for name, path in named.items() if path is not None}
    if settings.jwks.endswith((".crt", ".pem")):
        found["issuer"] = Path(settings.jwks)
    if settings.workload_trust is not None:
        found |= {f"workload-{path.stem}": path for path in sorted(settings.workload_trust.glob("*.crt"))}
    return found


def verifier_of(settings: ProcessSettings, clock: Clock) -> TokenVerifier:
    """Who verifies bearer tokens: people's by the issuer's keys, services' by their certificates."""
    trust = None if settings.workload_trust is None else WorkloadTrust(settings.workload_trust)
    return TokenVerifier(
        KeySource(settings.jwks), issuer=settings.issuer, audience=settings.audience, clock=clock, workloads=trust
    )


def token_of(service: str, settings: ProcessSettings, clock: Clock) -> Callable[[], str] | None:
    """What gives this service's own token for its calls to others: signed with its key, or kept in a file by the platform."""
    if settings.workload_key is not None:
        return WorkloadToken(service, settings.workload_key, audience=settings.audience, clock=clock)
    return None if settings.workload_token_file is None else FileToken(str(settings.workload_token_file))


def channel_tls(settings: ProcessSettings) -> ClientTls | None:
    """Whom channels to other services believe, and what they show of their own; None: plain text."""
    if settings.tls_authority is None:
        return None
    return ClientTls(settings.tls_authority, settings.tls_certificate, settings.tls_key)


def server_tls(settings: ProcessSettings) -> ServerTls | None:
    """The server's certificate, and whose clients it takes: mutual TLS when an authority is set. None: plain text."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServerTls(settings.tls_certificate, settings.tls_key, settings.tls_authority)
