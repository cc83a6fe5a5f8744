"""The checkpoint service as it is, with two more methods on the same server that the bench compares it with.

    python -m bench.scan_server CORE ISSUER      (and the environment of `python -m checkpoint`)

CORE is the processor it runs on, or `-` for any. ISSUER is a file with the public key of the passes' issuer, in DER.
"""

import os
import sys
from pathlib import Path
from typing import Any, cast

import grpc
from chassis import logs
from chassis.access import NOWHERE, allow
from chassis.clock import Clock, OffsetFileClock, SystemClock
from chassis.rpc.server import Server
from chassis.run import Service, run
from chassis.settings import load_or_exit
from checkpoint import app
from checkpoint.settings import CheckpointSettings
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from lilitong.checkpoint.v1 import scan_pb2
from passes import cose, presentation
from passes.pass_token import IssuerKey

NAME = "lilitong.bench.v1.BarService"
VERIFY, NOTHING = f"/{NAME}/Verify", f"/{NAME}/Nothing"


class Bars:
    """What a durable scan is held against: the same request through the same guard, without verdict and row."""

    def __init__(self, issuer: EllipticCurvePublicKey, clock: Clock) -> None:
        self._keys = {cose.kid_of(issuer): IssuerKey(issuer)}
        self._clock = clock
        self._answer = scan_pb2.ScanResponse(verdict=scan_pb2.VERDICT_ALLOW)

    @allow(devices=True, area=NOWHERE)
    async def Verify(self, request: scan_pb2.ScanRequest, _: Any) -> scan_pb2.ScanResponse:  # noqa: N802 - a method's name
        """Both signatures and the age of what is shown; PassError, and so INTERNAL, when they do not hold."""
        presentation.verify(presentation.parse(request.credential), self._keys, self._clock.now())
        return self._answer

    @allow(devices=True, area=NOWHERE)
    async def Nothing(self, _: scan_pb2.ScanRequest, __: Any) -> scan_pb2.ScanResponse:  # noqa: N802 - a method's name
        return self._answer


def register(bars: Bars, server: Any) -> None:
    """As generated code does it."""
    read, write = scan_pb2.ScanRequest.FromString, scan_pb2.ScanResponse.SerializeToString
    methods = {
        name: grpc.unary_unary_rpc_method_handler(
            getattr(bars, name), request_deserializer=read, response_serializer=write
        )
        for name in ("Verify", "Nothing")
    }
    server.add_registered_method_handlers(NAME, methods)


class Extended:
    """A service whose server gets the bars as well; everything else is the service's own."""

    def __init__(self, service: Service, bars: Bars) -> None:
        self._service, self._bars = service, bars

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def server(self, server: Server) -> None:
        server.add(self._bars, register)
        self._service.server(server)


def main() -> int:
    core, issuer = sys.argv[1:3]
    if core != "-":
        os.sched_setaffinity(0, {int(core)})
    key = load_der_public_key(Path(issuer).read_bytes())
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("the issuer's key is none of P-256")
    settings = load_or_exit(CheckpointSettings)
    logs.setup(app.NAME, level=settings.log_level)
    app.HOT = (*app.HOT, VERIFY, NOTHING)  # traced as rarely as scans are
    bars = Bars(key, OffsetFileClock(settings.clock_file) if settings.clock_file else SystemClock())
    wire = app.build(settings)

    async def wire_all(service: Service) -> None:
        await wire(cast("Service", Extended(service, bars)))

    return run(app.NAME, wire_all, drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    sys.exit(main())
