"""Whether the server's library takes a certificate and its key, found out in a process of its own.

It refuses some that OpenSSL takes (version 1 of X.509, curves such as P-224, a byte order mark), and ends the process it is in
then, with all requests under way. `python -m gateway.trial CERTIFICATE KEY` shakes hands with itself once and exits with 0, or
is ended.
"""

import asyncio
import os
import resource
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from chassis.certificates import TlsError
from granian import net
from granian.constants import Interfaces, SSLProtocols
from granian.server.embed import Server

OLDEST_TLS: Final = SSLProtocols.tls12
"""Envoy, and the ingress controllers made of it, speak nothing newer to what lies behind them unless they are told to."""
_SECONDS: Final = 20.0


async def tried(certificate: Path, key: Path) -> None:
    """Raises `TlsError` when the library does not take them."""
    child = _started(certificate, key)
    try:
        code = await asyncio.to_thread(child.wait, _SECONDS)
    except subprocess.TimeoutExpired:
        code = -1
    finally:
        child.kill()  # one that has ended is left alone
    if code:
        raise TlsError(
            f"the certificate {certificate} and the key {key}",
            "needed are an X.509 certificate of version 3 and a key of P-256, P-384, Ed25519 or RSA (2048, 3072 or 4096), in PEM",
        )


def _started(certificate: Path, key: Path) -> "subprocess.Popen[bytes]":
    """By the standard library, which starts it past gRPC's handlers of forks; the loop's own way has them halt its threads."""
    nothing = subprocess.DEVNULL
    command = [sys.executable, "-m", "gateway.trial", str(certificate), str(key)]
    return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603 - our own program


class _Once(Server):
    """The library's server on a socket of ours."""

    def __init__(self, bound: socket.socket, certificate: Path, key: Path) -> None:
        super().__init__(
            _nothing,
            interface=Interfaces.ASGINL,
            log_enabled=False,
            ssl_cert=certificate,
            ssl_key=key,
            ssl_protocol_min=OLDEST_TLS,
        )
        self._bound = bound

    def _init_shared_socket(self) -> None:
        holder: Any = vars(net)["SocketHolder"]
        self._ssp, self._shd = None, holder(os.dup(self._bound.fileno()), False, 1)


async def _nothing(*_: object) -> None:
    """Nobody asks for anything."""


async def _shake_hands(certificate: Path, key: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        serving = asyncio.create_task(_Once(bound, certificate, key).serve())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is our own
        await asyncio.open_connection(*bound.getsockname(), ssl=context)
        os._exit(int(serving.done()))  # how the library ends is of no interest


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no image of a process that holds a private key
    asyncio.run(_shake_hands(Path(sys.argv[1]), Path(sys.argv[2])))
